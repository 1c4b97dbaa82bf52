"""Between event loops and the threads that hold a connection: few hops, many answers each."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from whence.errors import StoreError

Job = TypeVar("Job")


class Ticket(Generic[Job]):
    """A job, the future that waits for its answer, and the answer."""

    __slots__ = ("answer", "error", "future", "job", "size", "small")

    def __init__(self, job: Job, future: "asyncio.Future[Any]", small: bool, size: int) -> None:
        self.job = job
        self.future = future
        self.small = small
        self.size = size
        self.answer: object = None
        self.error: BaseException | None = None


class Pace:
    """How long jobs take on average. Unknown at first, and then taken for slow."""

    def __init__(self, swift: float) -> None:
        self._swift = swift
        self._average = 2 * swift

    @property
    def swift(self) -> bool:
        """Whether an event loop may wait for the next one."""
        return self._average < self._swift

    def took(self, seconds: float) -> None:
        """One more job is done."""
        self._average += 0.1 * (seconds - self._average)


class _Desk(Generic[Job]):
    """Where the tasks of one event loop leave their jobs until its iteration ends."""

    __slots__ = ("loop", "tickets")

    def __init__(self, loop: asyncio.AbstractEventLoop | None) -> None:
        self.loop = loop
        self.tickets: list[Ticket[Job]] = []


class _Own(threading.local, Generic[Job]):
    """The desk of the event loop that runs in this thread."""

    desk: _Desk[Job] = _Desk(None)


class Counter(Generic[Job]):
    """Takes jobs from any event loop; all that one iteration brings travel together.

    They are offered to ``at_once`` first, in the event loop itself: it may do some of them there,
    the first ones, and say how many. Two changes of threads can take longer than a small job.
    """

    def __init__(self, name: str, at_once: Callable[[Sequence[Ticket[Job]]], int]) -> None:
        self.closed = False
        self._name = name
        self._at_once = at_once
        self.queue: SimpleQueue[Sequence[Ticket[Job]] | None] = SimpleQueue()
        self._own: _Own[Job] = _Own()
        self._latest: _Desk[Job] = _Desk(None)  # nearly always the right one, and quick to find
        self._door = threading.Lock()  # nobody comes in while it is being closed

    def submit(self, job: Job, *, small: bool = False, size: int = 0) -> "asyncio.Future[Any]":
        """The answer to come. Call it in an event loop."""
        loop = asyncio.get_running_loop()
        desk = self._latest
        if desk.loop is not loop:
            if self._own.desk.loop is not loop:
                self._own.desk = _Desk(loop)
            self._latest = desk = self._own.desk
        if not desk.tickets:
            loop.call_soon(self._flush, desk)
        future: asyncio.Future[Any] = loop.create_future()
        desk.tickets.append(Ticket(job, future, small, size))
        return future

    async def hand_over(self) -> None:
        """All that this event loop has brought goes to the threads."""
        await asyncio.sleep(0)
        desk = self._own.desk
        if desk.loop is asyncio.get_running_loop() and desk.tickets:
            tickets, desk.tickets = desk.tickets, []
            self._queue(tickets)

    def close(self) -> None:
        """No more jobs: the threads stop when they have finished what waits."""
        with self._door:
            self.closed = True
            self.queue.put(None)

    def _flush(self, desk: _Desk[Job]) -> None:
        tickets, desk.tickets = desk.tickets, []
        if not tickets:
            return  # they have been handed over
        if done := self._at_once(tickets):
            _resolve(tickets[:done])
            if desk.loop is not None and done < len(tickets):
                desk.tickets = tickets[done:]
                desk.loop.call_soon(self._flush, desk)  # others have their turn in between
        else:
            self._queue(tickets)

    def _queue(self, tickets: Sequence[Ticket[Job]]) -> None:
        with self._door:
            if not self.closed:
                self.queue.put(tickets)
                return
        for ticket in tickets:  # closed by another thread; nobody would answer
            ticket.error = StoreError(f"{self._name} was closed: nothing was done")
        _resolve(tickets)


def answer(tickets: Sequence[Ticket[Any]]) -> None:
    """Hand the answers to their event loops: one call for each loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Ticket[Any]]] = {}
    for ticket in tickets:
        by_loop.setdefault(ticket.future.get_loop(), []).append(ticket)
    for loop, some in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, some)
        except RuntimeError:  # that loop has ended; nobody waits any more
            continue


def _resolve(tickets: Sequence[Ticket[Any]]) -> None:
    for ticket in tickets:
        future = ticket.future
        if future.done():  # cancelled meanwhile
            continue
        if ticket.error is None:
            future.set_result(ticket.answer)
        else:
            future.set_exception(ticket.error)
