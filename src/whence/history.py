"""The past of one stream: what it was at any moment, what changed, and by which events."""

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from itertools import takewhile
from typing import Any, Generic, TypeVar, cast

from whence.codec import Codec
from whence.decider import Behaviour
from whence.envelope import Recorded, id_of, to_micros
from whence.errors import NotFound
from whence.evolving import Evolving, state_of
from whence.plain import to_builtins
from whence.repository import Repository
from whence.store import EventStore, bare, in_stream

S = TypeVar("S")

Json = dict[str, "Json"] | list["Json"] | tuple["Json", ...] | str | int | float | bool | None
"""What JSON can say."""

Moment = int | str | date
"""A version, or a time: a datetime, a date (its beginning) or either as ISO 8601 text.
Times without a zone are UTC."""


@dataclass(frozen=True, slots=True)
class Past:
    """One event of a stream, typed, with where and when it happened."""

    recorded: Recorded
    event: Any

    @property
    def version(self) -> int:
        """Its place in its stream."""
        return self.recorded.version

    @property
    def position(self) -> int:
        """Its place in the whole log."""
        return self.recorded.position

    @property
    def time(self) -> datetime:
        """When it happened."""
        return self.recorded.time

    @property
    def about(self) -> Mapping[str, str]:
        """By which command, who sent it, and what caused it."""
        return self.recorded.about


@dataclass(frozen=True, slots=True)
class Changed:
    """One value that differs between two moments."""

    path: str
    """Where it is in the state, as in ``lines[2].amount``."""
    before: Any
    """None, too, if it was not there yet."""
    after: Any


@dataclass(frozen=True, slots=True)
class _Until:
    """Where to stop reading."""

    version: int | None = None
    micros: int | None = None
    position: int | None = None

    def __post_init__(self) -> None:
        if (self.version, self.micros, self.position).count(None) != 2:
            raise ValueError("say exactly one of version, time and position")
        if (self.version or 0) < 0 or (self.position or 0) < 0:
            raise ValueError("versions and positions count from 1; 0 is before the first event")

    def reaches(self, event: Recorded) -> bool:
        """Whether ``event`` lies before the stop."""
        if self.micros is not None:
            return event.micros <= self.micros
        if self.position is not None:
            return event.position <= self.position
        return event.version <= (self.version or 0)


class History(Generic[S]):
    """The past of one stream, folded by the aggregate's own code."""

    def __init__(
        self,
        store: EventStore,
        repository: Repository,
        events: Codec,
        behaviour: Behaviour[S],
        id: str,
    ) -> None:
        self._store, self._repository, self._events = store, repository, events
        self._behaviour, self.stream = behaviour, f"{behaviour.name}-{id}"

    async def at(
        self,
        moment: Moment | None = None,
        *,
        version: int | None = None,
        time: str | date | None = None,
        position: int | None = None,
    ) -> S:
        """The state as it was at one moment: a version, a time, or a position of the log.

        A plain ``moment`` is a version if it is an int, else a time. At a time it is what the
        events before the first later one make it, even if a clock went back after that. Raises
        `NotFound` for a version that the stream has not reached.
        """
        until = _until(moment, version, time, position)
        state, reached = self._behaviour.initial(id_of(self.stream)), 0
        async for page in self._pages(until):
            state = self._behaviour.fold(state, self._repository.typed(self._behaviour, page))
            reached = page[-1].version
        if until.version is not None and until.version > reached:
            raise NotFound(f"{self.stream} has {reached} version(s), not {until.version}")
        self._behaviour.mark(state, reached)
        return state

    async def now(self) -> S:
        """The state as it is."""
        state: S = (await self._repository.load(self._behaviour, self.stream)).state
        return state

    async def events(self, *, after: int = 0, limit: int | None = None) -> AsyncIterator[Past]:
        """The events of the stream that come after the version ``after``, oldest first."""
        if limit is not None and limit < 1:
            return
        start = await position_of(self._store, self.stream, after)
        async for page in self._store.read(in_stream(self.stream), after=start, limit=limit):
            for recorded in page.events:
                yield Past(recorded, self._events.decode(recorded))

    async def diff(self, before: Moment, after: Moment) -> list[Changed]:
        """What changed in the state between two moments, each as for `at`."""
        one, other = await self.at(before), await self.at(after)
        return list(differences(plain_state(one), plain_state(other)))

    async def _pages(self, until: _Until) -> AsyncIterator[list[Recorded]]:
        if until.version == 0:
            return
        query = in_stream(self.stream)
        if until.micros is None:
            query = bare(query)
        async for page in self._store.read(query, limit=until.version):
            wanted = list(takewhile(until.reaches, page.events))
            if wanted:
                yield wanted
            if len(wanted) < len(page.events):
                return


