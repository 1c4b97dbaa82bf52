"""Fair shares: how slices are divided among the living, and how few of them move."""

import time
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.leases import Everything, Lease, Moves, moves, share, spans

WORKERS = st.lists(st.text("abcdef", min_size=1, max_size=3), min_size=1, max_size=12, unique=True)
NAMES = st.text("xyz", min_size=1, max_size=4)
SLICES = st.integers(1, 40)


class Board:
    """The leases of one projection, as all workers see them."""

    def __init__(self, slices: int) -> None:
        self.leases = [Lease(number, None, 0) for number in range(slices)]
        self.moved = 0

    def look(self, worker: str, living: list[str]) -> Moves:
        """What `worker` does about what it sees; whether there was anything to do."""
        todo = moves("balance", self.leases, worker, living)
        for lease in todo.take:
            assert lease.owner not in living
            self._assign(lease, worker)
        for lease in todo.give_back:
            assert lease.owner == worker
            self._assign(lease, None)
        return todo

    def _assign(self, lease: Lease, owner: str | None) -> None:
        self.leases[lease.slice] = replace(lease, owner=owner, epoch=lease.epoch + 1)
        self.moved += owner is None

    def settle(self, living: list[str]) -> None:
        """Everybody looks once to give back and once to take; then nobody has anything to do."""
        for _ in range(2):
            for worker in living:
                self.look(worker, living)
        for worker in living:
            todo = self.look(worker, living)
            assert not todo.take
            assert not todo.give_back

    def held(self) -> Counter[str | None]:
        return Counter(lease.owner for lease in self.leases)


@given(NAMES, SLICES, WORKERS)
def test_shares_add_up_and_differ_by_one_at_most(
    name: str, slices: int, workers: list[str]
) -> None:
    shares = [share(name, slices, worker, workers) for worker in workers]
    assert sum(shares) == slices
    assert max(shares) - min(shares) <= 1


@given(NAMES, SLICES, WORKERS)
def test_it_does_not_matter_in_which_order_the_workers_are_seen(
    name: str, slices: int, workers: list[str]
) -> None:
    for worker in workers:
        assert share(name, slices, worker, workers) == share(name, slices, worker, workers[::-1])


@given(SLICES, st.lists(WORKERS, min_size=1, max_size=6))
def test_whoever_comes_and_goes_all_slices_are_soon_owned_in_fair_shares(
    slices: int, times: list[list[str]]
) -> None:
    board = Board(slices)
    for living in times:
        board.settle(living)
        held = board.held()
        assert held == {w: n for w in living if (n := share("balance", slices, w, living))}


@given(SLICES, WORKERS)
def test_only_what_is_above_the_fair_shares_moves_when_somebody_comes(
    slices: int, workers: list[str]
) -> None:
    board = Board(slices)
    *before, new = workers
    if before:
        board.settle(before)
    held, board.moved = board.held(), 0
    board.settle(workers)
    assert board.moved == sum(
        max(held[one] - share("balance", slices, one, workers), 0) for one in before
    )
    assert board.held()[new] == share("balance", slices, new, workers)


@given(SLICES, WORKERS)
def test_what_the_living_own_stays_theirs_when_somebody_ends(
    slices: int, workers: list[str]
) -> None:
    board = Board(slices)
    board.settle(workers)
    *living, gone = workers
    if living:
        before = [one for one in board.leases if one.owner != gone]
        for worker in living:
            board.look(worker, living)
        kept = sum(board.leases[one.slice].owner == one.owner for one in before)
        # Who was first among equals may be another one now: one slice each, no more.
        assert kept >= len(before) - len(living)


def test_what_does_not_divide_goes_to_other_workers_for_other_projections() -> None:
    workers = ["host:1:aa", "host:2:bb", "host:3:cc"]
    single = Counter(
        worker
        for number in range(300)
        for worker in workers
        if share(f"projection_{number}", 1, worker, workers)
    )
    assert sum(single.values()) == 300
    assert min(single.values()) > 60


def test_two_that_look_at_the_same_moment_reach_for_different_slices() -> None:
    free = [Lease(number, None, 0) for number in range(16)]
    workers = [f"host:{number}:{number:x}" for number in range(8)]
    firsts = {moves("balance", free, worker, workers).take[0].slice for worker in workers}
    assert len(firsts) > 2


@pytest.mark.parametrize(
    ("slices", "text"),
    [([], "none"), ([3], "3"), ([0, 1, 2, 3], "0-3"), ([9, 0, 1, 4, 8], "0-1, 4, 8-9")],
)
def test_slices_are_written_in_spans(slices: list[int], text: str) -> None:
    assert spans(slices) == text


async def test_everything_is_owned_by_the_only_process() -> None:
    everything = Everything()
    assert await everything.owned("balance") == {}
    await everything.join("balance", 2)
    assert await everything.owned("balance") == {0: 0, 1: 0}
    await everything.changed("balance", {}, timeout=60)  # it has changed: no wait
    start = time.monotonic()
    await everything.changed("balance", {0: 0, 1: 0}, timeout=0.01)
    assert time.monotonic() - start >= 0.01
    await everything.leave("balance")
    assert await everything.owned("balance") == {}
