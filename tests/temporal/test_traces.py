"""The events of one row are found without the others, and folded to the same row."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence import ReadModel, evolve
from whence.backends.memory import MemoryStore
from whence.codec import Codec
from whence.envelope import NewEvent
from whence.errors import HandlerFailed
from whence.folds import Fold
from whence.store import ALL, Commit
from whence.tracing import Trace

from .traced import (
    SPECS,
    Audited,
    Balance,
    Closed,
    Joined,
    Left,
    Moved,
    Movement,
    Opened,
    Paid,
    app,
    spec_of,
)

_accounts = st.sampled_from(["A1", "A2", "a1", ""])
_students = st.lists(st.sampled_from(["Ann", "ann", "Ben"]), max_size=2)
_courses = st.sampled_from(["C1", "C2"])
_events = st.one_of(
    st.builds(Opened, _accounts, st.sampled_from(["ann", "ben"])),
    st.builds(Paid, _accounts, st.integers(-5, 5)),
    st.builds(Closed, _accounts),
    st.builds(Moved, _accounts, _accounts, st.integers(1, 5)),
    st.builds(Joined, _courses, _students),
    st.builds(Left, _courses, _students),
)
Placed = tuple[str | None, object]
"""An event, and the account in whose stream it is, if the event does not say it."""
_placed = st.one_of(
    st.tuples(st.none(), _events), st.tuples(_accounts, st.just(Audited("all is well")))
)


def _new(codec: Codec, placed: Placed) -> NewEvent:
    """An event as the application puts it into the store."""
    account, happened = placed
    if isinstance(happened, (Opened, Paid, Closed)):
        account = happened.account_id
    form = codec.form(type(happened))
    stream = "" if account is None else f"account-{account}"
    return NewEvent(form.message.word, form.keep(happened), stream, form.tags(happened))


async def _filled(placed: list[Placed]) -> MemoryStore:
    store = MemoryStore()
    events = [_new(app.wiring.events, one) for one in placed]
    await store.append([Commit(f"c{n}", [event]) for n, event in enumerate(events)])
    return store


@given(placed=st.lists(_placed, max_size=30), data=st.data())
def test_one_row_is_what_the_whole_fold_makes_of_it(placed: list[Placed], data: Any) -> None:
    asyncio.run(_compare(placed, data.draw(st.integers(0, len(placed)))))


async def _compare(placed: list[Placed], until: int) -> None:
    store = await _filled(placed)
    log = [event async for page in store.read(ALL) for event in page.events]
    for spec in SPECS.values():
        fold = Fold(spec, app.wiring.events)
        rows: dict[Any, Any] = {}
        fold.apply(fold.read(fold.concerning(log[:until])), rows)
        for key in {*rows, "A1", "C1", "Ann", "nobody"}:
            for wide in (False, True):
                trace = Trace(store, fold, key, wide=wide)
                assert await trace.row(until=until) == rows.get(key), (spec.name, key, wide)


async def test_what_is_skipped_is_left_out_of_its_row_alone() -> None:
    store = await _filled([(None, Moved("A1", "A2", 5)), (None, Paid("A1", 1))])
    fold = Fold(SPECS[Movement], app.wiring.events)
    skipped = frozenset({("A1", 1)})

    one = await Trace(store, fold, "A1", skipped).row()
    other = await Trace(store, fold, "A2", skipped).row()

    assert one is not None
    assert other is not None
    assert (one.total, other.total) == (1, 5)


async def test_a_page_that_goes_beyond_the_position_is_cut() -> None:
    store = await _filled([(None, Paid("A1", 1))] * 2_500)
    fold = Fold(SPECS[Balance], app.wiring.events)

    row = await Trace(store, fold, "A1").row(until=1_001)

    assert row is not None
    assert len(row.amounts) == 1_001


async def test_an_event_that_cannot_be_folded_is_named() -> None:
    class Wrong(ReadModel):
        account_id: str
        amount: int = 0

        @evolve
        def _(self, event: Paid) -> None:
            self.amount += 1 // event.amount

    store = await _filled([(None, Paid("A1", 1)), (None, Paid("A1", 0))])

    with pytest.raises(HandlerFailed) as failed:
        await Trace(store, Fold(spec_of(Wrong), app.wiring.events), "A1").row()
    assert failed.value.position == 2
    assert isinstance(failed.value.__cause__, ZeroDivisionError)
