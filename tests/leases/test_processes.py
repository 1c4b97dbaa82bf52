"""Workers in real processes: killed, suspended, with wrong clocks, all at once."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from .team import Team


@pytest.fixture
def team(postgres_url: str, tmp_path: Path) -> Iterator[Team]:
    with Team(postgres_url, tmp_path) as team:
        yield team


def test_what_a_killed_worker_owned_is_taken_over(team: Team) -> None:
    first, second, third = team.start(3)
    team.until_shared(first, second, third)
    second.kill()
    first.leave()
    team.until_shared(third)
    team.check()


def test_a_worker_that_was_suspended_in_the_middle_of_a_page_cannot_commit(team: Team) -> None:
    (first,) = team.start(1, hold=0.2)
    first.wait_for("writing")
    first.stop()  # it has written, and not yet committed
    (second,) = team.start(1)
    team.until_shared(second)
    second.wait_for("writing")  # it has committed what it wrote before
    first.go_on()
    assert first.wait_for("refused") == "refused OperationalError"
    team.until_shared(first, second)  # it has come back, as somebody else
    team.check()


def test_a_clock_that_is_an_hour_wrong_makes_no_difference(team: Team) -> None:
    (right,) = team.start(1)
    (ahead,) = team.start(1, forward=3600.0)
    (behind,) = team.start(1, forward=-3600.0)
    team.until_shared(right, ahead, behind)
    right.kill()
    team.until_shared(ahead, behind)
    ahead.stop()
    team.until_shared(behind)
    ahead.go_on()
    team.until_shared(ahead, behind)
    team.check()


def test_of_many_that_come_and_go_at_once_each_slice_has_one_owner_at_a_time(team: Team) -> None:
    workers = team.start(6, each=0.2)
    while max(epoch for _, _, epoch, _ in team.history() or [(0, 0, 0, 0)]) < 12:
        for one in workers:
            one.wait_for("writing")
    for one in workers:
        one.leave()
    assert not team.owners()
    team.check()


def test_killed_and_suspended_in_a_loop_nothing_is_written_twice(team: Team) -> None:
    chance = random.Random(7)
    workers = team.start(3)
    for number in range(4):
        team.until_shared(*workers)
        victim = workers.pop(chance.randrange(len(workers)))
        if number % 2:
            victim.kill()
            workers += team.start(1)
        else:
            victim.stop()
            team.until_shared(*workers)
            victim.go_on()
            workers.append(victim)
    team.until_shared(*workers)
    team.check()


def test_the_check_notices_who_writes_after_the_next_owner(team: Team) -> None:
    team.write([(0, 1, 1, 100), (0, 2, 2, 101), (1, 1, 3, 100), (1, 2, 3, 100)])
    team.check()
    team.write([(0, 3, 1, 100)])
    with pytest.raises(AssertionError, match="after"):
        team.check()


def test_the_check_notices_two_who_believe_in_the_same(team: Team, tmp_path: Path) -> None:
    (tmp_path / "100.notes").write_text('[1.0, 1.1, {"0": 1}]\n[2.0, 2.1, {"0": 1}]\n')
    (tmp_path / "101.notes").write_text('[2.2, 2.3, {"0": 2}]\n[3.0, 3.1, {"0": 2}]\n[4.')
    team.check()
    (tmp_path / "102.notes").write_text('[2.8, 2.9, {"0": 3}]\n[5.0, 5.1, {"0": 3}]\n')
    with pytest.raises(AssertionError, match="at the same time"):
        team.check()
