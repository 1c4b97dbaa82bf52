"""`whence db`: bring the store's tables up to date, by us or by hand."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from whence.cli.process import run
from whence.testing.servers import free_port

NAMES = ["0001_events", "0002_snapshots"]


class Terminal:
    """Runs `whence db` on one store and keeps what it says."""

    def __init__(self, store: str, capsys: pytest.CaptureFixture[str]) -> None:
        self._store, self._capsys = store, capsys
        self.code, self.out, self.err = 0, "", ""

    def __call__(self, *words: str) -> str:
        self.code = run(["--store", self._store, "db", *words])
        self.out, self.err = self._capsys.readouterr()
        return self.out

    def json(self, *words: str) -> Any:
        return json.loads(self(*words, "--json"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bank.db"


@pytest.fixture
def db(path: Path, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(f"sqlite:///{path}", capsys)


def test_status_says_what_is_pending_and_makes_no_file(db: Terminal, path: Path) -> None:
    assert db.json("status") == {"version": 0, "done": [], "pending": NAMES}
    assert db.code == 9
    assert not path.exists()


def test_upgrade_runs_what_is_pending_once(db: Terminal) -> None:
    assert db.json("upgrade") == {"ran": NAMES}
    assert db.json("upgrade") == {"ran": []}
    assert db.json("status") == {"version": 2, "done": NAMES, "pending": []}
    assert db.code == 0


def test_people_are_told_the_same(db: Terminal) -> None:
    assert [line.split() for line in db("status").splitlines()] == [
        ["migration", "state"],
        ["0001_events", "pending"],
        ["0002_snapshots", "pending"],
    ]
    assert "`whence db upgrade`" in db.err
    assert db("upgrade") == "ran 0001_events\nran 0002_snapshots\n"
    assert db("upgrade") == ""
    assert db.err == "nothing was pending\n"
    assert "pending" not in db("status")


def test_sql_can_be_run_by_hand_instead(db: Terminal, path: Path) -> None:
    script = db("sql")
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
    assert db.json("status")["pending"] == []
    assert db("sql") == ""
    assert db.err == "nothing is pending\n"
    assert db("sql", "--all") == script
    assert db.json("sql", "--all") == {"sql": script}


def test_sql_of_a_half_finished_schema_is_the_other_half(db: Terminal, path: Path) -> None:
    script = db("sql")
    first = script.partition("-- The latest snapshot")[0]
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(first + "pragma application_id = 2003332707; commit;")
        connection.executescript("pragma user_version = 1;")
    assert db.json("status")["pending"] == ["0002_snapshots"]
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(db("sql"))
    assert db.json("status") == {"version": 2, "done": NAMES, "pending": []}


def test_a_foreign_file_is_left_alone(db: Terminal, path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table theirs (id)")
    for words in (["status"], ["upgrade"], ["sql"]):
        db(*words)
        assert db.code == 8
        assert "another application" in db.err


def test_a_newer_schema_is_left_alone(db: Terminal, path: Path) -> None:
    db("upgrade")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma user_version = 99")
    for words in (["status"], ["upgrade"], ["sql"]):
        db(*words)
        assert db.code == 8
        assert "upgrade whence" in db.err


def test_a_file_has_no_roles(db: Terminal) -> None:
    assert db("roles") == ""
    assert db.code == 2
    assert "no roles" in db.err


def test_memory_has_no_tables(capsys: pytest.CaptureFixture[str]) -> None:
    db = Terminal("memory://", capsys)
    assert db("status") == ""
    assert db.code == 2
    assert "memory:// has no tables" in db.err


def test_in_postgresql_it_is_the_same(
    postgres_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    db = Terminal(postgres_url, capsys)
    before = db.json("status")
    assert (db.code, before["version"], before["done"]) == (9, 0, [])
    assert db.json("sql", "--all") == db.json("sql")
    assert db.json("upgrade") == {"ran": before["pending"]}
    assert db.json("sql") == {"sql": ""}
    assert db.json("status")["pending"] == []
    assert db.code == 0


def test_sql_for_postgresql_is_printed_as_it_is_to_be_run(
    postgres_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    db = Terminal(f"{postgres_url}?schema=bank", capsys)
    script = db("sql")
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(script.encode())
    assert db.json("status")["pending"] == []


def test_roles_for_postgresql(postgres_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    db = Terminal(postgres_url, capsys)
    assert 'grant insert on whence.events, whence.tags to "whence_writer"' in db("roles")
    named = db.json("roles", "--writer", "bank_app", "--reader", "bank_look")["sql"]
    assert 'to "bank_app", "bank_look";' in named
    assert "whence_writer" not in named
    assert db("roles", "--writer", "No One") == ""
    assert db.code == 2


def test_a_server_that_is_not_there_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    db = Terminal(f"postgresql://ann:secret@127.0.0.1:{free_port()}/bank", capsys)
    assert db("status") == ""
    assert db.code == 8
    assert "check host and port" in db.err
    assert "secret" not in db.err
