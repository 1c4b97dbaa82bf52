"""Snapshots: taken by policy, used, thrown away when the code has changed; only ever a cache."""
# pyright: reportUnusedClass=false

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from enum import IntEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar
from uuid import UUID

import pydantic
import pytest

from whence import Aggregate, App, Decider, command, decide, event, evolve
from whence.aggregate import behaviour_of
from whence.backends.sqlite import SqliteStore
from whence.decider import DeciderBehaviour
from whence.evolving import state_of
from whence.snapshots import Snapshot, Snapshots, freeze, thaw

from ..stores import Observed


@event
class Added:
    sum_id: str
    n: int


@command
class Add:
    sum_id: str
    n: int
    times: int = 1


class Sum(Aggregate, snapshot_every=10):
    total = 0

    @decide
    def add(self, command: Add) -> Iterator[object]:
        for _ in range(command.times):
            yield Added(self.id, command.n)

    @evolve
    def _(self, event: Added) -> None:
        self.total += event.n


async def kept(app: App, stream: str = "sum-S1") -> Snapshot | None:
    """What is saved, whatever its shape."""
    await app.running.repository.close()
    snapshots = app.running.backend.snapshots
    assert snapshots is not None
    for behaviour in app.wiring.behaviours.values():
        if (found := await snapshots.load(stream, behaviour.shape)) is not None:
            return found
    return None


