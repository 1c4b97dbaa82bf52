"""Aggregates: decisions change nothing, folding costs nothing, state is never shared."""

import dis
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Any, ClassVar, Final

import pytest

from whence import Aggregate, Rejected, command, decide, event, evolve
from whence.aggregate import behaviour_of, snake_case
from whence.envelope import id_of
from whence.errors import ChangedState, WiringError
from whence.evolving import defaults, looking_at, state_of


@event
class Added:
    cart_id: str
    item: str


@event
class Emptied:
    cart_id: str


@command
class Add:
    cart_id: str
    items: tuple[str, ...]


@command
class Empty:
    cart_id: str


class Cart(Aggregate):
    items: list[str] = []
    limit = 3

    @decide
    def add(self, command: Add) -> Iterator[object]:
        for item in command.items:
            if len(self.items) == self.limit:
                raise Rejected("The cart is full")
            yield Added(self.id, item)

    @evolve
    def _(self, event: Added) -> None:
        self.items.append(event.item)


def decided(cart: Aggregate, *commands: object) -> list[object]:
    events: list[object] = []
    for each in commands:
        behaviour_of(type(cart)).decide(cart, each, events)
    return events


def test_what_is_yielded_is_applied_at_once() -> None:
    cart = Cart("C1")
    assert decided(cart, Add("C1", ("a", "b"))) == [Added("C1", "a"), Added("C1", "b")]
    assert (cart.items, cart.version) == (["a", "b"], 2)
    with pytest.raises(Rejected):
        decided(cart, Add("C1", ("c", "d")))


def test_yielding_nothing_is_a_decision_too() -> None:
    assert decided(Cart("C1"), Add("C1", ())) == []


def test_folding_is_the_same_as_deciding() -> None:
    cart = Cart("C1")
    events = decided(cart, Add("C1", ("a", "b")))
    again = behaviour_of(Cart).fold(Cart("C1"), events)
    behaviour_of(Cart).mark(again, 2)
    assert state_of(again) == state_of(cart)
    assert again.version == cart.version


def test_an_event_that_nobody_folds_is_yielded_and_counts() -> None:
    class Shelf(Aggregate, id="cart_id"):
        @decide
        def empty(self, command: Empty) -> list[object]:
            return [Emptied(self.id)]

    shelf = Shelf("C1")
    assert decided(shelf, Empty("C1")) == [Emptied("C1")]
    assert shelf.version == 1


# Names.


def test_a_class_lives_in_the_category_of_its_name() -> None:
    assert behaviour_of(Cart).name == "cart"
    assert behaviour_of(Cart).id_field == "cart_id"


@pytest.mark.parametrize(
    ("name", "snake"),
    [("GuestTable", "guest_table"), ("HTTPServer", "http_server"), ("Item2Go", "item2_go")],
)
def test_names_of_several_words_are_joined(name: str, snake: str) -> None:
    assert snake_case(name) == snake


def test_category_and_id_can_be_named() -> None:
    class Basket(Aggregate, category="trolley", id="number"): ...

    class Bag(Aggregate, category="sack"): ...

    assert (behaviour_of(Basket).name, behaviour_of(Basket).id_field) == ("trolley", "number")
    assert (behaviour_of(Bag).name, behaviour_of(Bag).id_field) == ("sack", "sack_id")


def test_an_option_that_there_is_not_is_refused() -> None:
    with pytest.raises(TypeError, match="keyword argument"):

        class Wrong(Aggregate, snapshots_every=3):  # pyright: ignore
            pass


def test_a_subclass_lives_where_its_base_lives_unless_it_says_otherwise() -> None:
    class Mixin: ...

    class BigCart(Mixin, Cart):
        limit = 5

    class Wagon(Cart, category="wagon", snapshot_every=7): ...

    assert (behaviour_of(BigCart).name, behaviour_of(BigCart).id_field) == ("cart", "cart_id")
    assert (behaviour_of(Wagon).name, behaviour_of(Wagon).snapshot_every) == ("wagon", 7)
    assert decided(BigCart("C1"), Add("C1", tuple("abcde")))


def test_a_category_has_no_dash() -> None:
    with pytest.raises(WiringError, match=rf"Basket \({__file__}:\d+\): .+'shopping-cart' cannot"):

        class Basket(Aggregate, category="shopping-cart"): ...  # pyright: ignore[reportUnusedClass]


def test_an_id_may_have_one() -> None:
    assert id_of("cart-2026-11-01") == "2026-11-01"


