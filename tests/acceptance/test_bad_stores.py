"""Files that are not what they should be: errors say which, and what to do; nothing changes."""

import ctypes
import hashlib
import os
import resource
import signal
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from .terminal import PROGRAM, Answer, Terminal, person

LOOKS = [
    ("streams",),
    ("show", "account-ACC1"),
    ("tail",),
    ("history", "account-ACC1"),
    ("read", "balance"),
    ("ask", "FindAccounts", "owner=al"),
    ("projections",),
    ("rebuild", "balance"),
    ("rebuild", "--all"),
]
SEND = ("send", "DepositMoney", "account_id=ACC1", "amount=1")
Spoil = Callable[[Path], None]


def text(path: Path) -> None:
    path.write_text("my shopping list\n" * 1_000)


def another_application(path: Path) -> None:
    path.unlink()
    change(path, "create table shopping (what text)")


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def later_version(path: Path) -> None:
    change(path, "pragma user_version = 99")


def cut(size: int) -> Spoil:
    def spoil(path: Path) -> None:
        os.truncate(path, size)

    return spoil


SPOILT: dict[str, tuple[Spoil, str, str]] = {
    "text": (text, "ForeignStore", "is not a SQLite file: give another path, or move it away"),
    "another": (another_application, "ForeignStore", "is a SQLite file of another application"),
    "directory": (directory, "ForeignStore", "is a directory: give the path of a file"),
    "later": (later_version, "NewerSchema", "written by a later version of whence"),
    "cut in its first page": (cut(1_000), "DamagedStore", "is damaged: restore it from a backup"),
    "cut after its first page": (cut(4_096), "DamagedStore", "is damaged: restore it from a"),
    "cut in the middle": (cut(13_000), "DamagedStore", "is damaged: restore it from a backup"),
}