@pytest.fixture(params=["memory", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return "memory://" if request.param == "memory" else f"sqlite:///{tmp_path / 'sums.db'}"


async def spoil(app: App, state: bytes) -> None:
    """Let what is saved hold something else."""
    snapshots, store = app.running.backend.snapshots, app.running.store
    found = await kept(app)
    assert found is not None
    assert snapshots is not None
    if isinstance(store, SqliteStore):
        await store.execute(lambda c: c.execute("update snapshots set state = ?", (state,)))
    else:
        await snapshots.save("sum-S1", replace(found, state=state))


async def test_one_is_saved_whenever_so_many_events_were_added(url: str) -> None:
    async with App("sums", Sum, store=url, read="sqlite://") as app:
        for version in range(1, 35):
            await app.send(Add("S1", 1))
            found = await kept(app)
            assert (found.version if found else 0) == version // 10 * 10
        await app.send(Add("S1", 1, times=17))
        assert (found := await kept(app)) is not None
        assert (found.version, found.state) == (51, b'{"total":51}')


async def test_none_is_saved_unless_asked_for(url: str) -> None:
    class Plain(Sum, snapshot_every=0, category="plain"): ...

    assert behaviour_of(Plain).snapshot_every == 10

    class Never(Aggregate, id="sum_id"):
        @decide
        def add(self, command: Add) -> Iterator[object]:
            yield from [Added(self.id, 1)] * 100

    async with App("sums", Never, store=url, read="sqlite://") as app:
        await app.send(Add("S1", 1))
        assert await kept(app, "never-S1") is None

        class Unwanted:
            async def load(self, stream: str, shape: str) -> Snapshot | None:
                pytest.fail("none is looked for")

            async def save(self, stream: str, snapshot: Snapshot) -> None: ...

        app.running.repository._snapshots = Unwanted()  # pyright: ignore[reportPrivateUsage]
        assert (await app.send(Add("S2", 1))).versions == {"never-S2": 100}


async def test_what_it_holds_is_not_read_again(tmp_path: Path) -> None:
    store = Observed()
    snapshots: Snapshots | None = None
    for cached in (9, 0):
        async with App("sums", Sum, store=store, read="sqlite://", cached=cached) as app:
            async with App("other", Sum, store="memory://") as other:
                snapshots = snapshots or other.running.backend.snapshots
            app.running.repository._snapshots = snapshots  # pyright: ignore[reportPrivateUsage]
            before = store.events
            if cached:
                for _ in range(23):
                    await app.send(Add("S1", 1))
            else:
                assert (await app.send(Add("S1", 1))).versions == {"sum-S1": 24}
                assert store.events - before == 4  # with the last that it has seen: see below


async def test_it_is_used_after_a_restart(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'sums.db'}"
    async with App("sums", Sum, store=url) as app:
        await app.send(Add("S1", 1, times=25))
        await app.running.repository.close()
        await spoil(app, b'{"total":1000}')  # if it is used, one that lies shows
    async with App("sums", Sum, store=url) as app:
        await app.send(Add("S1", 1))
        history = app.history(Sum, "S1")
        assert ((await history.now()).total, (await history.now()).version) == (1001, 26)
        assert (await history.at(version=26)).total == 26


@pytest.mark.parametrize("state", [b"", b"not json", b'{"total":"x"}', b"[]", b"\xff"])
async def test_one_that_cannot_be_read_is_passed_over(
    url: str, state: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with App("sums", Sum, store=url, read="sqlite://", cached=0) as app:
        await app.send(Add("S1", 1, times=12))
        await spoil(app, state)
        assert (await app.history(Sum, "S1").now()).total == 12
        await app.send(Add("S1", 1))
        assert (await app.history(Sum, "S1").now()).total == 13
    assert "the snapshot of sum S1 is passed over" in caplog.text


@pytest.mark.parametrize("left", [0, 11, 19])
async def test_one_of_another_log_is_passed_over(
    tmp_path: Path, left: int, caplog: pytest.LogCaptureFixture
) -> None:
    """As when the log was restored from an older copy, and the snapshots were not."""
    url = f"sqlite:///{tmp_path / 'sums.db'}"
    async with App("sums", Sum, store=url) as app:
        for _ in range(20):
            await app.send(Add("S1", 1))
        found = await kept(app)
        assert found is not None
        assert found.version == 20
    with closing(sqlite3.connect(tmp_path / "sums.db")) as log:
        log.execute("delete from events where position > ?", (left,))
        log.commit()
    async with App("sums", Sum, store=url) as app:
        if not left:  # other streams come to stand where it was
            await app.send(Add("S2", 1, times=20))
        assert (await app.history(Sum, "S1").now()).total == left
        assert (await app.send(Add("S1", 1))).versions == {"sum-S1": left + 1}
    assert "the snapshot of sum-S1 is passed over" in caplog.text


async def test_one_is_kept_for_each_stream_and_found_by_its_shape(url: str) -> None:
    async with App("sums", Sum, store=url, read="sqlite://") as app:
        snapshots = app.running.backend.snapshots
        assert snapshots is not None
        assert await snapshots.load("s", "square") is None
        for version, shape in ((2, "square"), (3, "square"), (1, "round")):
            await snapshots.save("s", snapshot := Snapshot(version, 9, shape, b"{}"))
            assert await snapshots.load("s", shape) == snapshot
        assert await snapshots.load("s", "square") is None
        assert await snapshots.load("t", "round") is None


async def test_one_that_cannot_be_saved_does_no_harm(caplog: pytest.LogCaptureFixture) -> None:
    class Failing:
        async def load(self, stream: str, shape: str) -> Snapshot | None:
            return None

        async def save(self, stream: str, snapshot: Snapshot) -> None:
            raise OSError("disk full")

    async with App("sums", Sum, store="memory://", cached=0) as app:
        app.running.repository._snapshots = Failing()  # pyright: ignore[reportPrivateUsage]
        assert (await app.send(Add("S1", 1, times=10))).versions == {"sum-S1": 10}
        await app.running.repository.close()
        assert (await app.send(Add("S1", 1))).versions == {"sum-S1": 11}
    assert "a snapshot was not saved: disk full" in caplog.text


async def test_one_of_another_shape_is_not_used(tmp_path: Path) -> None:
    class Sum2(Aggregate, category="sum", id="sum_id", snapshot_every=10):
        total = 0

        @decide
        def add(self, command: Add) -> Iterator[object]:
            yield Added(self.id, command.n)

        @evolve
        def _(self, event: Added) -> None:
            self.total += 2 * event.n

    url = f"sqlite:///{tmp_path / 'sums.db'}"
    async with App("sums", Sum, store=url) as app:
        await app.send(Add("S1", 1, times=15))
    async with App("sums", Sum2, store=url) as app:
        assert (await app.history(Sum2, "S1").now()).total == 30
        for _ in range(5):
            await app.send(Add("S1", 1))
        assert (found := await kept(app)) is not None
        assert found.state == b'{"total":40}'
    async with App("sums", Sum, store=url) as app:
        assert (await app.history(Sum, "S1").now()).total == 20


# What fits and what does not.


class Model(pydantic.BaseModel):
    name: str = "m"


@dataclass
class Part:
    n: int = 0
    when: datetime | None = None


class Rich(Aggregate):
    LIMIT: ClassVar[Callable[[], int]] = lambda: 3
    text = "x"
    number: Decimal = Decimal("1.10")
    parts: list[Part] = []
    by_id: dict[UUID, tuple[int, str]] = {}
    model: Model = Model()
    seen: set[str] = set()
    late: Part

    @evolve
    def _(self, event: Added) -> None: ...


def test_a_rich_state_comes_back_as_it_was() -> None:
    behaviour = behaviour_of(Rich)
    rich = Rich("R1")
    rich.parts = [Part(1), Part(2, datetime(2026, 1, 1, tzinfo=UTC))]
    rich.by_id = {UUID(int=1): (1, "a")}
    rich.model = Model(name="n")
    rich.seen = {"a", "b"}
    for late in (False, True):
        if late:
            rich.late = Part(7)
        frozen = freeze(behaviour, rich, 3, 7)
        assert frozen is not None
        again = thaw(behaviour, "R1", frozen)
        assert again is not None
        assert state_of(again) == state_of(rich)
        assert hasattr(again, "late") == late


class Unsure(Aggregate):
    it: Any = None

    @evolve
    def _(self, event: Added) -> None: ...


class Level(IntEnum):
    LOW = 1


@pytest.mark.parametrize(
    "value",
    [
        (1, 2),
        {1: 2},
        {1, 2},
        Part(1),
        object(),
        lambda: 1,
        float("nan"),
        UUID(int=1),
        Level.LOW,
        [Level.LOW],
        {"level": Level.LOW},
    ],
)
def test_a_state_that_would_come_back_changed_is_not_saved(value: Any) -> None:
    unsure = Unsure("A1")
    unsure.it = value
    assert freeze(behaviour_of(Unsure), unsure, 1, 1) is None


def test_nor_one_with_an_attribute_that_is_not_declared() -> None:
    made = Unsure("A1")
    made.more = 1  # type: ignore[attr-defined]  # pyright: ignore
    assert freeze(behaviour_of(Unsure), made, 1, 1) is None


def test_nor_one_whose_annotation_means_nothing() -> None:
    class Lost(Aggregate):
        it: "Missing" = None  # type: ignore  # noqa: F821  # pyright: ignore

        @evolve
        def _(self, event: Added) -> None: ...

    assert freeze(behaviour_of(Lost), Lost("L1"), 1, 1) is None


def test_that_is_said_once_with_the_place_and_the_fix(caplog: pytest.LogCaptureFixture) -> None:
    class Unfit(Aggregate):
        it: Any = (1, 2)

        @evolve
        def _(self, event: Added) -> None: ...

    with caplog.at_level(logging.WARNING, "whence"):
        for _ in range(3):
            freeze(behaviour_of(Unfit), Unfit("U1"), 1, 1)
    (record,) = caplog.records
    message = record.getMessage()
    assert f"Unfit ({__file__}:" in message
    assert message.endswith(
        "cannot be saved as a snapshot (it comes back changed): declare every attribute in the"
        " class body, with its full type"
    )


async def test_a_backend_may_keep_none() -> None:
    async with App("sums", Sum, store="memory://", cached=0) as app:
        app.running.repository._snapshots = None  # pyright: ignore[reportPrivateUsage]
        for version in (10, 20):
            assert (await app.send(Add("S1", 1, times=10))).versions == {"sum-S1": version}


async def test_a_state_that_does_not_fit_is_folded_again(
    url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whence.snapshots._unfit", set[str]())

    class Loose(Aggregate, id="sum_id", snapshot_every=2):
        log = []  # pyright: ignore

        @decide
        def add(self, command: Add) -> Iterator[object]:
            yield Added(self.id, command.n)

        @evolve
        def _(self, event: Added) -> None:
            self.log.append((event.n, "x"))  # pyright: ignore

    async with App("loose", Loose, store=url, read="sqlite://", cached=0) as app:
        for n in range(5):
            await app.send(Add("S1", n))
        assert (await app.history(Loose, "S1").now()).log == [(n, "x") for n in range(5)]  # pyright: ignore
    assert caplog.text.count("cannot be saved as a snapshot") == 1
    assert "was not saved" not in caplog.text


@dataclass(frozen=True)
class Counted:
    by: dict[str, int] = field(default_factory=dict[str, int])


def add(command: Add, state: Counted) -> list[Added]:
    return [Added(command.sum_id, command.n)]


def added(state: Counted, event: Added) -> Counted:
    return Counted({**state.by, str(event.n): state.by.get(str(event.n), 0) + 1})


async def test_deciders_have_snapshots_too(url: str) -> None:
    sums = Decider("sum", Counted(), add, added, snapshot_every=2)
    async with App("sums", sums, store=url, read="sqlite://", cached=0) as app:
        for n in (1, 2, 1):
            await app.send(Add("S1", n))
        assert (found := await kept(app)) is not None
        assert (found.version, found.state) == (2, b'{"by":{"1":1,"2":1}}')
        assert await app.history(sums, "S1").now() == Counted({"1": 2, "2": 1})


def test_a_state_of_a_decider_that_does_not_fit_is_not_saved() -> None:
    odd = Decider("sum", MappingProxyType({1: 2}), lambda_add, lambda_added, snapshot_every=1)
    assert freeze(DeciderBehaviour(odd), MappingProxyType({1: 2}), 1, 1) is None


def lambda_add(command: Add, state: MappingProxyType[int, int]) -> list[Added]:
    return []


def lambda_added(state: MappingProxyType[int, int], event: Added) -> MappingProxyType[int, int]:
    return state
