"""Between event loops and the threads that hold a connection: few hops, many answers each."""

import asyncio
import threading
from collections.abc import Sequence
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

Job = TypeVar("Job")


class Ticket(Generic[Job]):
    """A job and the future that waits for its answer."""

    __slots__ = ("answer", "error", "future", "job", "loop")

    def __init__(self, job: Job, loop: asyncio.AbstractEventLoop) -> None:
        self.job = job
        self.loop = loop
        self.future: asyncio.Future[Any] = loop.create_future()
        self.answer: object = None
        self.error: BaseException | None = None


class _Desk(threading.local, Generic[Job]):
    """Where the tasks of one event loop leave their jobs until the iteration ends."""

    loop: asyncio.AbstractEventLoop | None = None
    tickets: list[Ticket[Job]]


class Counter(Generic[Job]):
    """Takes jobs from any event loop; all that one iteration brings travel together."""

    def __init__(self) -> None:
        self.queue: SimpleQueue[Sequence[Ticket[Job]] | None] = SimpleQueue()
        self._desk: _Desk[Job] = _Desk()

    def submit(self, job: Job) -> "asyncio.Future[Any]":
        """The answer to come. Call it in an event loop."""
        loop = asyncio.get_running_loop()
        desk = self._desk
        ticket = Ticket(job, loop)
        if desk.loop is not loop:
            desk.loop, desk.tickets = loop, []
        if not desk.tickets:
            loop.call_soon(self._flush, desk.tickets)
        desk.tickets.append(ticket)
        return ticket.future

    def close(self) -> None:
        """No more jobs: the threads stop when they have finished what waits."""
        self.queue.put(None)

    def _flush(self, tickets: list[Ticket[Job]]) -> None:
        self.queue.put(tuple(tickets))
        tickets.clear()


def answer(tickets: Sequence[Ticket[Any]]) -> None:
    """Hand the answers to their event loops: one call for each loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Ticket[Any]]] = {}
    for ticket in tickets:
        by_loop.setdefault(ticket.loop, []).append(ticket)
    for loop, some in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, some)
        except RuntimeError:  # that loop has ended; nobody waits any more
            continue


def _resolve(tickets: Sequence[Ticket[Any]]) -> None:
    for ticket in tickets:
        if ticket.future.done():  # cancelled meanwhile
            continue
        if ticket.error is None:
            ticket.future.set_result(ticket.answer)
        else:
            ticket.future.set_exception(ticket.error)
