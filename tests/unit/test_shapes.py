"""The shape of a state: it is another one whenever what was saved may not mean the same."""
# pyright: reportUnusedClass=false

from collections.abc import Iterator
from dataclasses import dataclass

from whence import Aggregate, command, decide, event, evolve
from whence.aggregate import behaviour_of
from whence.fingerprints import fingerprint


@event
class Added:
    sum_id: str
    n: int


@command
class Add:
    sum_id: str
    n: int


def shapes() -> dict[str, type[Aggregate]]:
    class Base(Aggregate):
        total: int = 0

        @evolve
        def _(self, event: Added) -> None:
            self.total += event.n

    class Same(Aggregate):
        total: int = 0

        @evolve
        def _(self, event: Added) -> None:
            self.total += event.n

    class OtherFold(Aggregate):
        total: int = 0

        @evolve
        def _(self, event: Added) -> None:
            self.total += 2 * event.n

    class OtherType(Aggregate):
        total: float = 0

        @evolve
        def _(self, event: Added) -> None:
            self.total += event.n

    class OtherStart(Aggregate):
        total: int = 1

        @evolve
        def _(self, event: Added) -> None:
            self.total += event.n

    class MoreState(Aggregate):
        total: int = 0
        more: int = 0

        @evolve
        def _(self, event: Added) -> None:
            self.total += event.n

    class Helped(Aggregate):
        total: int = 0

        @evolve
        def _(self, event: Added) -> None:
            self.total += event.n

        def _help(self) -> None: ...

    return {name: cls for name, cls in locals().items() if isinstance(cls, type)}


def test_another_fold_or_another_state_is_another_shape() -> None:
    found = {name: behaviour_of(cls).shape for name, cls in shapes().items()}
    assert found.pop("Same") == found["Base"]
    assert len({*found.values()}) == len(found)


def test_a_decision_that_changes_is_the_same_shape() -> None:
    class One(Aggregate, id="sum_id"):
        total = 0

        @decide
        def add(self, command: Add) -> Iterator[object]:
            yield Added(self.id, 1)

        @evolve
        def _(self, event: Added) -> None:
            self.total += event.n

    class Other(Aggregate, id="sum_id"):
        total = 0

        @decide
        def add(self, command: Add) -> Iterator[object]:
            yield Added(self.id, 2)

        @evolve
        def _(self, event: Added) -> None:
            self.total += event.n

    assert behaviour_of(One).shape == behaviour_of(Other).shape


def test_what_a_state_is_made_of_is_in_its_shape() -> None:
    def made(more: bool) -> str:
        @dataclass
        class Money:
            amount: int
            currency: str = "EUR"
            if more:
                cents: int = 0

        class Purse(Aggregate):
            money: list[Money] = []

            @evolve
            def _(self, event: Added) -> None: ...

        return behaviour_of(Purse).shape

    assert made(more=False) == made(more=False)
    assert made(more=False) != made(more=True)


def test_what_a_fold_names_may_come_later() -> None:
    def fold() -> int:
        return later

    before = fingerprint(fold)
    later = 1
    assert fingerprint(fold) != before
