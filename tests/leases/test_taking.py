"""What of a page is folded by whom, when several processes share a read model."""

import json

from hypothesis import given
from hypothesis import strategies as st

from whence import Aggregate, ReadModel, event, evolve
from whence.envelope import Recorded
from whence.folds import Fold, Step
from whence.parking import Parking, ParkingFold
from whence.slices import Mark, Share
from whence.wiring import Wiring


@event
class Filed:
    folder_id: str


@event
class Tagged:
    folder_ids: list[str]


class Folder(Aggregate):
    @evolve
    def _(self, event: Filed) -> None: ...


class Filing(ReadModel):
    folder_id: str
    files: int = 0

    @evolve
    def _(self, event: Filed) -> None:
        self.files += 1

    @evolve(key="folder_ids")
    def _(self, event: Tagged) -> None:
        self.files += 1


WIRING = Wiring()
WIRING.add(Folder)
WIRING.add(Filing)
(FOLD,) = [Fold(spec, WIRING.events) for spec in WIRING.specs()]
SLICES = 4
KEYS = st.sampled_from([f"F{number}" for number in range(12)])
EVENTS = st.lists(st.one_of(KEYS, st.lists(KEYS, max_size=4, unique=True)), max_size=30)


def recorded(position: int, keys: str | list[str]) -> Recorded:
    data = {"folder_id": keys} if isinstance(keys, str) else {"folder_ids": keys}
    word, stream = ("Filed", f"folder-{keys}") if isinstance(keys, str) else ("Tagged", "")
    return Recorded(position, stream, 1, word, json.dumps(data).encode(), (), b"{}", 0, "c", 0)


def touched(steps: list[Step]) -> set[tuple[str, int]]:
    return {(key, step[0].position) for step in steps for key in step[3]}


@given(EVENTS, st.lists(st.integers(0, 30), min_size=SLICES, max_size=SLICES), st.integers(0, 4))
def test_shares_take_each_event_once_unless_their_slice_is_beyond_it(
    keys: list[str | list[str]], positions: list[int], border: int
) -> None:
    events = [recorded(position, some) for position, some in enumerate(keys, 1)]
    marks = {number: Mark(position) for number, position in enumerate(positions)}
    shares = [
        Share(SLICES, {n: mark for n, mark in marks.items() if n < border}),
        Share(SLICES, {n: mark for n, mark in marks.items() if n >= border}),
    ]
    taken = [touched(ParkingFold(FOLD, Parking(share)).read(events)) for share in shares]
    assert not taken[0] & taken[1]
    assert taken[0] | taken[1] == {
        (key, position)
        for key, position in touched(FOLD.read(events))
        if any(share.takes(key, position) for share in shares)
    }
