"""What an application is made of, and the checks that find wrong wiring at start."""

from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import dataclass, field, fields, replace
from typing import Any

from whence.aggregate import Aggregate
from whence.codec import Codec
from whence.decider import Behaviour, Decider, DeciderBehaviour
from whence.decisions import Decision, decided_anywhere, folded_by, selecting
from whence.errors import WiringError
from whence.handlers import check_roles
from whence.messages import place, spoken_in
from whence.projections import Projection, ProjectionSpec, projection_of
from whence.readmodels import ReadModel, ReadModelSpec, spec_of
from whence.tracing import homes_of

Keeper = type[ReadModel] | type[Projection]
"""What keeps something of the events, under a name of its own."""
Part = type[Aggregate] | type[ReadModel] | type[Projection] | Decider[Any, Any, Any]


@dataclass(slots=True)
class Wiring:
    """The parts of an application by what they are, and the messages that they speak."""

    events: Codec = field(default_factory=lambda: Codec("event"))
    commands: Codec = field(default_factory=lambda: Codec("command"))
    queries: Codec = field(default_factory=lambda: Codec("query"))
    behaviours: dict[object, Behaviour[Any]] = field(default_factory=dict[object, Behaviour[Any]])
    models: list[type[ReadModel]] = field(default_factory=list[type[ReadModel]])
    projections: list[type[Projection]] = field(default_factory=list[type[Projection]])
    decisions: list[Decision] = field(default_factory=list[Decision])
    answers: list[Callable[..., Any]] = field(default_factory=list[Callable[..., Any]])

    def copy(self) -> "Wiring":
        """The same parts: what is added to the one is not added to the other."""
        kept = {f.name: copy(getattr(self, f.name)) for f in fields(self)}
        return Wiring(**kept)

    def add(self, part: Part) -> None:
        """Take in one part. Raises `WiringError` if it is none, or if a name is taken."""
        if not _is_part(part):
            raise WiringError(
                f"{part!r} is no part of an application: pass classes of aggregates, read models"
                " and projections, and deciders"
            )
        if part in (*self.behaviours, *self.models, *self.projections):
            raise WiringError(f"{getattr(part, '__name__', part)} is passed twice: once is enough")
        if isinstance(part, Decider):
            self._add_behaviour(part, DeciderBehaviour(part))
        elif issubclass(part, Aggregate):
            self._add_behaviour(part, part.__behaviour__)
        elif issubclass(part, ReadModel):
            self._add_model(part, spec_of(part))
        else:
            self._add_projection(part, projection_of(part))

    def behaviour(self, part: type[Aggregate] | Decider[Any, Any, Any] | str) -> Behaviour[Any]:
        """The behaviour of an aggregate class, a decider, or a category by its name."""
        for known, behaviour in self.behaviours.items():
            if known is part or behaviour.name == part:
                return behaviour
        known_names = ", ".join(behaviour.name for behaviour in self.behaviours.values())
        name = part if isinstance(part, str) else getattr(part, "__name__", part)
        raise WiringError(f"{name} is not in this application, which has: {known_names}")

    def specs(self) -> list[ReadModelSpec[Any]]:
        """What is known of the read models; one whose key is an aggregate's id follows it."""
        return [self._spec(model.__model__) for model in self.models]

    def _spec(self, spec: ReadModelSpec[Any]) -> ReadModelSpec[Any]:
        behaviours = self.behaviours.values()
        follows = frozenset(one.name for one in behaviours if one.id_field == spec.key)
        homes = homes_of(spec, behaviours, self.decisions)
        return replace(spec, follows=follows, homes=homes)

    def decide(self, decision: Decision) -> None:
        """Take in a decision, and the events that it looks at."""
        self.decisions.append(decision)
        self.commands.form(decision.command)
        for event in folded_by(decision):
            self.events.form(event)

    def check(self, handled: Iterable[type]) -> None:
        """Take in what the parts' modules define; raise `WiringError` for what nobody decides."""
        for message in spoken_in(self._modules(), "event"):
            self.events.form(message.cls)
        self._all_decided(set(handled))

    def _add_model(self, model: type[ReadModel], spec: ReadModelSpec[Any]) -> None:
        check_roles(model, "evolve", keyed=True)
        self._check_free(model)
        self.models.append(model)
        for event in spec.evolvers:
            self.events.form(event)

    def _add_projection(self, part: type[Projection], spec: ProjectionSpec) -> None:
        check_roles(part, "project")
        self._check_free(part)
        self.projections.append(part)
        for event in spec.handlers:
            self.events.form(event)

    def _check_free(self, part: Keeper) -> None:
        """Nobody else has its name or a table of it: a rebuild of one would empty the other's."""
        mine, others = set(_kept(part)), list[Keeper]([*self.models, *self.projections])
        for other in others:
            if _name(other) == _name(part):
                raise WiringError(
                    f"{place(other)} and {place(part)} are both called {_name(part)!r}."
                    f' Give one another name: class ...({_kind(part)}, name="...")'
                )
            for _, table in sorted(mine.intersection(_kept(other)), key=str):
                raise WiringError(
                    f"{place(other)} and {place(part)} both keep what they know in the table"
                    f" {table!r}, and a rebuild of one would empty it. Give each its own"
                )

    def _add_behaviour(self, part: object, behaviour: Behaviour[Any]) -> None:
        for other in self.behaviours.values():
            if other.name == behaviour.name:
                raise WiringError(
                    f"{other.where} and {behaviour.where} both live in streams"
                    f' {behaviour.name}-<id>. Give one another: category="..."'
                )
        if not behaviour.deciders and not behaviour.evolvers:
            raise WiringError(f"{behaviour.where} has no @decide and no @evolve: it does nothing")
        self.behaviours[part] = behaviour
        for command in behaviour.deciders.values():
            fields = {field.name for field in self.commands.form(command.message).message.fields}
            if behaviour.id_field not in fields:
                raise WiringError(
                    f"{place(command.message)} has no field {behaviour.id_field!r} that says which"
                    f" {behaviour.name} is meant ({behaviour.where}). Add it, or name another:"
                    ' class ...(Aggregate, id="...")'
                )
        for event in behaviour.evolvers:
            self.events.form(event)

    def _modules(self) -> set[str]:
        """The modules of the parts and of the messages that they handle."""
        parts: list[type] = [part for part in self.behaviours if isinstance(part, type)]
        messages = [
            message
            for behaviour in self.behaviours.values()
            for message in (*behaviour.deciders, *behaviour.evolvers)
        ]
        for decision in self.decisions:
            parts += decision.parts
            messages += [decision.command, *folded_by(decision)]
        return {cls.__module__ for cls in (*parts, *messages, *self.models, *self.projections)}

    def _all_decided(self, handled: set[type]) -> None:
        """A command that names one of our things, defined beside it, must have a decision.

        If it only names what a decision looks at, that may be in another application.
        """
        owners, onlookers = dict[str, str](), dict[str, str]()
        for decision in self.decisions:
            for part in decision.parts:
                fix = (
                    f"write a function `@app.decides def ...(command: {_IT}, it: {part.__name__})`"
                )
                onlookers |= dict.fromkeys(selecting(part), fix)
        for subject, behaviour in self.behaviours.items():
            fix = f"give {behaviour.where} a method `@decide def ...(self, command: {_IT})`"
            if isinstance(subject, Decider):
                fix = f"let the function at {behaviour.where} take it: `command: ... | {_IT}`"
            owners[behaviour.id_field] = fix
        for command in spoken_in(self._modules(), "command"):
            names = [field.name for field in command.fields]
            fix = next((owners[name] for name in names if name in owners), "")
            if not fix and command.cls not in decided_anywhere():
                fix = next((onlookers[name] for name in names if name in onlookers), "")
            if fix and command.cls not in handled:
                fix = fix.replace(_IT, command.cls.__name__)
                raise WiringError(f"nobody decides {place(command.cls)}: {fix}")


_IT = "<the command>"


def _is_part(given: object) -> bool:
    """Whatever the annotations say, people pass instances, functions and more."""
    kinds = (Aggregate, ReadModel, Projection)
    return isinstance(given, Decider) or (isinstance(given, type) and issubclass(given, kinds))


def _kind(part: Keeper) -> str:
    return "ReadModel" if issubclass(part, ReadModel) else "Projection"


def _name(part: Keeper) -> str:
    return part.__model__.name if issubclass(part, ReadModel) else part.__projection__.name


def _kept(part: Keeper) -> Iterable[tuple[str | None, str]]:
    """Its tables, each with the database that it is in."""
    if issubclass(part, ReadModel):
        return [(None, part.__model__.name)]
    spec = part.__projection__
    return [(spec.database, str(table)) for table in spec.tables]
