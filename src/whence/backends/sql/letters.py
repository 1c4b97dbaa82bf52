"""The dead letters of what follows the log in a database. See `whence.letters`."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Connection

from whence.backends.sql.database import ReadDatabase
from whence.backends.sql.dead import Letter
from whence.backends.sql.following import SqlFollower
from whence.envelope import Recorded, from_micros
from whence.errors import NotFound, WhenceError
from whence.folds import NOTHING
from whence.letters import DeadEvent, DeadKey, Retried, Skip
from whence.parking import Parking
from whence.slices import Mark, Share, name_of, slice_of
from whence.store import ALL, EventStore

Result = TypeVar("Result")

_STREAM = "stream:"


@dataclass(slots=True)
class Waiting(Share):
    """What waits under one key, as the share of a walk that handles nothing else."""

    key: str = ""
    places: Collection[tuple[int, int]] = field(default_factory=frozenset[tuple[int, int]])
    """The slices and positions of what waits."""

    def takes(self, key: Any, position: int) -> bool:
        """See `Share.takes`."""
        mine = self.key.startswith(_STREAM) or name_of(key) == self.key
        return mine and (slice_of(key, self.slices), position) in self.places

    def taking(self, position: int) -> list[int]:
        """See `Share.taking`."""
        return [number for number, place in self.places if place == position]


class _Dry(Exception):
    """Nothing shall be kept."""

    def __init__(self, result: Retried) -> None:
        super().__init__()
        self.result = result


class SqlLetters:
    """Of one projection."""

    def __init__(
        self, follower: SqlFollower, beside: SqlFollower | None, store: EventStore
    ) -> None:
        self._follower, self._beside = follower, beside
        self._database: ReadDatabase = follower.database
        self._store = store

    async def keys(self) -> Sequence[DeadKey]:
        """See `Letters.keys`."""
        name = self._follower.name
        letters = await self._database.read(lambda c: self._database.dead.load(c, name))
        found: dict[str, list[Letter]] = {}
        for letter in letters:
            found.setdefault(letter.key, []).append(letter)
        return [_described(name, of_key) for of_key in found.values()]

    async def events(self, key: str) -> Sequence[DeadEvent]:
        """See `Letters.events`."""
        name = self._follower.name
        letters = await self._database.read(lambda c: self._database.dead.load(c, name, key))
        self._check(letters, key)
        errors = {letter.position: letter.error for letter in letters}
        return [DeadEvent(one, errors[one.position]) for one in await self._at(errors)]

    async def retry(self, key: str, *, dry: bool = False) -> Retried:
        """See `Letters.retry`."""
        loop = asyncio.get_running_loop()

        def retry(connection: Connection) -> Retried:
            result = self._again(connection, loop, self._follower, key)
            if dry:
                raise _Dry(result)
            return result

        try:
            return await self._database.write(retry)
        except _Dry as tried:
            return tried.result

    async def skip(self, key: str, reason: str, by: str) -> Retried:
        """See `Letters.skip`."""
        if not reason.strip() or not by.strip():
            raise ValueError("leaving an event out needs a reason, and the name of who decides it")
        loop = asyncio.get_running_loop()
        return await self._database.write(lambda c: self._skip(c, loop, key, reason, by))

    async def skipped(self) -> Sequence[Skip]:
        """See `Letters.skipped`."""
        name = self._follower.of
        rows = await self._database.read(lambda c: self._database.dead.skips(c, name))
        return [Skip(name, *row[:-1], from_micros(row[-1])) for row in rows]

    def _skip(
        self,
        connection: Connection,
        loop: asyncio.AbstractEventLoop,
        key: str,
        reason: str,
        by: str,
    ) -> Retried:
        dead, name = self._database.dead, self._follower.of
        letters = self._held(connection, self._follower, key)
        dead.skip(connection, name, letters[0], reason, by, self._database.now())
        if self._beside is not None:  # what is built beside must leave it out as well
            self._database.checkpoints.touch_all(connection, self._beside.name)
            if dead.load(connection, self._beside.name, key):
                self._again(connection, loop, self._beside, key)
        return self._again(connection, loop, self._follower, key)

    def _again(
        self,
        connection: Connection,
        loop: asyncio.AbstractEventLoop,
        follower: SqlFollower,
        key: str,
    ) -> Retried:
        """Handle what waits, as if it came now; what fails is parked again."""
        letters = self._held(connection, follower, key)
        reading = asyncio.run_coroutine_threadsafe(self._at({x.position for x in letters}), loop)
        parking = self._parking(connection, follower, letters)
        dead = self._database.dead
        dead.remove(connection, follower.name, letters)
        follower.handle(connection, reading.result(), parking)
        dead.add(connection, follower.name, parking.added, self._database.now(), letters)
        positions = {letter.position for letter in letters}
        left = {one.position for one in parking.added if one.key == key}
        error = next((one.error for one in parking.added if one.error is not None), None)
        return Retried(follower.of, key, len(positions - left), len(left), error)

    def _held(self, connection: Connection, follower: SqlFollower, key: str) -> list[Letter]:
        """What waits under ``key``. Nothing is added before the end of the transaction."""
        dead, name = self._database.dead, follower.name
        letters = dead.load(connection, name, key)
        self._check(letters, key)
        self._database.checkpoints.touch(connection, name, {one.slice for one in letters})
        letters = dead.load(connection, name, key)
        self._check(letters, key)
        return letters

    def _parking(
        self, connection: Connection, follower: SqlFollower, letters: Sequence[Letter]
    ) -> Parking:
        flags = self._database.registry.flags(connection, follower.name, follower.of)
        if flags is None or flags.record.shape != follower.shape:
            raise WhenceError(
                f"{follower.of} was made by other code than this: run that code, or rebuild it"
            )
        key = letters[0].key
        places = frozenset((one.slice, one.position) for one in letters)
        share = Waiting(
            flags.record.slices, {one.slice: Mark(0) for one in letters}, {}, key, places
        )
        held = [x for x in self._database.dead.held(connection, follower.name) if x[1] != key]
        skipped = self._database.dead.skipped(connection, follower.of)
        return Parking(share, held, skipped if flags.skipped else NOTHING)

    async def _at(self, positions: Collection[int]) -> list[Recorded]:
        """The events at ``positions``, in order."""
        wanted, found = sorted(positions), list[Recorded]()
        while wanted:
            scanned = wanted[0]
            async for page in self._store.read(ALL, after=wanted[0] - 1, limit=len(wanted)):
                found += [event for event in page.events if event.position in positions]
                scanned = max(scanned, *(event.position for event in page.events), 0)
            wanted = [position for position in wanted if position > scanned]
        return found

    def _check(self, letters: Sequence[Letter], key: str) -> None:
        if not letters:
            raise NotFound(f"nothing of {self._follower.of} waits under {key!r}")


def _described(name: str, letters: Sequence[Letter]) -> DeadKey:
    first = next((one for one in letters if one.error is not None), letters[0])
    positions = {letter.position for letter in letters}
    return DeadKey(
        name,
        first.key,
        len(positions),
        min(positions),
        first.error or "",
        first.attempts,
        from_micros(first.parked_at),
        from_micros(first.tried_at),
    )
