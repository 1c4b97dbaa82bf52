"""Decisions over several things at once: the dynamic consistency boundary (DCB).

A `DecisionModel` is folded from the events that carry its tags, whatever their streams::

    class Seats(DecisionModel):
        course_id: Annotated[str, Tag("course")]
        taken = 0

        @evolve
        def _(self, event: StudentSubscribed) -> None:
            self.taken += 1

    @app.decides
    def subscribe(command: Subscribe, seats: Seats, student: Enrolments) -> Iterator[object]:
        if seats.taken == seats.capacity:
            raise Rejected("The course is fully booked")
        yield StudentSubscribed(command.student_id, command.course_id)

One read brings all that the decision looks at. One append stores what it yields, unless an event
that it would have looked at has come in between. The rules are those of https://dcb.events.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, get_type_hints

from whence.aggregate import Aggregate
from whence.bus import Context, Receipt
from whence.codec import Codec
from whence.decider import yielded
from whence.errors import WiringError
from whence.evolving import Evolving, looking_at
from whence.handlers import Handler, collect, written_at
from whence.messages import Tag, describe, place, tag_of
from whence.recording import Recorder
from whence.store import EventQuery, EventStore, Item

Decides = Callable[..., Iterable[object]]


class DecisionModel(Evolving):
    """What a decision needs to know, folded from all events that carry its tags.

    Its fields annotated with `Tag` select the events; their values come from the command's
    fields of the same names (a list selects the events of each element). Without such a field it
    is folded from every event that it handles.
    """

    __own__: ClassVar = frozenset[str]()
    __evolvers__: ClassVar[Mapping[type, Handler]]
    __tags__: ClassVar[Mapping[str, Tag]]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if options.get("looking"):
            return
        cls.__evolvers__ = collect(cls, "evolve", "event")
        if not cls.__evolvers__:
            raise WiringError(f"{place(cls)} folds no event: give it an @evolve")
        hints = get_type_hints(cls, include_extras=True)
        cls.__tags__ = {name: tag for name, hint in hints.items() if (tag := tag_of(hint))}

    def __init__(self, **values: object) -> None:
        super().__init__()
        self.__dict__ |= values


@dataclass(slots=True)
class _Part:
    """One thing that a decision looks at, and the events that make it."""

    state: Evolving
    items: tuple[Item, ...]
    evolvers: Mapping[type, Handler]
    stream: str = ""
    """Where an aggregate's events go; empty for a decision model."""
    version: int = 0

    def takes(self, event: object, tags: Iterable[str], stream: str) -> bool:
        """Whether ``event`` is one of those that make this part."""
        if type(event) not in self.evolvers:
            return False
        if self.stream:
            return stream == self.stream
        return any(item.tags.issubset(tags) for item in self.items)

    def apply(self, event: object) -> None:
        """Fold ``event`` in."""
        self.evolvers[type(event)].function(self.state, event)


@dataclass(frozen=True)
class Decision:
    """A function that decides a command on any number of decision models and aggregates."""

    function: Decides
    where: str
    command: type
    parts: tuple[type[Evolving], ...]

    @staticmethod
    def of(function: Decides) -> "Decision":
        """Read from the annotations of ``function`` what it decides, on what.

        Raises `WiringError` if they do not say it.
        """
        where, hints = written_at(function), get_type_hints(function)
        named = [hints.get(name) for name in inspect.signature(function).parameters]
        classes = [hint for hint in named if isinstance(hint, type)]
        if inspect.iscoroutinefunction(function) or not named or len(classes) < len(named):
            raise WiringError(
                f"{where}: a decision is a plain function with annotations, as in"
                " `def decide_it(command: Subscribe, seats: Seats)`"
            )
        command, *models = classes
        parts = [model for model in models if issubclass(model, (DecisionModel, Aggregate))]
        for other in set(models) - set(parts):
            raise WiringError(f"{where}: {place(other)} is no DecisionModel and no Aggregate")
        names = {field.name for field in describe(command, "command").fields}
        for part in parts:
            for needed in set(_selecting(part)) - names:
                raise WiringError(
                    f"{place(command)} has no field {needed!r}, by which {place(part)}"
                    f" is selected in {where}"
                )
        return Decision(function, where, command, tuple(parts))


class Decisions:
    """Runs decisions against an event store."""

    def __init__(self, store: EventStore, events: Codec, recorder: Recorder) -> None:
        self._store, self._events, self._recorder = store, events, recorder

    async def handle(self, decision: Decision, context: Context) -> Receipt:
        """Read all that the decision looks at, decide, and store what it yields."""
        parts = [self._part(part, context.command) for part in decision.parts]
        query = EventQuery(tuple(dict.fromkeys(item for part in parts for item in part.items)))
        position = await self._load(parts, query)
        decided = list(self._decide(decision, parts, context.command))
        if not decided:
            return Receipt(position, {part.stream: part.version for part in parts if part.stream})
        expected = {part.stream: part.version for part in parts if part.stream}
        return await self._recorder.record(context, decided, expected, query, position)

    async def _load(self, parts: list[_Part], query: EventQuery) -> int:
        position = 0
        async for page in self._store.read(query):
            for recorded in page.events:
                event = self._events.decode(recorded)
                for part in parts:
                    if recorded.stream and recorded.stream == part.stream:
                        part.version = recorded.version
                    if part.takes(event, recorded.tags, recorded.stream):
                        part.apply(event)
            position = page.scanned
        for part in parts:
            if isinstance(part.state, Aggregate):
                part.state.version = part.version
        return position

    def _decide(
        self, decision: Decision, parts: list[_Part], command: object
    ) -> Iterator[tuple[str, object]]:
        """What happens, each event with its stream; applied at once: a later step sees it."""
        views = [looking_at(part.state) for part in parts]
        events: Iterable[object] = decision.function(command, *views)
        for event in yielded(events, decision.where):
            homes = (part.stream for part in parts if part.stream and type(event) in part.evolvers)
            stream, tags = next(homes, ""), self._events.form(type(event)).tags(event)
            for part in parts:
                if part.takes(event, tags, stream):
                    part.apply(event)
            yield stream, event

    def _part(self, part: type[Evolving], command: object) -> _Part:
        if issubclass(part, Aggregate):
            behaviour = part.__behaviour__
            id = str(getattr(command, behaviour.id_field))
            stream = f"{behaviour.name}-{id}"
            return _Part(part(id), (Item(stream=stream),), behaviour.evolvers, stream)
        assert issubclass(part, DecisionModel)
        words = frozenset(w for cls in part.__evolvers__ for w in describe(cls).words)
        values = {name: getattr(command, name) for name in part.__tags__}
        choices: list[frozenset[str]] = [frozenset()]
        for name, tag in part.__tags__.items():
            choices = [tags | {one} for tags in choices for one in tag.of(values[name])]
        items = tuple(Item(words, tags) for tags in choices)
        return _Part(part(**values), items, part.__evolvers__)


def _selecting(part: type[Evolving]) -> Iterable[str]:
    """The fields of a command that select ``part``."""
    if issubclass(part, Aggregate):
        return [part.__behaviour__.id_field]
    return part.__tags__ if issubclass(part, DecisionModel) else []
