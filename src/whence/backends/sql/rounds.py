"""What a worker does each time it looks at the board: renew, take, give back."""

import secrets
import socket
from collections.abc import Callable, Collection, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from os import getpid

from sqlalchemy import Connection, Engine

from whence.backends.sql.board import Board, Holder, View, Worker
from whence.leases import Epochs, Moves, moves

_SURE = 0.9
"""For this part of a lease's time its owner relies on it: clocks do not run at one speed."""
_RENEW = 0.3
"""After this part of it, it is renewed: that may fail twice."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a look has led to."""

    owned: Mapping[str, Epochs]
    """What the worker may work on, of each projection."""
    giving: Mapping[str, Collection[int]]
    """What it will give back at the next look: nobody may begin to work on it any more."""
    settled: bool
    """It has its fair share of everything, and no more."""


class Rounds:
    """A worker's dealings with the others on the board; blocking, in one thread at a time."""

    def __init__(self, engine: Engine, seconds: float, clock: Callable[[], float]) -> None:
        self.worker = _born()
        self.sure_until = clock()
        """On ``clock``: until then what it owns is its own, whatever happens to the database."""
        self.board = Board(engine.dialect)
        self._engine = engine
        self._plain = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._seconds, self._clock = seconds, clock
        self._wanted: Mapping[str, int] = {}
        self._seen: View | None = None
        self._standing = Standing({}, {}, settled=True)
        self._renew_at = 0.0

    def look(self, wanted: Mapping[str, int]) -> Standing:
        """Come nearer to a fair share of the projections ``wanted``, each with its slices."""
        if wanted != self._wanted or self._clock() >= self._renew_at:
            self._renew(wanted)
        view = self._view()
        if self.worker.id not in view.workers:  # somebody was quick to say that it is dead
            self._renew(wanted)
            view = self._view()
        if view != self._seen or not self._standing.settled:
            self._standing = self._move(view)
            self._seen = view
        return self._standing

    def give_back_all(self, name: str) -> None:
        """Free all that is left of a projection; nobody writes to it any more."""
        with self._plain.connect() as connection:
            self.board.give_back_all(connection, self.worker, name)
        self._seen = None

    def end(self) -> None:
        """The worker ends, and with it all its leases, once nobody writes to what is its own.

        So whoever is not on the board any more holds nothing locked: others that find it hanging
        before that bury it, with what it has left open.
        """
        with self._plain.connect() as connection:
            for name in self._wanted:
                self.board.give_back_all(connection, self.worker, name)
            self.board.remove(connection, [self.worker.id])

    def holders(self, name: str) -> list[Holder]:
        """Who owns what of a projection, in the order of their slices."""
        with self._plain.connect() as connection:
            return self.board.holders(connection, name)

    def _renew(self, wanted: Mapping[str, int]) -> None:
        """Put off the end of this worker's time; if it has passed, be born again."""
        sent = self._clock()
        with self._plain.connect() as connection:
            for name, slices in wanted.items() - self._wanted.items():
                self.board.add(connection, name, slices)
                self._seen = None
            if not self.board.renew(connection, self.worker, wanted, self._seconds):
                self.worker = _born()
                self.board.enter(connection, self.worker, wanted, self._seconds)
        self._wanted = wanted
        self.sure_until = sent + self._seconds * _SURE
        self._renew_at = sent + self._seconds * _RENEW

    @contextmanager
    def _signed(self) -> Generator[Connection]:
        """A transaction that others end with this worker, so that its locks hold up nobody."""
        with self._engine.begin() as connection:
            self.board.sign(connection, self.worker)
            yield connection

    def _view(self) -> View:
        """Who is there; the dead are removed, for ever."""
        with self._plain.connect() as connection:
            view = self.board.look(connection)
        if view.overdue:
            with self._signed() as connection:
                self.board.bury(connection)
                view = self.board.look(connection)
        return view

    def _move(self, view: View) -> Standing:
        """Come nearer to a fair share of each projection."""
        with self._plain.connect() as connection:
            leases = self.board.leases(connection)
        before = self._standing.giving
        owned: dict[str, Epochs] = {}
        giving: dict[str, Collection[int]] = {}
        settled = True
        with self._signed() as connection:
            for name, slices in self._wanted.items():
                todo = moves(name, leases[name][:slices], self.worker.id, view.on(name))
                owned[name] = self._take(connection, name, todo)
                giving[name] = self._give_back(connection, name, todo, before.get(name, ()))
                settled = settled and not giving[name] and len(owned[name]) == todo.share
        return Standing(owned, giving, settled)

    def _take(self, connection: Connection, name: str, todo: Moves) -> dict[int, int]:
        """Take what is free, and what is not locked: that is tried again at the next look."""
        keep = {lease.slice: lease.epoch for lease in todo.keep}
        if not todo.take:
            return keep
        seen = {lease.slice: lease.epoch for lease in todo.take}
        return keep | self.board.take(connection, self.worker, name, seen)

    def _give_back(
        self, connection: Connection, name: str, todo: Moves, announced: Collection[int]
    ) -> Collection[int]:
        """Give back what was announced, and announce the rest, so that nobody begins with it."""
        too_much = {lease.slice for lease in todo.give_back}
        ready = too_much.intersection(announced)
        if ready:
            too_much -= self.board.give_back(connection, self.worker, name, ready)
        return too_much


def _born() -> Worker:
    host, pid = socket.gethostname(), getpid()
    return Worker(f"{host}:{pid}:{secrets.token_hex(8)}", host, pid)
