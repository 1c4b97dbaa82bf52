"""The private PostgreSQL that tests start: real, durable, restartable, and gone afterwards."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from whence.testing import postgres as kit
from whence.testing.postgres import PostgresServer, PrivatePostgres, installations


@pytest.fixture(scope="module")
def server() -> Iterator[PrivatePostgres]:
    """One that these tests may stop."""
    with PrivatePostgres(max_connections=20) as started:
        yield started


@pytest.fixture
def database(server: PrivatePostgres) -> Iterator[str]:
    url = server.create_database()
    yield url
    server.drop_database(url)


def ask(url: str, question: str) -> str:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(question.encode()).fetchone()
        return str(row[0]) if row else ""


def remember(url: str, number: int) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create table if not exists numbers (number int)")
        connection.execute("insert into numbers values (%s)", (number,))


def is_alive(pid: int) -> bool:
    """Whether it runs; one whose end nobody has asked for yet (a zombie) does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


def ends(pid: int) -> None:
    """It has let go of everything: the system takes a moment to put it away."""
    while is_alive(pid):
        time.sleep(0.001)


def test_each_test_has_a_database_of_its_own(postgres: PostgresServer, postgres_url: str) -> None:
    remember(postgres_url, 1)
    other = postgres.create_database()
    assert ask(other, "select to_regclass('numbers') is null") == "True"
    postgres.drop_database(other)


def test_a_database_can_be_a_copy_of_another(server: PrivatePostgres, database: str) -> None:
    remember(database, 7)
    copy = server.create_database(template=database.rpartition("/")[2])
    assert ask(copy, "select number from numbers") == "7"
    server.drop_database(copy)


def test_a_database_is_dropped_under_its_users(server: PrivatePostgres) -> None:
    url = server.create_database()
    with psycopg.connect(url) as connection:
        server.drop_database(url)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select 1")
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(url)


def test_an_emptied_database_is_as_new(server: PrivatePostgres, database: str) -> None:
    server.settings["max_prepared_transactions"] = 5
    server.restart()
    remember(database, 1)
    with psycopg.connect(database) as other:
        other.execute("create schema theirs; create table theirs.numbers ()")
        other.execute(f"alter database {other.info.dbname} set work_mem = '5MB'".encode())
        other.execute("prepare transaction 'left over'")
    with psycopg.connect(database) as other:
        other.execute("select * from numbers")
        server.empty_database(database)
        with pytest.raises(psycopg.OperationalError):
            other.execute("select 1")
    assert ask(database, "select count(*) from pg_tables where schemaname !~ '^(pg|inf)'") == "0"
    assert ask(database, "select count(*) from pg_prepared_xacts") == "0"
    assert ask(database, "show work_mem") == "4MB"
    remember(database, 2)


