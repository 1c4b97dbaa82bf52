"""What holds for every history: folding, deciding, and the two ways of writing the same logic."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from whence import Aggregate, Decider, Rejected, command, decide, event, evolve
from whence.aggregate import AggregateBehaviour, behaviour_of
from whence.codec import Codec
from whence.decider import Behaviour, DeciderBehaviour
from whence.envelope import Recorded
from whence.evolving import state_of
from whence.history import plain_state
from whence.snapshots import freeze, thaw


@event
class Put:
    box_id: str
    item: str


@event
class Taken:
    box_id: str
    item: str


@event
class Sealed:
    box_id: str


@command
class PutIn:
    box_id: str
    items: tuple[str, ...]


@command
class Take:
    box_id: str
    item: str


@command
class Seal:
    box_id: str


class Box(Aggregate):
    items: list[str] = []
    sealed: bool = False
    moves: int = 0

    @decide
    def put_in(self, command: PutIn) -> Iterator[object]:
        for item in command.items:
            if self.sealed:
                raise Rejected("It is sealed")
            if len(self.items) == 3:
                raise Rejected("It is full")
            yield Put(self.id, item)

    @decide
    def take(self, command: Take) -> Iterator[object]:
        if command.item not in self.items:
            raise Rejected("It is not there")
        yield Taken(self.id, command.item)

    @decide
    def seal(self, command: Seal) -> Iterator[object]:
        if not self.sealed:
            yield Sealed(self.id)

    @evolve
    def _(self, event: Put) -> None:
        self.items.append(event.item)
        self.moves += 1

    @evolve
    def _(self, event: Taken) -> None:
        self.items.remove(event.item)
        self.moves += 1

    @evolve
    def _(self, event: Sealed) -> None:
        self.sealed = True


@dataclass(frozen=True)
class BoxState:
    items: tuple[str, ...] = ()
    sealed: bool = False
    moves: int = 0


def decide_box(command: PutIn | Take | Seal, box: BoxState) -> Iterator[Put | Taken | Sealed]:
    match command:
        case PutIn(id, items):
            for n, item in enumerate(items):
                if box.sealed:
                    raise Rejected("It is sealed")
                if len(box.items) + n == 3:
                    raise Rejected("It is full")
                yield Put(id, item)
        case Take(id, item):
            if item not in box.items:
                raise Rejected("It is not there")
            yield Taken(id, item)
        case Seal(id):
            if not box.sealed:
                yield Sealed(id)


def evolve_box(box: BoxState, event: Put | Taken | Sealed) -> BoxState:
    match event:
        case Put(_, item):
            return replace(box, items=(*box.items, item), moves=box.moves + 1)
        case Taken(_, item):
            place = box.items.index(item)
            left = box.items[:place] + box.items[place + 1 :]
            return replace(box, items=left, moves=box.moves + 1)
        case Sealed():
            return replace(box, sealed=True)


BOX: AggregateBehaviour[Box] = behaviour_of(Box)
FREE = DeciderBehaviour(Decider("box", BoxState(), decide_box, evolve_box))
BOTH: list[Behaviour[Any]] = [BOX, FREE]

_items = st.sampled_from("abc")
commands = st.lists(
    st.one_of(
        st.lists(_items, max_size=4).map(lambda items: PutIn("B1", tuple(items))),
        _items.map(lambda item: Take("B1", item)),
        st.just(Seal("B1")),
    ),
    max_size=12,
)


def run(behaviour: Behaviour[Any], commands: Iterable[object]) -> tuple[Any, list[Any]]:
    """The state after ``commands``, and what happened or was refused at each."""
    state, told, happened = behaviour.initial("B1"), list[Any](), list[object]()
    for each in commands:
        decided: list[object] = []
        try:
            state = behaviour.decide(state, each, decided)
        except Rejected as refusal:
            told.append(str(refusal))
            state = behaviour.fold(behaviour.initial("B1"), happened)
            behaviour.mark(state, len(happened))
        else:
            told.append(decided)
            happened += decided
    return state, told


def events_of(told: Iterable[Any]) -> list[object]:
    return [event for one in told if not isinstance(one, str) for event in one]


@given(commands)
def test_the_class_and_the_functions_decide_the_same(commands: list[object]) -> None:
    box, told = run(BOX, commands)
    state, told_too = run(FREE, commands)
    assert told == told_too
    assert (tuple(box.items), box.sealed, box.moves) == (state.items, state.sealed, state.moves)


@given(commands)
def test_the_state_is_the_fold_of_what_happened(commands: list[object]) -> None:
    for behaviour in BOTH:
        state, told = run(behaviour, commands)
        again = behaviour.fold(behaviour.initial("B1"), events_of(told))
        assert plain_state(again) == plain_state(state)


@given(commands, st.data())
def test_folding_in_two_parts_is_folding_at_once(
    commands: list[object], data: st.DataObject
) -> None:
    _, told = run(BOX, commands)
    events = events_of(told)
    cut = data.draw(st.integers(0, len(events)))
    for behaviour in BOTH:
        whole = behaviour.fold(behaviour.initial("B1"), events)
        half = behaviour.fold(behaviour.initial("B1"), events[:cut])
        assert plain_state(behaviour.fold(half, events[cut:])) == plain_state(whole)


@given(commands, commands)
def test_deciding_changes_nothing_but_by_events(first: list[object], then: list[object]) -> None:
    box, _ = run(BOX, first)
    for each in then:
        before = {**state_of(box), "items": [*box.items]}
        decided: list[object] = []
        try:
            box = BOX.decide(box, each, decided)
        except Rejected:
            if not decided:
                assert state_of(box) == before
            break
        if not decided:
            assert state_of(box) == before


@given(commands, commands)
def test_a_fold_goes_on_from_a_snapshot_as_if_nothing_had_been(
    first: list[object], then: list[object]
) -> None:
    for behaviour in BOTH:
        state, _ = run(behaviour, first)
        frozen = freeze(behaviour, state, 3, 7)
        assert frozen is not None
        thawed = thaw(behaviour, "B1", frozen)
        assert plain_state(thawed) == plain_state(state)
        for each in then:
            try:
                state = behaviour.decide(state, each, [])
                thawed = behaviour.decide(thawed, each, [])
            except Rejected:
                break
            assert plain_state(thawed) == plain_state(state)


@given(commands)
def test_what_is_stored_folds_to_the_same_state(commands: list[object]) -> None:
    codec = Codec("event", [Put, Taken, Sealed])
    box, told = run(BOX, commands)
    stored = [
        Recorded(n, "box-B1", n, codec.form(type(event)).message.word,
                 codec.form(type(event)).keep(event), (), b"{}", 0, f"c{n}", 0)
        for n, event in enumerate(events_of(told), 1)
    ]  # fmt: skip
    again = BOX.fold(BOX.initial("B1"), [codec.decode(recorded) for recorded in stored])
    assert plain_state(again) == plain_state(box)