@pytest.mark.parametrize("name", ["id", "version", "__slots__"])
def test_what_whence_sets_cannot_be_ones_own(name: str) -> None:
    with pytest.raises(WiringError, match=rf"Mine \(.+\): '{name}' is whence's own; call yours"):
        type("Mine", (Aggregate,), {name: ()})


def test_an_aggregate_shows_what_it_is() -> None:
    cart = Cart("C1")
    decided(cart, Add("C1", ("a",)))
    assert repr(cart) == "<Cart C1 at version 1: items=['a'], limit=3>"


# A decision changes nothing.


@dataclass
class Note:
    text: str = ""


class Wrong(Aggregate, id="cart_id"):
    count = 0
    items: list[str] = []
    note: Note = Note()

    def how(self) -> Any: ...

    def change(self) -> None:
        self.count = 1

    @decide
    def add(self, command: Add) -> Iterator[object]:
        self.how()
        yield Added(self.id, "x")

    @evolve
    def _(self, event: Added) -> None:
        self.count += 1


class Assigns(Wrong):
    def how(self) -> Any:
        self.count = 7


class AddsTo(Wrong):
    def how(self) -> Any:
        self.count += 1


class Deletes(Wrong):
    def how(self) -> Any:
        del self.count


class MakesNew(Wrong):
    def how(self) -> Any:
        self.new = 1


class Sets(Wrong):
    def how(self) -> Any:
        setattr(self, "count", 3)  # noqa: B010


class ChangesItsVersion(Wrong):
    def how(self) -> Any:
        self.version = 3


class CallsAnother(Wrong):
    def how(self) -> Any:
        self.change()


class CallsItsBase(Wrong):
    def change(self) -> None:
        super().change()

    def how(self) -> Any:
        super().how()
        self.change()


class UsesAGenerator(Wrong):
    def how(self) -> Any:
        def steps() -> Iterator[int]:
            self.count = 1
            yield 1

        return list(steps())


class Unpacks(Wrong):
    def how(self) -> Any:
        self.count, other = 1, 2
        return other


class LoopsOver(Wrong):
    def how(self) -> Any:
        for self.count in range(3):
            pass


@pytest.mark.parametrize(
    "wrong",
    [
        Assigns,
        AddsTo,
        Deletes,
        MakesNew,
        Sets,
        ChangesItsVersion,
        CallsAnother,
        CallsItsBase,
        UsesAGenerator,
        Unpacks,
        LoopsOver,
    ],
)
def test_a_decision_cannot_change_state(wrong: type[Wrong]) -> None:
    cart = wrong("C1")
    with pytest.raises(ChangedState) as caught:
        decided(cart, Add("C1", ()))
    assert str(caught.value).startswith(f"a decision assigns {wrong.__name__}.")
    assert "yield an event, and let an @evolve of that event change it" in str(caught.value)
    assert (cart.count, cart.version) == (0, 0)


def test_a_decision_in_a_base_cannot_change_state_either() -> None:
    class Base(Aggregate):
        count = 0

        @decide
        def add(self, command: Add) -> Iterator[object]:
            yield Added(self.id, "x")
            self.count += 1

    class Sub(Base, id="cart_id"):
        @decide
        def add(self, command: Add) -> Iterator[object]:
            yield from super().add(command)

    with pytest.raises(ChangedState, match=r"Sub\.count"):
        decided(Sub("C1"), Add("C1", ()))


def test_a_decision_sees_the_class_that_was_written() -> None:
    seen: list[Any] = []

    class Curious(Aggregate, id="cart_id"):
        @decide
        def add(self, command: Add) -> Iterator[object]:
            seen.append((repr(type(self)), isinstance(self, Cart), self.id, self.version))
            return iter(())

    decided(Curious("C1"), Add("C1", ()))
    assert seen == [(repr(Curious), False, "C1", 0)]


def test_protecting_the_state_costs_the_fold_nothing() -> None:
    cart = Cart("C1")
    assert type(cart) is Cart
    assert "__setattr__" not in {name for base in Cart.__mro__[:-1] for name in vars(base)}
    assert type(looking_at(cart)) is not Cart
    fold = behaviour_of(Cart).evolvers[Added].function
    ops = [one.opname for one in dis.get_instructions(fold)]
    assert fold is vars(Cart)["_"]
    assert not any("CHECK" in op for op in ops)


# State.


