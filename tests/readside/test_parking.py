"""What cannot be handled waits in order under its key, and everything else goes on."""

from collections.abc import Iterator
from typing import cast

import pytest
from sqlalchemy import select

from whence import Aggregate, ReadModel, command, decide, event, evolve
from whence.app import App
from whence.backends.memory import MemoryStore
from whence.backends.sql.dead import Letter
from whence.envelope import NewEvent
from whence.errors import Behind, UnknownType

from .counters import (
    Counter,
    Log,
    Total,
    append,
    caught_up,
    counted,
    counters,
    failing,
    fresh,
    log,
    rows,
    shared,
    status,
    subscription,
    unreadable,
    until,
)


@event
class Said:
    speaker_id: str
    text: str


@command
class Say:
    speaker_id: str
    text: str


class Speaker(Aggregate):
    @decide
    def say(self, command: Say) -> Iterator[Said]:
        yield Said(self.id, command.text)

    @evolve
    def _(self, event: Said) -> None: ...


async def letters(app: App, name: str = "total") -> list[Letter]:
    database = app.running.reads.database
    return await database.read(lambda c: database.dead.load(c, name))


async def parked(app: App, name: str = "total") -> list[tuple[str, int]]:
    found = dict.fromkeys((one.key, one.position) for one in await letters(app, name))
    return list(found)


async def test_its_key_waits_and_the_others_go_on(read_url: str) -> None:
    async with counters(read_url, failing(13)) as app:
        await append(app, counted("A", 1), counted("B", 2), counted("A", 13), counted("B", 3))
        await append(app, counted("A", 4), counted("C", 5))
        await caught_up(app)
        assert await rows(app) == {"A": (1, 1, 1), "B": (5, 2, 2), "C": (5, 1, 1)}
        assert await parked(app) == [("A", 3), ("A", 5)]
        assert (await status(app)).parked == 1
        assert (await status(app)).state == "live"
        first, second = await letters(app)
        assert first.error is not None
        assert "total cannot handle the 'Counted' at position 3" in first.error
        assert "ValueError: 13 brings bad luck" in first.error
        assert (first.attempts, second.error, second.attempts) == (1, None, 0)


async def test_an_event_of_several_keys_waits_for_those_that_are_parked(read_url: str) -> None:
    async with counters(read_url, failing(13)) as app:
        await append(app, counted("A", 13), shared("A", "B", "C", by=7))
        await caught_up(app)
        assert await rows(app) == {"B": (7, 1, 0), "C": (7, 1, 0)}
        assert await parked(app) == [("A", 1), ("A", 2)]


