"""Whatever happens, what was folded step by step equals what is folded afresh.

Events come in random order and in pages of random sizes, while writes fail before, in and after
their transactions, applications end and start again, or die so that nothing more of what they do
is kept, code changes, and tables are rebuilt, rolled back, paused and dropped.
"""

import asyncio
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar, cast
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from whence import trouble
from whence.app import App
from whence.backends import memory
from whence.backends.memory import MemoryStore
from whence.backends.sql import building
from whence.backends.sql.database import ReadDatabase
from whence.envelope import NewEvent
from whence.errors import NotFound, StoreError, WhenceError
from whence.testing.postgres import PostgresServer

from ..readside import counters as kit

Result = TypeVar("Result")
Fault = str | None
Words = list[tuple[str, Any]]

KEYS = st.sampled_from(["A", "B", "C", "D"])
EVENTS = st.one_of(
    st.builds(kit.counted, KEYS, st.integers(0, 20)),
    st.builds(kit.closed, KEYS),
    st.lists(KEYS, max_size=3).map(lambda keys: kit.shared(*keys, by=3)),
)
WORDS = st.one_of(
    st.tuples(st.just("append"), st.lists(EVENTS, min_size=1, max_size=12)),
    st.tuples(
        st.sampled_from(["restart", "rebuild", "roll back", "clean", "pause", "resume", "drop"]),
        st.none(),
    ),
    st.tuples(st.just("rebuild"), st.none()),
    st.tuples(st.just("code"), st.sampled_from([kit.Total, kit.Shrunk])),
    st.tuples(st.sampled_from(["wait", "join", "leave"]), st.none()),
    st.tuples(st.just("die"), st.integers(0, 6)),
)
FAULTS = st.lists(st.sampled_from([None, None, None, "before", "inside", "after"]), max_size=40)


_PATIENCE = 0.2
"""Seconds that are waited for what may never come, since nothing can be written."""


class Death:
    """From some write on, nothing is written any more, until the application starts again."""

    def __init__(self) -> None:
        self._left: int | None = None

    def comes(self, after: int) -> None:
        """So many writes still succeed."""
        self._left = after

    def strikes(self) -> None:
        """Raise if it has come; count a write."""
        if self._left is not None:
            if self._left == 0:
                raise StoreError("the process is dead")
            self._left -= 1

    @property
    def struck(self) -> bool:
        return self._left == 0

    def ends(self) -> None:
        """Another process begins."""
        self._left = None


@contextmanager
def failing_writes(faults: list[Fault], death: Death) -> Generator[None]:
    """Let writes fail, one after the other, as they are listed."""
    left, write = iter(faults), ReadDatabase.write

    async def failing(database: ReadDatabase, task: Callable[[Connection], Result]) -> Result:
        death.strikes()
        fault = next(left, None)

        def broken(connection: Connection) -> Result:
            result = task(connection)
            if fault == "inside":
                raise StoreError("the connection was lost")
            return result

        if fault == "before":
            raise StoreError("there is no connection")
        result = await write(database, broken)
        if fault == "after":
            raise StoreError("the answer was lost")
        return result

    with (
        patch.object(ReadDatabase, "write", failing),
        patch.object(trouble, "_PAUSES", (0.001,)),
        patch.object(building, "_CHANGED", 2),
    ):
        yield


class Life:
    """An application that starts and ends, on one log and one read database."""

    def __init__(self, read_url: str) -> None:
        self._store, self._read = MemoryStore(), read_url
        self.death = Death()
        self._model: Any = kit.Total
        self._open: App | None = None
        self._neighbour: App | None = None

    async def app(self) -> App:
        if self._open is None:
            self._open = await self._opened()
        return self._open

    async def _opened(self) -> App:
        app = kit.counters(self._read, self._model, store=self._store)
        while True:
            with suppress(StoreError):
                return await app.__aenter__()

    async def end(self) -> None:
        app, self._open = self._open, None
        if app is not None:
            await app.__aexit__(None, None, None)
        await self._leave()
        self.death.ends()

    async def _join(self) -> None:
        """Another process does the same work."""
        if self._neighbour is None:
            self._neighbour = await self._opened()

    async def _leave(self) -> None:
        app, self._neighbour = self._neighbour, None
        if app is not None:
            await app.__aexit__(None, None, None)

    async def do(self, word: str, what: Any) -> None:
        if self.death.struck:
            await self.end()
        app = await self.app()
        match word:
            case "append":
                await kit.append(app, *cast("list[NewEvent]", what))
            case "restart":
                await self.end()
            case "join":
                await self._join()
            case "leave":
                await self._leave()
            case "code":
                await self.end()
                self._model = what
            case "wait":
                await kit.subscription(app).reached(await app.running.store.head(), _PATIENCE)
            case "die":
                self.death.comes(what)
            case "rebuild":
                await app.projections.rebuild("total")
            case "roll back":
                await app.projections.rollback("total")
            case "clean":
                await app.projections.clean("total")
            case "pause":
                await app.projections.pause("total")
            case "resume":
                await app.projections.resume("total")
            case _:
                await app.projections.retire("total", drop=True)

    async def check(self) -> None:
        """What is there in the end is what a fresh fold makes."""
        app = await self.app()
        await app.projections.resume("total")
        await kit.append(app, kit.counted("A", 1))
        await kit.caught_up(app)
        assert await kit.rows(app) == await kit.fresh(app, of=self._model)


async def live(read_url: str, words: Words, faults: list[Fault]) -> None:
    life = Life(read_url)
    with failing_writes(faults, life.death):
        for word, what in words:
            try:
                await life.do(word, what)
            except (StoreError, NotFound, WhenceError):
                continue  # it could not be done, and nothing was
        with suppress(StoreError, WhenceError):
            await life.do("wait", None)
        if life.death.struck:
            await life.end()
    with patch.object(trouble, "_PAUSES", (0.001,)):
        await life.check()
    await life.end()


@given(st.lists(WORDS, max_size=12), FAULTS, st.integers(1, 5))
def test_step_by_step_equals_afresh(words: Words, faults: list[Fault], pages: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder)}/read.db"
        with patch.object(memory, "PAGE_EVENTS", pages):
            asyncio.run(live(url, words, faults))


@pytest.fixture
def fresh_urls(postgres: PostgresServer) -> Iterator[Callable[[], str]]:
    made: list[str] = []

    def make() -> str:
        made.append(postgres.create_database())
        return made[-1]

    yield make
    for url in made:
        postgres.drop_database(url)


@given(words=st.lists(WORDS, max_size=12), faults=FAULTS, pages=st.integers(1, 5))
@settings(max_examples=8)
def test_step_by_step_equals_afresh_on_postgresql(
    fresh_urls: Callable[[], str], words: Words, faults: list[Fault], pages: int
) -> None:
    with patch.object(memory, "PAGE_EVENTS", pages):
        asyncio.run(live(fresh_urls(), words, faults))
