"""What every event store promises, as tests that any backend enrols in.

A backend says how to open its data, and has all of it::

    class TestMine(StoreConformance):
        @pytest.fixture
        def open_store(self, tmp_path):
            return partial(MyStore, tmp_path / "my.db")

`StoreConformance` is for every store. `HandlesConformance` is for those whose data can be
opened several times at once, and `ProcessesConformance` for those whose data other processes
can open: there ``open_store`` must be something that can be pickled.
Each promise is a class of its own and can be enrolled in alone.
"""

from whence.testing.conformance.appending import Appending, Idempotency, Neighbours
from whence.testing.conformance.boundaries import Boundaries
from whence.testing.conformance.conditions import ExpectedVersions, Unless
from whence.testing.conformance.handles import Handles
from whence.testing.conformance.hostile import HostileInput
from whence.testing.conformance.paging import Paging
from whence.testing.conformance.processes import NothingLost, NothingMissed, Processes
from whence.testing.conformance.selecting import Selecting
from whence.testing.conformance.waiting import HeadAndWaiting
from whence.testing.conformance.words import OpenStore, Suite

__all__ = [
    "Appending",
    "Boundaries",
    "ExpectedVersions",
    "Handles",
    "HandlesConformance",
    "HeadAndWaiting",
    "HostileInput",
    "Idempotency",
    "Neighbours",
    "NothingLost",
    "NothingMissed",
    "OpenStore",
    "Paging",
    "Processes",
    "ProcessesConformance",
    "Selecting",
    "StoreConformance",
    "Suite",
    "Unless",
]


class StoreConformance(
    Appending,
    Idempotency,
    Neighbours,
    ExpectedVersions,
    Unless,
    Paging,
    Selecting,
    HeadAndWaiting,
    HostileInput,
    Boundaries,
):
    """Everything that one handle can show."""


class HandlesConformance(Handles):
    """Everything that several handles can show."""


class ProcessesConformance(Processes, NothingMissed, NothingLost):
    """Everything that several processes can show."""
