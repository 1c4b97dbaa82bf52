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
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, get_type_hints

from whence.aggregate import Aggregate
from whence.codec import Codec, unknown_type
from whence.decider import yielded
from whence.envelope import Recorded
from whence.errors import Invalid, WiringError
from whence.evolving import Evolving, looking_at
from whence.handlers import Handler, check_roles, collect, written_at
from whence.messages import Tag, describe, place, tag_of
from whence.purity import impurity
from whence.recording import Recorder
from whence.repository import Repository, stream_of
from whence.sending import Context, Receipt
from whence.store import EventQuery, EventStore, Item

Decides = Callable[..., Iterable[object]]


class DecisionModel(Evolving):
    """What a decision needs to know, folded from all events that carry its tags.

    Its fields annotated with `Tag` select the events; their values come from the command's fields
    (or properties) of the same names. A list selects the events of each element, so an empty one
    selects none, and so does None. Without such a field it is folded from every event that it
    handles.
    """

    __own__: ClassVar = frozenset[str]()
    __evolvers__: ClassVar[Mapping[type, Handler]]
    __tags__: ClassVar[Mapping[str, Tag]]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if options.get("looking"):
            return
        check_roles(cls, "evolve")
        cls.__evolvers__ = collect(cls, "evolve", "event")
        if not cls.__evolvers__:
            raise WiringError(f"{place(cls)} folds no event: give it an @evolve")
        try:
            hints = get_type_hints(cls, include_extras=True)
        except NameError as error:
            raise WiringError(
                f"{place(cls)}: an annotation names {error.name!r}, unknown there"
            ) from error
        cls.__tags__ = {name: tag for name, hint in hints.items() if (tag := tag_of(hint))}
        _check_tags(cls)

    def __init__(self, **values: object) -> None:
        super().__init__()
        self.__dict__ |= values


def _check_tags(model: type[DecisionModel]) -> None:
    """An event that does not carry the tags by which ``model`` is selected would never be seen."""
    for event, handler in model.__evolvers__.items():
        carried = [field.tag for field in describe(event).fields]
        for name, tag in model.__tags__.items():
            if tag not in carried:
                raise WiringError(
                    f"{place(model)} is selected by its field {name!r}, {tag}, which"
                    f" {place(event)} does not carry: the @evolve at {handler.where} would never"
                    f" see one. Annotate a field of {event.__name__} with that Tag"
                )


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
        where, classes = written_at(function), _annotated(function)
        if found := impurity(function):
            raise WiringError(
                f"the decision at {where} is not repeatable: {found}. It may be made again when"
                " others were faster: let the command or an event carry what is needed"
            )
        command, *parts = classes
        try:
            names = {field.name for field in describe(command, "command").fields}
        except WiringError as error:
            raise WiringError(f"the decision at {where}: {error}") from None
        for part in parts:
            _check_part(part, command, names, where)
            if parts.count(part) > 1:
                raise WiringError(
                    f"the decision at {where} takes {part.__name__} twice, and both would be the"
                    " same one: write a DecisionModel for each, with a tagged field of its own"
                )
        _decided.add(command)
        return Decision(function, where, command, tuple(parts))


def _annotated(function: Decides) -> list[Any]:
    """The class of every parameter of ``function``."""
    where = written_at(function)
    try:
        hints = get_type_hints(function)
    except NameError as error:
        raise WiringError(
            f"the decision at {where} is annotated with {error.name!r}, unknown there"
        ) from error
    named = [hints.get(name) for name in inspect.signature(function).parameters]
    plain = not (inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function))
    if not (plain and named and all(isinstance(hint, type) for hint in named)):
        raise WiringError(
            f"the decision at {where} is a plain function with an annotation on each parameter,"
            " as in `def subscribe(command: Subscribe, seats: Seats)`"
        )
    return named


def _check_part(part: type[Any], command: type, names: set[str], where: str) -> None:
    if not issubclass(part, (DecisionModel, Aggregate)):
        raise WiringError(
            f"the decision at {where}: {place(part)} is no DecisionModel and no Aggregate"
        )
    for needed in selecting(part):
        if needed not in names and not hasattr(command, needed):
            raise WiringError(
                f"{place(command)} has no field {needed!r}, by which {place(part)}"
                f" is selected in the decision at {where}"
            )


def selecting(part: type[Evolving]) -> Iterable[str]:
    """The fields of a command that select ``part``."""
    if issubclass(part, Aggregate):
        return [part.__behaviour__.id_field]
    return part.__tags__ if issubclass(part, DecisionModel) else []


_decided: set[type] = set()


def decided_anywhere() -> set[type]:
    """The commands that some aggregate or decision of this program decides, in whichever App."""
    found, left = {*_decided}, [Aggregate]
    while left:
        subclasses = left.pop().__subclasses__()
        left += subclasses
        for each in subclasses:
            found.update(each.__behaviour__.deciders if "__behaviour__" in vars(each) else ())
    return found


def folded_by(decision: Decision) -> list[type]:
    """The events that ``decision`` looks at."""
    return [event for part in decision.parts for event in _evolvers(part)]


def _evolvers(part: type[Evolving]) -> Mapping[type, Handler]:
    if issubclass(part, Aggregate):
        return part.__behaviour__.evolvers
    return part.__evolvers__ if issubclass(part, DecisionModel) else {}


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
            state = behaviour.initial(stream.partition("-")[2])
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