async def position_of(store: EventStore, stream: str, version: int) -> int:
    """Where a version of ``stream`` stands in the log; where its last one does, if it has less.

    It is found by halving: versions grow with the positions.
    """
    reached, end = 0, await store.head() if version > 0 else 0
    while reached < end:
        middle = (reached + end) // 2
        pages = store.read(bare(in_stream(stream)), after=middle, limit=1)
        found = [event async for page in pages for event in page.events]
        if not found or found[0].version > version:
            end = middle
        elif found[0].version < version:
            reached = found[0].position
        else:
            return found[0].position
    return reached


def moment(text: str | date) -> datetime:
    """An aware moment from a datetime, a date (its beginning) or either as ISO 8601 text.

    What has no zone is UTC. Raises ValueError for other text.
    """
    if isinstance(text, str):
        try:
            text = datetime.fromisoformat(text)
        except ValueError as error:
            raise ValueError(f"{text!r} is no time: write it as in 2026-11-01T19:30Z") from error
    if not isinstance(text, datetime):
        text = datetime.combine(text, time(), UTC)
    return text if text.tzinfo else text.replace(tzinfo=UTC)


def plain_state(state: Any) -> Json:
    """A state as JSON-like values, to print or compare; what has no such form as its repr."""
    if isinstance(state, Evolving):
        return {name: plain_state(value) for name, value in state_of(state).items()}
    try:
        plain: Json = to_builtins(state, in_order=True)
    except TypeError:
        return _plain_parts(state)
    return plain


def _plain_parts(state: Any) -> Json:
    """The same, part by part, for what holds something that has no JSON form."""
    kind = cast(Any, type(state))
    if issubclass(kind, dict):
        return {str(key): plain_state(value) for key, value in state.items()}
    if issubclass(kind, (list, tuple)):
        return [plain_state(value) for value in state]
    if issubclass(kind, (set, frozenset)):
        return sorted((plain_state(value) for value in state), key=repr)
    attributes: dict[str, Any] | None = getattr(state, "__dict__", None)
    if not attributes or isinstance(state, type):
        return repr(state)
    return {name: plain_state(value) for name, value in attributes.items()}


def differences(before: Json, after: Json, path: str = "") -> Iterator[Changed]:
    """The values that differ between two JSON-like states, each with its path."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys([*before, *after]):
            inner = f"{path}.{name}" if path else str(name)
            yield from differences(before.get(name), after.get(name), inner)
    elif isinstance(before, (list, tuple)) and isinstance(after, (list, tuple)):
        for n in range(max(len(before), len(after))):
            one = before[n] if n < len(before) else None
            other = after[n] if n < len(after) else None
            yield from differences(one, other, f"{path}[{n}]")
    elif before != after or isinstance(before, bool) != isinstance(after, bool):
        yield Changed(path, before, after)


def _until(
    moment_: Moment | None, version: int | None, time: str | date | None, position: int | None
) -> _Until:
    if moment_ is not None:
        if version is not None or time is not None:
            raise ValueError("say exactly one of version, time and position")
        if isinstance(moment_, int):
            version = moment_
        else:
            time = moment_
    return _Until(version, None if time is None else to_micros(moment(time)), position)
