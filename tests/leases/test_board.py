"""What the tables of workers and leases allow, step by step and at the worst moments."""

from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.event import listen
from sqlalchemy.exc import DBAPIError

from whence.backends.sql.board import Board, Worker
from whence.backends.sql.leases import elapsed
from whence.backends.sql.rounds import Rounds, Standing
from whence.leases import Lease
from whence.subscribers import Overtaken

from .kit import NAME, connect, worker

A, B = worker(1), worker(2)
LONG = 60.0
ALL = {0: 0, 1: 0, 2: 0, 3: 0}
"""Four slices that nobody has ever owned, as everybody sees them at first."""


@pytest.fixture
def board(engine: Engine) -> Board:
    """With two workers and a projection of four slices."""
    board = Board(engine.dialect)
    with engine.begin() as connection:
        board.add(connection, NAME, 4)
        for one in (A, B):
            board.enter(connection, one, [NAME], LONG)
    return board


def take(engine: Engine, board: Board, who: Worker, seen: dict[int, int]) -> dict[int, int]:
    with engine.begin() as connection:
        return board.take(connection, who, NAME, seen)


def fence(engine: Engine, board: Board, who: Worker, epochs: dict[int, int]) -> None:
    with engine.begin() as connection:
        board.fence(connection, who, NAME, epochs)


def let_die(engine: Engine, who: Worker) -> None:
    """Its time has passed."""
    with engine.begin() as connection:
        connection.execute(
            text("update whence_workers set until = 0 where id = :id"), {"id": who.id}
        )


def bury(engine: Engine, board: Board) -> None:
    with engine.begin() as connection:
        board.bury(connection)


def take_all(engine: Engine, board: Board, who: Worker, seen: dict[int, int]) -> None:
    """As soon as the server has ended what others have left open."""
    taken: dict[int, int] = {}
    while len(taken) < len(seen):
        taken |= take(engine, board, who, seen)


def leases(engine: Engine, board: Board) -> list[Lease]:
    with engine.begin() as connection:
        return board.leases(connection)[NAME]


def test_what_is_free_is_taken_once_and_its_epoch_grows(engine: Engine, board: Board) -> None:
    assert take(engine, board, A, {0: 0, 1: 0}) == {0: 1, 1: 1}
    assert take(engine, board, B, ALL) == {2: 1, 3: 1}
    assert [one.owner for one in leases(engine, board)] == [A.id, A.id, B.id, B.id]


def test_nothing_is_taken_from_the_living(engine: Engine, board: Board) -> None:
    epochs = take(engine, board, A, ALL)
    assert take(engine, board, B, epochs) == {}
    fence(engine, board, A, epochs)


def test_what_is_given_back_is_free_with_a_higher_epoch(engine: Engine, board: Board) -> None:
    take(engine, board, A, ALL)
    with engine.begin() as connection:
        assert board.give_back(connection, A, NAME, [1, 2]) == {1, 2}
        assert board.give_back(connection, B, NAME, [0]) == set()
    assert leases(engine, board)[1] == Lease(1, None, 2)
    assert take(engine, board, B, {1: 2, 2: 2}) == {1: 3, 2: 3}


def test_adding_the_leases_again_changes_nothing(engine: Engine, board: Board) -> None:
    take(engine, board, A, ALL)
    with engine.begin() as connection:
        board.add(connection, NAME, 5)
    assert [one.epoch for one in leases(engine, board)] == [1, 1, 1, 1, 0]


def test_the_fence_lets_the_owner_pass(engine: Engine, board: Board) -> None:
    epochs = take(engine, board, A, ALL)
    fence(engine, board, A, epochs)
    fence(engine, board, A, {2: epochs[2]})


@pytest.mark.parametrize("epochs", [{0: 2}, {0: 0}, {0: 1, 2: 1}, {0: 1, 3: 0}, {0: 1, 4: 0}])
def test_the_fence_refuses_whoever_does_not_own_it_all(
    engine: Engine, board: Board, epochs: dict[int, int]
) -> None:
    take(engine, board, A, {0: 0, 1: 0})
    take(engine, board, B, {2: 0})
    with pytest.raises(Overtaken):
        fence(engine, board, A, epochs)


def test_the_fence_refuses_a_worker_whose_time_has_passed(engine: Engine, board: Board) -> None:
    epochs = take(engine, board, A, ALL)
    let_die(engine, A)
    with pytest.raises(Overtaken):  # though nobody has taken over yet
        fence(engine, board, A, epochs)


def test_the_database_says_what_time_it_is_also_within_a_transaction(
    engine: Engine, board: Board
) -> None:
    epochs = take(engine, board, A, ALL)
    with engine.begin() as connection:
        board.renew(connection, A, [NAME], 0.05)
        board.fence(connection, A, NAME, epochs)
        connection.execute(text("select pg_sleep(0.06)"))
        with pytest.raises(Overtaken):
            board.fence(connection, A, NAME, epochs)
        assert not board.renew(connection, A, [NAME], LONG)


def test_who_was_dead_for_a_moment_stays_dead(engine: Engine, board: Board) -> None:
    take(engine, board, A, ALL)
    let_die(engine, A)
    with engine.begin() as connection:
        assert not board.renew(connection, A, [NAME], LONG)
        assert board.look(connection).overdue == {A.id}
        board.bury(connection)
        assert board.look(connection).workers == {B.id: {NAME}}
        assert not board.renew(connection, A, [NAME], LONG)
    assert take(engine, board, B, {0: 1}) == {0: 2}