class Rich(Aggregate):
    LIMIT: ClassVar[int] = 3
    RATE: Final = 0.5
    numbers: list[int] = []
    table: dict[str, list[int]] = {}
    seen: set[str] = set()
    note: Note = Note("n")
    pair: tuple[list[int], int] = ([], 1)
    name: str = "x"
    owner: str
    _secret = 1

    @property
    def half(self) -> int:
        return len(self.numbers) // 2

    @cached_property
    def third(self) -> int:
        return len(self.numbers) // 3

    @staticmethod
    def twice(n: int) -> int:
        return 2 * n


def test_state_is_what_is_assigned_in_the_class() -> None:
    assert set(defaults(Rich)) == {
        "numbers", "table", "seen", "note", "pair", "name", "_secret",
    }  # fmt: skip
    assert set(state_of(Rich("R1"))) == set(defaults(Rich))


def test_a_class_within_is_no_state() -> None:
    class Order(Aggregate):
        class Kind(Enum):
            LARGE = "large"

        kind = Kind.LARGE

    assert defaults(Order) == {"kind": Order.Kind.LARGE}


def test_state_that_can_change_in_place_is_not_shared() -> None:
    one, other = Rich("R1"), Rich("R2")
    one.numbers.append(1)
    one.table.setdefault("a", []).append(1)
    one.seen.add("x")
    one.note.text = "changed"
    one.pair[0].append(1)
    assert (other.numbers, other.table, other.seen) == ([], {}, set())
    assert (other.note.text, other.pair) == ("n", ([], 1))
    assert (Rich.numbers, Rich.note.text) == ([], "n")


def test_state_of_a_plain_mixin_is_state_too() -> None:
    class Audited:
        log: list[str] = []

        @evolve
        def _(self, event: Emptied) -> None:
            self.log.append("emptied")

    class AuditedCart(Audited, Cart): ...  # type: ignore[misc]

    one, other = AuditedCart("C1"), AuditedCart("C2")
    behaviour_of(AuditedCart).fold(one, [Emptied("C1"), Added("C1", "a")])
    assert (one.log, one.items) == (["emptied"], ["a"])
    assert (other.log, other.items) == ([], [])


def test_an_abstract_base_is_no_state() -> None:
    class Abstract(Aggregate, ABC):
        total = 0

        @abstractmethod
        def rate(self) -> int: ...

    class Concrete(Abstract):
        def rate(self) -> int:
            return 2

    assert defaults(Concrete) == {"total": 0}
    assert Concrete("A1").rate() == 2


def test_a_subclass_may_give_state_another_value_or_make_it_none() -> None:
    class Base(Aggregate):
        limit: int = 3
        items: list[str] = []

    class Sub(Base):
        limit = 5

        @property
        def items(self) -> list[str]:  # type: ignore[override]  # pyright: ignore
            return ["computed"]

    assert defaults(Sub) == {"limit": 5}
    assert Sub("S1").items == ["computed"]


def test_ones_own_constructor_may_make_state() -> None:
    class Made(Aggregate):
        def __init__(self, id: str) -> None:
            super().__init__(id)
            self.parts = [id]

    assert state_of(Made("M1")) == {"parts": ["M1"]}


# What a decision gives back.


@command
class Try:
    cart_id: str
    answer: Any = field(default=None)


@event
class Several:
    cart_id: str

    def __iter__(self) -> Iterator[str]:
        return iter(self.cart_id)


class Gives(Aggregate, id="cart_id"):
    @decide
    def it(self, command: Try) -> Any:
        return command.answer


@pytest.mark.parametrize(
    ("answer", "events"),
    [
        ([], []),
        ((), []),
        ([Emptied("C1")], [Emptied("C1")]),
        ((Emptied("C1"),), [Emptied("C1")]),
        (iter([Emptied("C1")]), [Emptied("C1")]),
        ({Emptied("C1"): 1}.keys(), [Emptied("C1")]),
    ],
)
def test_any_iterable_of_events_is_a_decision(answer: Any, events: list[object]) -> None:
    assert decided(Gives("C1"), Try("C1", answer)) == events


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (None, "yields events or returns a list, not None"),
        (Emptied("C1"), "yields events or returns a list of them, not one Emptied"),
        (Several("C1"), "yields events or returns a list of them, not one Several"),
        (7, "yields events or returns a list of them, not one int"),
    ],
)
def test_anything_else_is_refused_with_its_place(answer: Any, problem: str) -> None:
    with pytest.raises(WiringError, match=rf"^{__file__}:\d+: a decision {problem}"):
        decided(Gives("C1"), Try("C1", answer))