def change(path: Path, statement: str, *values: object) -> None:
    """Do to a file what no application does."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement, values)
        connection.commit()
        connection.execute("pragma wal_checkpoint(truncate)")


def fingerprint(folder: Path) -> dict[str, str]:
    """What is in each file of the store. Its shared memory is no data, and left out."""
    return {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.glob("bank.db*")
        if file.is_file() and not file.name.endswith("-shm") and file.stat().st_size
    }


@pytest.fixture(params=SPOILT)
def spoilt(request: pytest.FixtureRequest, account: Terminal) -> tuple[Terminal, str, str]:
    """A terminal beside a file that is no store (any more), and what is to be said about it."""
    spoil, kind, says = SPOILT[request.param]
    spoil(account.folder / "bank.db")
    return account, kind, says


def test_every_command_says_what_is_wrong_with_the_file_and_leaves_it_alone(
    spoilt: tuple[Terminal, str, str],
) -> None:
    terminal, kind, says = spoilt
    before = fingerprint(terminal.folder)
    for words in (*LOOKS, SEND):
        answer = terminal(*words, code=8)
        assert answer.err.startswith("error: bank.db ")
        assert says in answer.err
        assert answer.out == ""
    assert terminal(*SEND, "--json", code=8).error["kind"] == kind
    assert fingerprint(terminal.folder) == before


def test_doctor_finds_it(spoilt: tuple[Terminal, str, str]) -> None:
    terminal, _, says = spoilt
    before = fingerprint(terminal.folder)
    found = terminal("doctor", "--json", code=9).json["findings"]
    (problem,) = [one for one in found if one["level"] == "problem"]
    assert (problem["name"], problem["says"].startswith("bank.db ")) == ("store", True)
    assert says in problem["says"]
    assert fingerprint(terminal.folder) == before


@pytest.mark.parametrize("words", LOOKS, ids=" ".join)
def test_looking_makes_no_store(bank: Terminal, words: tuple[str, ...]) -> None:
    answer = bank(*words, code=7)
    assert (
        "there is no store at sqlite:///bank.db yet: the first `whence send` makes" in answer.err
    )
    assert list(bank.folder.iterdir()) == []


def test_looking_makes_no_store_of_an_empty_file(bank: Terminal) -> None:
    (bank.folder / "bank.db").touch()
    assert "there is no store" in bank("streams", code=7).err
    assert (bank.folder / "bank.db").stat().st_size == 0


def test_a_folder_that_is_not_there_is_named(bank: Terminal) -> None:
    answer = bank("--store", "sqlite:///no/such/bank.db", *SEND, code=8)
    assert "no/such is not a directory: create it first" in answer.err


UNREADABLE = {
    "unknown type": (
        "update events set type = 'MoneyReceived' where position = 2",
        "no event is called 'MoneyReceived', which is stored at position 2"
        " (account-ACC1 version 2). If its class was renamed, keep the stored name",
    ),
    "bad field": (
        'update events set data = cast(\'{"account_id":"ACC1"}\' as blob) where position = 2',
        "the 'MoneyDeposited' at position 2 (account-ACC1 version 2) does not fit MoneyDeposited",
    ),
    "no JSON": (
        "update events set data = cast('{\"account' as blob) where position = 2",
        "the 'MoneyDeposited' at position 2 (account-ACC1 version 2) does not fit MoneyDeposited",
    ),
    "no text": (
        "update events set data = x'fffe00' where position = 2",
        "the 'MoneyDeposited' at position 2 (account-ACC1 version 2) does not fit MoneyDeposited",
    ),
}


@pytest.fixture(params=UNREADABLE)
def unreadable(request: pytest.FixtureRequest, account: Terminal) -> tuple[Terminal, str]:
    """A terminal beside a log whose second event nobody can read, and what is said about it."""
    statement, says = UNREADABLE[request.param]
    change(account.folder / "bank.db", statement)
    return account, says


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (SEND, 8),
        (("history", "account-ACC1"), 8),
        (("history", "account-ACC1", "--at", "3"), 8),
        (("read", "balance"), 9),
        (("ask", "FindAccounts", "owner=al"), 9),
    ],
)
def test_an_event_that_cannot_be_read_is_named_with_file_position_and_remedy(
    unreadable: tuple[Terminal, str], words: tuple[str, ...], code: int
) -> None:
    terminal, says = unreadable
    before = fingerprint(terminal.folder)
    answer = terminal(*words, code=code)
    assert says in answer.err
    assert answer.err.rstrip().endswith("Nothing was changed\nThe store is sqlite:///bank.db.")
    assert says in terminal(*words, "--json", code=code).error["message"]
    assert fingerprint(terminal.folder) == before


@pytest.mark.parametrize("unreadable", ["unknown type"], indirect=True)
def test_a_rebuild_stops_at_a_type_that_the_application_does_not_know(
    unreadable: tuple[Terminal, str],
) -> None:
    terminal, says = unreadable
    assert says in terminal("rebuild", "balance", code=8).err


@pytest.mark.parametrize("unreadable", ["bad field", "no JSON", "no text"], indirect=True)
def test_what_cannot_be_read_is_parked_by_a_rebuild(
    unreadable: tuple[Terminal, str],
) -> None:
    terminal, _ = unreadable
    answer = terminal("rebuild", "balance")
    assert answer.out.startswith("balance: rebuilt, at position 3")
    assert "1 key parked, since an event could not be handled" in answer.err
    (found,) = terminal("rebuild", "balance", "--json").json
    assert (found["position"], found["parked"]) == (3, 1)
    assert terminal("projections", "--json").json[0]["state"] == "live"


def test_what_cannot_be_read_can_be_looked_at(unreadable: tuple[Terminal, str]) -> None:
    terminal, _ = unreadable
    for words in (("show", "account-ACC1"), ("tail",)):
        assert len(terminal(*words).out.splitlines()) == 3
        first, second, third = terminal(*words, "--json").lines
        assert first["data"] == {"account_id": "ACC1", "owner": "alice"}
        assert third["data"] == {"account_id": "ACC1", "amount": 30}
        assert second["data"] is not None or isinstance(second["raw"], str)
    state = terminal("history", "account-ACC1", "--at", "1", "--json").json["state"]
    assert state == {"opened": True, "balance": 0}


def test_doctor_finds_the_first_of_each_type(unreadable: tuple[Terminal, str]) -> None:
    terminal, says = unreadable
    answer = terminal("doctor", code=9)
    (events,) = [line for line in answer.out.splitlines() if line.startswith("FAIL  events:")]
    assert says in events


def test_a_payload_that_was_mended_by_hand_is_read(account: Terminal) -> None:
    path = account.folder / "bank.db"
    data = '{"account_id":"ACC1","amount":90}'
    change(path, "update events set data = ?, metadata = '{}' where position = 2", data)
    assert account("show", "account-ACC1", "--json").lines[1]["data"]["amount"] == 90
    assert data in account("tail").out
    assert account("read", "balance", "ACC1", "--json").json["row"]["balance"] == 60


def test_a_read_database_that_is_none_is_named_and_nothing_is_lost(account: Terminal) -> None:
    rows = account.folder / "bank.read.db"
    rows.write_text("my shopping list")
    answer = account("read", "balance", code=8)
    assert "the read database sqlite:///bank.read.db failed: it is no SQLite file" in answer.err
    assert "delete or move it" in answer.err
    assert rows.read_text() == "my shopping list"
    assert account("streams").err == "1 stream\n"
    rows.unlink()
    assert account("read", "balance", "ACC1", "--json").json["row"]["balance"] == 70


def without_power() -> None:
    """Be a root who has to obey the rights of files, as everybody else does."""
    if os.geteuid() == 0:
        drop = ctypes.CDLL(None).prctl
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            assert drop(24, capability) == 0  # PR_CAPBSET_DROP


def in_little_room() -> None:
    """No file may grow over 60 kB: as on a disk that is full, and there is no signal about it."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))


def limited(limit: Callable[[], None], *words: str) -> Answer:
    """Type a command where something is not possible."""
    done = subprocess.run(
        [*PROGRAM, *words],
        capture_output=True,
        text=True,
        timeout=60,
        env=person(),
        preexec_fn=limit,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("place", ["bank.db", "."])
def test_a_file_that_may_not_be_written_is_named(account: Terminal, place: str) -> None:
    before = fingerprint(account.folder)
    path = account.folder / place
    mode = path.stat().st_mode
    path.chmod(mode & ~0o222)
    try:
        for words in (SEND, ("streams",), ("read", "balance")):
            answer = limited(without_power, *words)
            assert answer.code == 8
            assert "There is no right to write to bank.db: whence must be able" in answer.err
    finally:
        path.chmod(mode)
    assert fingerprint(account.folder) == before
    account(*SEND)


def test_a_disk_that_is_full_keeps_what_was_acknowledged(account: Terminal) -> None:
    """Until there is room again."""
    sent, answer = 0, Answer(0, "", "")
    long = "x" * 20_000
    while answer.code == 0 and sent < 20:
        words = ("send", "OpenAccount", f"account_id=B{sent}", f"owner={long}", "--json")
        answer = limited(in_little_room, *words)
        sent += answer.code == 0
    assert sent < 20
    assert answer.code == 8
    assert answer.error["kind"] == "StoreFull"
    assert "There is no room to write to" in answer.error["message"]
    assert "bank.db: free some, and send again" in answer.error["message"]
    found = {one["stream"]: one["version"] for one in account("streams", "--json").lines}
    assert found == {"account-ACC1": 3, **{f"account-B{n}": 1 for n in range(sent)}}
    account("send", "OpenAccount", f"account_id=B{sent}", f"owner={long}")