@pytest.mark.parametrize("wanted", ["", "newest", "oldest", "this"])
def test_the_version_that_is_wanted_is_taken(monkeypatch: pytest.MonkeyPatch, wanted: str) -> None:
    found = installations()
    assert found == sorted(found, reverse=True)
    taken = {"oldest": found[-1], "this": found[len(found) // 2]}.get(wanted, found[0])
    monkeypatch.setenv(kit.VERSION, str(taken.version) if wanted == "this" else wanted)
    with PrivatePostgres() as server:
        number = int(ask(server.url(), "show server_version_num"))
    assert number // 10000 == taken.version == server.installation.version


def test_a_version_that_is_not_there_is_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(kit.VERSION, "7")
    with pytest.raises(LookupError, match=r"VERSION says '7', which is none of newest, .*1\d"):
        PrivatePostgres()


def test_what_cannot_be_run_is_not_an_installation(tmp_path: Path) -> None:
    for name in ("initdb", "postgres"):
        (tmp_path / name).write_text("#!/nowhere/sh\n")
        assert kit.installed_in(tmp_path) is None
        (tmp_path / name).chmod(0o755)
    assert kit.installed_in(tmp_path) is None


def test_durability_is_as_in_production(server: PrivatePostgres) -> None:
    kept = [ask(server.url(), f"show {name}") for name in ("fsync", "synchronous_commit")]
    assert kept == ["on", "on"]


def test_it_is_not_run_by_root(server: PrivatePostgres) -> None:
    assert server.pid is not None
    assert server.data.stat().st_uid != 0
    assert Path(f"/proc/{server.pid}").stat().st_uid == server.data.stat().st_uid


def test_a_wrong_password_is_refused(server: PrivatePostgres) -> None:
    host = server.url().rpartition("@")[2]
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(f"postgresql://postgres:wrong@{host}")


def test_what_was_committed_survives_a_kill(server: PrivatePostgres, database: str) -> None:
    remember(database, 42)
    killed = server.pid
    with psycopg.connect(database) as connection:
        backend = connection.info.backend_pid
        server.kill()
        assert server.pid is None
        assert killed is not None
        ends(killed)
        ends(backend)
    server.start()
    assert ask(database, "select number from numbers") == "42"


def test_a_restart_throws_clients_out_and_keeps_the_port(
    server: PrivatePostgres, database: str
) -> None:
    with psycopg.connect(database) as connection:
        server.restart()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select 1")
    assert ask(database, "select 1") == "1"


def test_settings_count_from_the_next_start(server: PrivatePostgres) -> None:
    server.settings["max_connections"] = 15
    server.restart("immediate")
    assert ask(server.url(), "show max_connections") == "15"


def test_a_file_can_be_put_into_the_cluster(server: PrivatePostgres) -> None:
    server.write("../extra.conf", "work_mem = '3MB'\n")
    server.settings["config_file"] = server.data / "postgresql.conf"
    server.write("postgresql.conf", "include '../extra.conf'\n")
    server.restart()
    assert ask(server.url(), "show work_mem") == "3MB"


def test_a_server_that_cannot_start_says_why() -> None:
    server = PrivatePostgres(shared_buffers="many")
    with pytest.raises(RuntimeError, match='invalid value for parameter "shared_buffers"'), server:
        pass
    assert not server.data.exists()
    assert server.pid is None


def test_programs_find_it_by_the_environment(server: PrivatePostgres) -> None:
    psql = [str(server.installation.bin / "psql"), "-At", "-c", "select current_user"]
    environment = os.environ | server.environment
    said = subprocess.run(psql, env=environment, capture_output=True, text=True, check=True)
    assert said.stdout == "postgres\n"


def test_nothing_is_left_of_it() -> None:
    with PrivatePostgres() as server:
        pid = server.pid
    assert pid is not None
    ends(pid)
    assert not server.data.parent.exists()


START = """
import time
from whence.testing.postgres import PrivatePostgres

server = PrivatePostgres()
server.start()
print(server.pid, server.data.parent, flush=True)
time.sleep(100)
"""


def test_a_test_that_is_killed_leaves_no_server() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", START], stdout=subprocess.PIPE, text=True
    ) as test:
        assert test.stdout is not None
        pid, folder = test.stdout.readline().split()
        assert is_alive(int(pid))
        test.kill()
    ends(int(pid))
    while Path(folder).exists():
        time.sleep(0.01)


def test_a_server_that_is_down_cannot_be_stopped(server: PrivatePostgres) -> None:
    server.stop()
    with pytest.raises(RuntimeError, match="not running"):
        server.kill()
    server.start()


def test_without_an_installation_it_says_how_to_get_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(kit, "_USUAL_PLACES", ())
    with pytest.raises(RuntimeError, match="apt-get install postgresql"):
        PrivatePostgres()


def test_another_server_can_be_used(server: PrivatePostgres) -> None:
    other = PostgresServer(server.url() + "?connect_timeout=5")
    url = other.create_database()
    assert url.endswith("?connect_timeout=5")
    assert ask(url, "select current_database()") in url
    other.drop_database(url)