async def test_it_is_tried_again_before_it_is_parked(
    read_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with counters(read_url, failing(13, attempts=1)) as app:
        await append(app, counted("A", 13), counted("B", 1))
        await caught_up(app)
        assert await parked(app) == [("A", 1)]
        assert await rows(app) == {"B": (1, 1, 1)}

        async def goes_well() -> bool:
            return (await status(app)).error is None

        await until(goes_well)
    said = [one.getMessage() for one in caplog.records if "stands still" in one.getMessage()]
    assert len(said) == 1
    assert said[0].startswith(
        "total stands still: total cannot handle the 'Counted' at position 1"
        " (counter-A version 1): ValueError: 13 brings bad luck at "
    )


async def test_what_cannot_be_read_waits_under_its_stream(read_url: str) -> None:
    async with counters(read_url) as app:
        await append(app, counted("A", 1), counted("B", 1), unreadable("A"), counted("A", 2))
        await append(app, counted("B", 3), counted("A", 9, "counter-B"), counted("A", 4))
        await caught_up(app)
        # Counter A goes on with what comes from another stream.
        assert await rows(app) == {"A": (10, 2, 1), "B": (4, 2, 3)}
        assert await parked(app) == [("stream:counter-A", n) for n in (3, 4, 7)]
        assert (await status(app)).parked == 1
        first = (await letters(app))[0]
        assert first.error is not None
        assert "does not fit Counted" in first.error


async def test_what_the_database_cannot_keep_waits_under_its_key(read_url: str) -> None:
    async with counters(read_url) as app:
        await append(app, counted("A", 1), counted("B", 1), counted("A", 2**63), counted("B", 2))
        await append(app, counted("A", 5), counted("C", -(2**70)), counted("B", 3))
        await caught_up(app)
        kept, waiting = {"A": (1, 1, 1), "B": (6, 3, 3)}, [("A", 3), ("A", 5), ("C", 6)]
        assert await rows(app) == kept
        assert await parked(app) == waiting
        first = (await letters(app))[0]
        assert first.error is not None
        assert "at position 3 (counter-A version 2): ValueError: total cannot be" in first.error
        await subscription(app).rebuild()
        assert await rows(app) == kept
        assert await parked(app) == waiting


class Shown(ReadModel):
    """What its table cannot always keep: a text, as a key too, and None by mistake."""

    name: str
    text: str = ""

    @evolve(key="text")
    def _(self, event: Said) -> None:
        self.text = cast("str", None) if event.text == "None" else f"{event.text}!"


async def test_nobody_can_stop_it_with_a_text(read_url: str) -> None:
    texts = ["a", "b\0c", "None", "d", "a"]
    store = MemoryStore()
    async with App("said", Speaker, Shown, store=store, read=read_url) as app:
        for text in texts:
            await app.send(Say("S1", text))
        await caught_up(app, "shown")
        found = {row.name: row.text for row in await app.read(Shown)}
        keys = {key for key, _ in await parked(app, "shown")}
        await subscription(app, "shown").rebuild()
        assert {row.name: row.text for row in await app.read(Shown)} == found
        assert {key for key, _ in await parked(app, "shown")} == keys
    if read_url.startswith("sqlite"):  # which keeps any text
        assert (found, keys) == ({"a": "a!", "b\0c": "b\0c!", "d": "d!"}, {"None"})
    else:  # nothing can wait under a key that cannot be kept: its stream waits
        assert (found, keys) == ({"a": "a!"}, {"stream:speaker-S1"})


async def test_nobody_can_stop_it_with_a_long_key(read_url: str) -> None:
    long = "".join(chr(0x4E00 + n * 7919 % 20_000) for n in range(5_000))  # hard to compress
    async with App("said", Speaker, Shown, store="memory://", read=read_url) as app:
        for text in ("a", long, "b"):
            await app.send(Say(f"S{text[0]}", text))
        await caught_up(app, "shown")
        assert {row.name for row in await app.read(Shown)} - {long} == {"a", "b"}
        waiting = [] if read_url.startswith("sqlite") else [(f"stream:speaker-S{long[0]}", 2)]
        assert await parked(app, "shown") == waiting


class Quoting(Shown, name="shown", attempts=0):
    """Quotes in its error what nobody can keep."""

    @evolve(key="text")
    def _(self, event: Said) -> None:
        raise ValueError(f"{event.text}\0\ud800 {'x' * 100_000}")


async def test_what_a_handler_says_can_be_kept(read_url: str) -> None:
    async with App("said", Speaker, Quoting, store="memory://", read=read_url) as app:
        await app.send(Say("S1", "a"))
        await caught_up(app, "shown")
        (letter,) = await letters(app, "shown")
        assert letter.error is not None
        assert "ValueError: a\\0\\ud800 xxx" in letter.error


async def test_a_type_that_nobody_knows_stops_it(read_url: str) -> None:
    async with counters(read_url) as app:
        await append(app, counted("A", 1), NewEvent("Strange", b"{}", "counter-A"))
        await append(app, counted("B", 1))
        with pytest.raises(Behind) as caught:
            await subscription(app).reached(3, 0.5)
        assert isinstance(caught.value.__cause__, UnknownType)
        assert await parked(app) == []
        found = await status(app)
        assert (found.state, found.position) == ("failed", 1)
        assert found.error == str(caught.value.__cause__)


async def test_what_waits_is_the_same_after_a_restart(read_url: str, store: str) -> None:
    for n in range(3):
        async with counters(read_url, failing(13), store=store) as app:
            await append(app, counted("A", 13), counted("A", n), counted("B", 1))
            await caught_up(app)
    async with counters(read_url, failing(13), store=store) as app:
        assert await parked(app) == [("A", n) for n in (1, 2, 4, 5, 7, 8)]
        assert await rows(app) == {"B": (3, 3, 3)}


async def test_a_rebuild_parks_as_well(read_url: str) -> None:
    async with counters(read_url, failing(13)) as app:
        await append(app, *(counted(f"C{n % 7}", n) for n in range(60)))
        await append(app, counted("C1", 5), unreadable("C2"), counted("C2", 3))
        await caught_up(app)
        before, waiting = await rows(app), await parked(app)
        assert waiting == [
            *(("C6", n + 1) for n in range(13, 60, 7)),
            *(("stream:counter-C2", position) for position in (62, 63)),
        ]
        await subscription(app).rebuild()
        assert await rows(app) == before
        assert await parked(app) == waiting
        assert (await status(app)).generation == 2


async def test_a_page_of_nothing_but_failures_is_parked_at_once(read_url: str) -> None:
    async with counters(read_url, failing(13), projecting=False) as app:
        await append(app, *(counted(f"C{n}", 13) for n in range(300)), counted("A", 1))
        await subscription(app).start()
        await caught_up(app)
        assert len(await parked(app)) == 300
        assert await rows(app) == {"A": (1, 1, 1)}


async def test_what_is_not_parked_equals_a_fresh_fold(read_url: str) -> None:
    async with counters(read_url, failing(13, 31)) as app:
        await append(app, *(counted(f"C{n % 9}", n) for n in range(100)))
        await caught_up(app)
        waiting = {position for _, position in await parked(app)}
        assert await rows(app) == await fresh(app, without=waiting)


async def test_in_a_projection_the_stream_waits(read_url: str) -> None:
    async with App("counters", Counter, Total, Log, store="memory://", read=read_url) as app:
        await append(app, counted("A", 1), counted("A", 13), counted("B", 2), counted("A", 3))
        await append(app, counted("C", 2), counted("C", 4), counted("B", 5))
        await caught_up(app, "log")
        waiting = [("stream:counter-A", 2), ("stream:counter-A", 4)]
        waiting += [("stream:counter-C", 5), ("stream:counter-C", 6)]
        assert await parked(app, "log") == waiting
        first = (await letters(app, "log"))[2]
        assert first.error is not None
        assert "IntegrityError" in first.error
        statement = select(log.c.counter, log.c.by).order_by(log.c.by)
        found = await app.running.reads.database.read(
            lambda c: [tuple(r) for r in c.execute(statement)]
        )
        assert found == [("A", 1), ("B", 2), ("B", 5)]
        assert await parked(app) == []
