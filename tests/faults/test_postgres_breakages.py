"""The conformance suite catches every deliberate fault around PostgreSQL, and faults inside."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import pytest

from whence.backends.postgres import PostgresStore, appending, binary, schema, watcher
from whence.backends.postgres.appending import Manner, Names
from whence.backends.postgres.readers import Readers
from whence.backends.postgres.reading import Scan
from whence.store import Commit, Page
from whence.testing.conformance import (
    Appending,
    Handles,
    Idempotency,
    NothingMissed,
    OpenStore,
    Paging,
    Selecting,
    Suite,
    Unless,
)
from whence.testing.faults import BREAKAGES, SHARED_BREAKAGES, Faulty, first_failure

Fresh = Callable[[], OpenStore]


@pytest.fixture
def fresh(postgres_schemas: Iterator[str]) -> Fresh:
    return lambda: partial(PostgresStore, next(postgres_schemas))


@pytest.mark.parametrize(
    "fault", [*BREAKAGES, *SHARED_BREAKAGES], ids=lambda fault: fault.__name__
)
def test_the_suite_catches(fault: type[Faulty], fresh: Fresh) -> None:
    assert first_failure(fault.caught_by, lambda: partial(fault, fresh()))


# Inside


Change = Callable[[str, str], None]
SLOWLY = "perform pg_sleep(random() * 0.01);"
"""Where it stands, others come in between."""


@pytest.fixture
def change(monkeypatch: pytest.MonkeyPatch) -> Change:
    """Changes a piece of the server's functions, in stores that are made from then on."""

    def change(right: str, wrong: str) -> None:
        changed = [replace(s, text=s.text.replace(right, wrong)) for s in schema.scripts()]
        assert changed != schema.scripts()
        monkeypatch.setattr(schema, "scripts", lambda: changed)

    return change


def caught(promise: type[Suite], fresh: Fresh) -> bool:
    return first_failure(promise, fresh) is not None


INSERT = "    insert into whence.events\n"


def test_locks_of_appends_not_looked_at(change: Change, fresh: Fresh) -> None:
    change(INSERT, SLOWLY + INSERT)
    change("drawn - coalesce(behind, 0)", "drawn")
    assert caught(NothingMissed, fresh)


def test_positions_drawn_before_the_lock(change: Change, fresh: Fresh) -> None:
    drawn = "coalesce(pg_sequence_last_value('whence.positions'), 0)"
    change(drawn, f"{drawn} + 100")
    change(INSERT, SLOWLY + INSERT)
    assert caught(NothingMissed, fresh)


def test_the_mark_taken_after_the_rows(monkeypatch: pytest.MonkeyPatch, fresh: Fresh) -> None:
    async def page(self: Readers, scan: Scan) -> tuple[Page, bool]:
        rows = await self.query(*scan.statement(2**62))
        return scan.page(rows, await self.watermark())

    monkeypatch.setattr(Readers, "page", page)
    assert caught(NothingMissed, fresh)


def test_no_lock_on_what_a_condition_looks_at(
    monkeypatch: pytest.MonkeyPatch, change: Change, fresh: Fresh
) -> None:
    right = appending.names_of

    def names_of(commits: Sequence[Commit]) -> Names:
        names = right(commits)
        return Names(names.shared, {name for name in names.alone if name.startswith("stream ")})

    monkeypatch.setattr(appending, "names_of", names_of)
    change("        numbers := array(", SLOWLY + "        numbers := array(")
    assert caught(Handles, fresh)


def test_no_lock_at_all(monkeypatch: pytest.MonkeyPatch, change: Change, fresh: Fresh) -> None:
    def none(self: Manner, commits: Sequence[Commit]) -> tuple[bytes, bytes, bytes]:
        return binary.text(self.patience), binary.bigints([]), binary.booleans([])

    monkeypatch.setattr(Manner, "locks", none)
    change("        numbers := array(", SLOWLY + "        numbers := array(")
    assert caught(Handles, fresh)


def test_conditions_not_judged(change: Change, fresh: Fresh) -> None:
    change("or whence.any_matches(unless[number], after[number])", "")
    assert caught(Unless, fresh)


def test_only_the_first_item_of_a_condition_judged(change: Change, fresh: Fresh) -> None:
    change("coalesce(jsonb_array_length(items), 0) - 1 loop", "0 loop")
    assert caught(Unless, fresh)


def test_ids_not_looked_up(change: Change, fresh: Fresh) -> None:
    change("where e.commit_id = any (ids)", "where false")
    assert caught(Idempotency, fresh)


def test_versions_counted_within_the_commit_only(change: Change, fresh: Fresh) -> None:
    change("whence.version_of(e.stream) + e.nth", "e.nth")
    assert caught(Appending, fresh)


def test_tags_not_kept(change: Change, fresh: Fresh) -> None:
    change("select distinct tag, ", "select distinct tag || '?', ")
    assert caught(Selecting, fresh)


def test_a_place_in_a_stream_missed_by_one(change: Change, fresh: Fresh) -> None:
    change("where position = place and stream = name", "where position = place + 1")
    assert caught(Paging, fresh)


def test_others_not_noticed(monkeypatch: pytest.MonkeyPatch, fresh: Fresh) -> None:
    async def none(self: watcher.Watcher) -> None:
        """Listens to nobody."""

    monkeypatch.setattr(watcher.Watcher, "_listening", none)
    monkeypatch.setattr(watcher, "_POLL", 60)
    assert caught(Handles, fresh)
