"""Running a decision: read all that it looks at, decide, store what it yields.

As `whence.repository` is for aggregates, so is this for decisions over several things.
"""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass

from whence.aggregate import Aggregate
from whence.codec import Codec, unknown_type
from whence.decider import yielded
from whence.decisions import Decision, DecisionModel
from whence.envelope import Recorded, id_of
from whence.errors import Invalid
from whence.evolving import Evolving, looking_at
from whence.handlers import Handler
from whence.messages import describe
from whence.recording import Recorder
from whence.repository import Repository, stream_of
from whence.sending import Context, Receipt
from whence.store import EventQuery, EventStore, Item


@dataclass(slots=True)
class _Part:
    """One thing that a decision looks at, and the events that make it."""

    state: Evolving
    items: tuple[Item, ...]
    evolvers: Mapping[type, Handler]
    stream: str = ""
    """Where an aggregate's events go; empty for a decision model."""
    version: int = 0

    @staticmethod
    def of(kind: type[Evolving], context: Context) -> "_Part":
        """The part as it is before anything has happened."""
        command = context.command
        if issubclass(kind, Aggregate):
            behaviour = kind.__behaviour__
            stream = stream_of(behaviour, context)
            state = behaviour.initial(id_of(stream))
            return _Part(state, (Item(stream=stream),), behaviour.evolvers, stream)
        assert issubclass(kind, DecisionModel)
        words = frozenset(w for event in kind.__evolvers__ for w in describe(event).words)
        values = {name: getattr(command, name) for name in kind.__tags__}
        choices: list[frozenset[str]] = [frozenset()]
        for name, tag in kind.__tags__.items():
            choices = [tags | {one} for tags in choices for one in tag.of(values[name])]
        try:
            items = tuple(Item(words, tags) for tags in choices)
        except ValueError as error:  # a tag that no store could keep
            raise Invalid(context.name, {", ".join(kind.__tags__): str(error)}) from error
        return _Part(kind(**values), items, kind.__evolvers__)

    def see(self, event: object, tags: Iterable[str], stream: str, version: int = 0) -> None:
        """Fold ``event`` in, if it is one of those that make this part."""
        if self.stream:
            if stream != self.stream:
                return
            self.version = version or self.version + 1
        elif not any(item.tags.issubset(tags) for item in self.items):
            return
        if (handler := self.evolvers.get(type(event))) is not None:
            handler.function(self.state, event)
        if isinstance(self.state, Aggregate):
            self.state.version = self.version


class Scope:
    """All that one decision looks at, for one command."""

    def __init__(self, decision: Decision, context: Context, events: Codec) -> None:
        self._decision, self._command, self._events = decision, context.command, events
        self._parts = [_Part.of(part, context) for part in decision.parts]
        self._folded = {event for part in self._parts for event in part.evolvers}

    @property
    def query(self) -> EventQuery | None:
        """The events that make it; None: there are none, as when a list of ids is empty."""
        items = tuple(dict.fromkeys(item for part in self._parts for item in part.items))
        return EventQuery(items) if items else None

    @property
    def keys(self) -> set[Hashable]:
        """What it looks at: the streams of its aggregates, and how its models are selected."""
        return {
            key for part in self._parts for key in ([part.stream] if part.stream else part.items)
        }

    @property
    def states(self) -> list[Evolving]:
        """Each thing that it looks at, in the order of the function's parameters."""
        return [part.state for part in self._parts]

    @property
    def versions(self) -> dict[str, int]:
        """The streams of the aggregates in it, and how far they have come."""
        return {part.stream: part.version for part in self._parts if part.stream}

    def see(self, recorded: Recorded) -> None:
        """Fold an event in. Raises `UnknownType` or `Undecodable`."""
        form = self._events.named(recorded.type)
        if form is None:
            raise unknown_type(recorded)
        event = self._events.decode(recorded) if form.cls in self._folded else None
        for part in self._parts:
            part.see(event, recorded.tags, recorded.stream, recorded.version)

    def happen(self, event: object, stream: str | None = None) -> str:
        """Fold in what happens now; return its stream: that of an aggregate that folds it."""
        if stream is None:
            homes = (p.stream for p in self._parts if p.stream and type(event) in p.evolvers)
            stream = next(homes, "")
        tags = self._events.form(type(event)).tags(event)
        for part in self._parts:
            part.see(event, tags, stream)
        return stream

    def decide(self, decided: list[tuple[str, object]]) -> None:
        """Add what happens to ``decided``, with its stream, at once: a later step sees it."""
        views = [looking_at(part.state) for part in self._parts]
        events: Iterable[object] = self._decision.function(self._command, *views)
        for one in yielded(events, self._decision.where):
            decided.append((self.happen(one), one))  # noqa: PERF401, at once


class Decisions:
    """Runs decisions against an event store."""

    def __init__(
        self, store: EventStore, events: Codec, recorder: Recorder, repository: Repository
    ) -> None:
        self._store, self._events, self._recorder = store, events, recorder
        self._repository = repository

    async def handle(self, decision: Decision, context: Context) -> Receipt:
        """Read all that the decision looks at, decide, and store what it yields.

        Those that look at the same take turns, as far as they are in one process.
        """
        scope = Scope(decision, context, self._events)
        async with self._repository.turns.of(scope.keys):
            return await self._decide(decision, context, scope)

    async def _decide(self, decision: Decision, context: Context, scope: Scope) -> Receipt:
        query, position = scope.query, 0
        if query is not None:
            async for page in self._store.read(query):
                for recorded in page.events:
                    scope.see(recorded)
                position = page.scanned
        versions = scope.versions
        decided: list[tuple[str, object]] = []
        scope.decide(decided)
        if not decided:
            return Receipt(position, versions)
        if context.version is not None:
            await self._check_seen(decision, context, context.version, versions, decided)
        return await self._recorder.record(context, decided, versions, query, position)

    async def _check_seen(
        self,
        decision: Decision,
        context: Context,
        seen: int,
        versions: Mapping[str, int],
        decided: Iterable[tuple[str, object]],
    ) -> None:
        """Raise `Stale` if the sender had not seen the latest of the one aggregate."""
        aggregates = [part for part in decision.parts if issubclass(part, Aggregate)]
        if len(aggregates) != 1:
            several = "several aggregates" if aggregates else "no aggregate"
            raise Invalid(context.name, {"version": f"it is decided on {several}: of which?"})
        ((stream, version),) = versions.items()
        if seen != version:
            events = [event for _, event in decided]
            behaviour = aggregates[0].__behaviour__
            await self._repository.allow_stale(behaviour, stream, version, events, seen)
