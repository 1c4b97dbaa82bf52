"""What a repository decides: only what can have happened is recorded."""

from datetime import UTC, datetime, timedelta

from gitlog.commits import Change, CommitRecorded, RecordCommit
from gitlog.repositories import Entry, Repository
from whence.testing import given

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ADDED = {"duck": Change("A", "100644", "b1")}


def record(
    commit: str, parent: str, changes: dict[str, Change], time: datetime = NOON
) -> RecordCommit:
    return RecordCommit("pond", commit, parent, time, "zoe", changes)


def recorded(commit: str, parent: str, changes: dict[str, Change]) -> CommitRecorded:
    return CommitRecorded("pond", commit, parent, NOON, "zoe", changes)


FIRST = recorded("c1", "", ADDED)


def test_a_commit_is_recorded_with_its_changes() -> None:
    outcome = given(Repository).when(record("c1", "", ADDED)).then(FIRST)
    outcome.then_state(head="c1", tree={"duck": Entry("100644", "b1")})


def test_recording_the_latest_commit_again_changes_nothing() -> None:
    given(Repository, FIRST).when(record("c1", "", ADDED)).then()


def test_the_tree_follows_every_kind_of_change() -> None:
    second = recorded("c2", "c1", {"duck": Change("M", "100755", "b2"), "pond": ADDED["duck"]})
    third = recorded("c3", "c2", {"pond": Change("T", "120000", "b3"), "duck": Change("D")})
    outcome = given(Repository, FIRST, second).when(record("c3", "c2", third.changes))
    outcome.then(third).then_state(tree={"pond": Entry("120000", "b3")})


def test_a_commit_without_changes_is_a_commit() -> None:
    given(Repository, FIRST).when(record("c2", "c1", {})).then(recorded("c2", "c1", {}))


def test_a_commit_follows_the_latest_one() -> None:
    repository = given(Repository, FIRST)
    repository.when(record("c3", "c2", {})).then_rejected("follows c2, but the latest")
    repository.when(record("c0", "", {})).then_rejected("follows nothing, but the latest")


def test_what_is_not_there_cannot_be_changed_or_deleted() -> None:
    repository = given(Repository, FIRST)
    for status in ("M", "D", "T"):
        change = Change(status, "100644", "b2")
        repository.when(record("c2", "c1", {"swan": change})).then_rejected("swan, which is not")


def test_what_is_there_cannot_be_added() -> None:
    repository = given(Repository, FIRST)
    repository.when(record("c2", "c1", ADDED)).then_rejected("adds duck, which is there already")


def test_a_commit_may_be_older_than_the_one_it_follows() -> None:
    earlier = NOON - timedelta(days=1)
    outcome = given(Repository, FIRST).when(record("c2", "c1", {}, earlier))
    outcome.then_state(head="c2")


def test_a_time_without_a_zone_is_not_a_time() -> None:
    naive = NOON.replace(tzinfo=None)
    given(Repository).when(record("c1", "", ADDED, naive)).then_invalid("time")


def test_a_change_is_one_of_four() -> None:
    nonsense = {"duck": Change("X", "100644", "b1")}  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    given(Repository).when(record("c1", "", nonsense)).then_invalid("changes")
