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
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, get_type_hints

from whence.aggregate import Aggregate
from whence.errors import WiringError
from whence.evolving import Evolving
from whence.handlers import Handler, check_roles, collect, written_at
from whence.messages import Tag, describe, place, tag_of
from whence.purity import impurity

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
