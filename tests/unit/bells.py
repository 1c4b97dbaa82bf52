"""Bells that are rung: a domain for tests of what is around a domain."""

from collections.abc import Iterator
from typing import Annotated, Any

from msgspec import Meta

from whence import Aggregate, App, ReadModel, Rejected, command, decide, event, evolve


@event
class Rung:
    bell_id: str


@command
class Ring:
    bell_id: str
    times: Annotated[int, Meta(ge=0)] = 1


@command
class Polish:
    """Nothing happens."""

    bell_id: str


class Bell(Aggregate):
    rung = 0

    @decide
    def ring(self, command: Ring) -> Iterator[object]:
        if command.times > 9:
            raise Rejected("The neighbours complain")
        for _ in range(command.times):
            yield Rung(self.id)

    @decide
    def polish(self, command: Polish) -> Iterator[object]:
        return iter(())

    @evolve
    def _(self, event: Rung) -> None:
        self.rung += 1


class Bells(ReadModel):
    bell_id: str
    rung: int = 0

    @evolve
    def _(self, event: Rung) -> None:
        self.rung += 1


def bells(store: Any = "memory://", **options: Any) -> App:
    return App("bells", Bell, Bells, store=store, **options)