def test_nobody_dies_who_just_renews(engine: Engine, board: Board) -> None:
    with engine.begin() as connection:
        board.renew(connection, A, [NAME], 0.2)
    with engine.begin() as renewing, engine.begin() as other:
        assert board.renew(renewing, A, [NAME], LONG)  # in time, but not yet committed
        other.execute(text("select pg_sleep(0.25)"))
        assert board.look(other).overdue == {A.id}
        board.bury(other)
    with engine.begin() as connection:
        view = board.look(connection)
    assert A.id in view.workers
    assert not view.overdue


def test_a_lease_that_has_changed_since_it_was_seen_is_left_alone(
    engine: Engine, board: Board
) -> None:
    """Its owner may have come too late for the statement to see that it is alive."""
    take(engine, board, A, ALL)
    with engine.begin() as connection:
        board.remove(connection, [A.id])
    assert take(engine, board, B, {0: 0, 1: 1}) == {1: 2}
    assert leases(engine, board)[0] == Lease(0, A.id, 1)


def test_what_is_being_written_to_is_not_given_back(engine: Engine, board: Board) -> None:
    epochs = take(engine, board, A, ALL)
    with engine.begin() as writing, engine.begin() as other:
        board.fence(writing, A, NAME, {1: epochs[1]})
        assert board.give_back(other, A, NAME, [0, 1]) == {0}


def test_a_renewal_never_waits_for_what_the_worker_writes(engine: Engine, board: Board) -> None:
    epochs = take(engine, board, A, ALL)
    with engine.begin() as writing, engine.begin() as other:
        board.fence(writing, A, NAME, epochs)
        other.execute(text("set local lock_timeout = 1"))
        assert board.renew(other, A, [NAME], LONG)


def test_what_a_dead_worker_has_left_open_is_ended_and_its_writes_are_gone(
    engine: Engine, board: Board
) -> None:
    """It was suspended after the fence: nobody can take over before its transaction ends."""
    epochs = take(engine, board, A, ALL)
    with engine.connect() as writing:
        board.fence(writing, A, NAME, epochs)
        writing.execute(text("create table written (number int)"))
        let_die(engine, A)
        assert take(engine, board, B, epochs) == {}  # nobody waits for it
        bury(engine, board)
        take_all(engine, board, B, epochs)
        with pytest.raises(DBAPIError, match="terminating connection"):
            writing.execute(text("insert into written values (1)"))
    with engine.begin() as connection:
        assert connection.execute(text("select to_regclass('written')")).scalar() is None


def test_what_a_dead_worker_was_just_taking_is_free_for_others(
    engine: Engine, board: Board
) -> None:
    """It was suspended before its transaction ended: by all that others see, nobody owns it."""
    with engine.connect() as taking:
        board.sign(taking, A)
        assert len(board.take(taking, A, NAME, ALL)) == 4
        let_die(engine, A)
        bury(engine, board)
        take_all(engine, board, B, ALL)
        with pytest.raises(DBAPIError, match="terminating connection"):
            taking.commit()


def test_a_worker_does_not_end_before_what_it_writes(engine: Engine, postgres_url: str) -> None:
    """Else it could hang with locks that nobody would know to be its own."""
    impatient = connect(postgres_url)
    listen(impatient, "connect", _give_up_soon)
    rounds = Rounds(impatient, LONG, elapsed)
    epochs = rounds.look({NAME: 4}).owned[NAME]
    with engine.connect() as writing:
        rounds.board.fence(writing, rounds.worker, NAME, epochs)
        with pytest.raises(DBAPIError, match="lock timeout"):
            rounds.end()
        (holder,) = rounds.holders(NAME)
        assert holder.worker == rounds.worker.id
    rounds.end()
    assert rounds.holders(NAME) == []
    impatient.dispose()


def test_nobody_waits_for_a_worker_that_hangs_while_it_joins(
    engine: Engine, postgres_url: str
) -> None:
    """It was suspended after its leases were added: others add the same."""
    other = connect(postgres_url)
    joining, looking = Rounds(engine, LONG, elapsed), Rounds(other, LONG, elapsed)
    others: list[Standing] = []

    def look(_: object, __: object, statement: str, *___: object) -> None:
        if statement.startswith("insert into whence_leases") and not others:
            others.append(looking.look({NAME: 4}))

    listen(other, "connect", _give_up_soon)
    listen(engine, "after_cursor_execute", look)
    joining.look({NAME: 4})
    other.dispose()
    assert [len(one.owned[NAME]) for one in others] == [4]


def test_only_sessions_that_write_for_the_dead_are_ended(engine: Engine, board: Board) -> None:
    epochs = take(engine, board, A, {0: 0, 1: 0})
    others = take(engine, board, B, {2: 0, 3: 0})
    with engine.begin() as idle, engine.begin() as writing, engine.begin() as connection:
        idle.execute(text("select 1"))
        board.fence(writing, B, NAME, others)
        board.end_sessions(connection, [A.id])
        board.fence(writing, B, NAME, others)
        assert idle.execute(text("select 1")).scalar() == 1
    fence(engine, board, A, epochs)


def test_the_board_says_who_holds_what(engine: Engine, board: Board) -> None:
    take(engine, board, A, {1: 0, 3: 0})
    take(engine, board, B, {0: 0})
    with engine.begin() as connection:
        first, second = board.holders(connection, NAME)
        assert board.holders(connection, "other") == []
    assert (first.worker, first.host, first.pid, first.slices) == (B.id, "host", 2, (0,))
    assert (second.worker, second.slices) == (A.id, (1, 3))
    assert 0 < first.seconds <= LONG


def _give_up_soon(connection: Any, _: object) -> None:
    """Wait for no lock for longer than this."""
    connection.execute("set lock_timeout = '1s'")
    connection.commit()
