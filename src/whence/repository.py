"""Load, decide, append: how a command reaches the stream of its aggregate.

Within a process the commands of one stream take turns; between processes the store's condition
decides. The cache is only ever a baseline: what was decided on it counts once the store has
confirmed that nothing came in between.
"""

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Collection, Hashable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from whence.codec import Codec, unknown_type
from whence.decider import Behaviour
from whence.envelope import Recorded, id_of, payloads
from whence.errors import Invalid, Refused, Stale
from whence.forms import Decode
from whence.recording import Recorder
from whence.sending import Context, Receipt
from whence.snapshots import Snapshot, Snapshots, freeze, thaw
from whence.store import (
    MOST_CHARACTERS,
    MOST_CONFLICTING,
    EventStore,
    bare,
    check_names,
    in_stream,
)

_log = logging.getLogger("whence")


@dataclass(slots=True)
class Loaded:
    """A state, and how far into its stream it goes."""

    state: Any
    version: int = 0
    position: int = 0
    """Of the last event of the stream that it has seen."""


class Repository:
    """Runs behaviours against an event store."""

    def __init__(
        self,
        store: EventStore,
        events: Codec,
        recorder: Recorder,
        snapshots: Snapshots | None = None,
        cached: int = 1024,
    ) -> None:
        self._store, self._events, self._recorder = store, events, recorder
        self._snapshots, self._cached = snapshots, cached
        self._decoders: dict[Behaviour[Any], dict[str, Decode | None]] = {}
        self._cache: OrderedDict[str, Loaded] = OrderedDict()
        self.turns = Turns()
        self._saving: set[asyncio.Task[None]] = set()

    async def load(
        self, behaviour: Behaviour[Any], stream: str, *, snapshots: bool = True
    ) -> Loaded:
        """The aggregate as its stream says now: from a snapshot, if one fits, and the rest."""
        loaded = Loaded(behaviour.initial(id_of(stream)))
        if snapshots and behaviour.snapshot_every and self._snapshots is not None:
            saved = await self._snapshots.load(stream, behaviour.shape)
            state = None if saved is None else thaw(behaviour, id_of(stream), saved)
            if saved is not None and state is not None and await self._holds(stream, saved):
                loaded = Loaded(state, saved.version, saved.position)
        await self.catch_up(behaviour, stream, loaded)
        return loaded

    async def _holds(self, stream: str, saved: Snapshot) -> bool:
        """Whether the log has the last event that ``saved`` has seen: it may be a restored one."""
        query, before = bare(in_stream(stream)), max(saved.position - 1, 0)
        pages = self._store.read(query, after=before, limit=1)
        found = [(event.version, event.position) async for page in pages for event in page.events]
        if found == [(saved.version, saved.position)]:
            return True
        _log.warning("the snapshot of %s is passed over: the log is not the one it is of", stream)
        return False

    async def catch_up(self, behaviour: Behaviour[Any], stream: str, loaded: Loaded) -> bool:
        """Fold what the stream holds beyond ``loaded`` into it; say whether there was any."""
        before = loaded.version
        async for page in self._store.read(bare(in_stream(stream)), after=loaded.position):
            if page.events:
                loaded.state = behaviour.fold(loaded.state, self.typed(behaviour, page.events))
                last = page.events[-1]
                loaded.version, loaded.position = last.version, last.position
        behaviour.mark(loaded.state, loaded.version)
        return loaded.version != before

    def typed(self, behaviour: Behaviour[Any], events: Sequence[Recorded]) -> Iterator[Any]:
        """The events that ``behaviour`` folds, as objects. Others are not even decoded."""
        decoders = self._decoders.setdefault(behaviour, {})
        for number, (_, word, data) in enumerate(payloads(events)):
            try:
                decode = decoders[word]
            except KeyError:
                decode = decoders[word] = self._decoder(behaviour, events[number])
            if decode is not None:
                try:
                    yield decode(data)
                except (ValueError, TypeError):
                    self._events.decode(events[number])  # which says what is wrong, and where
                    raise

    def _decoder(self, behaviour: Behaviour[Any], recorded: Recorded) -> Decode | None:
        form = self._events.named(recorded.type)
        if form is None:
            raise unknown_type(recorded)
        return form.decode if form.cls in behaviour.evolvers else None

    async def handle(self, behaviour: Behaviour[Any], context: Context) -> Receipt:
        """Decide the command of ``context`` and store what happened."""
        stream = stream_of(behaviour, context)
        if not self.turns.take_now(stream):
            await self.turns.take(stream)
        try:
            return await self._decide(behaviour, stream, context)
        finally:
            self.turns.give(stream)

    async def _decide(self, behaviour: Behaviour[Any], stream: str, context: Context) -> Receipt:
        # Taken out of the cache, not lent: if anything fails from here on, it stays out.
        loaded = self._cache.pop(stream, None)
        fresh = loaded is None
        if loaded is None:
            loaded = await self.load(behaviour, stream)
        elif context.version is not None and context.version != loaded.version:
            await self.catch_up(behaviour, stream, loaded)  # to say what the sender has not seen
            fresh = True
        while True:
            decided: list[object] = []
            refusal: Exception | None = None
            try:
                loaded.state = behaviour.decide(loaded.state, context.command, decided)
            except Exception as error:
                refusal = error
            if decided and refusal is None:
                return await self._keep(behaviour, stream, loaded, decided, context)
            # An error of the code, or one after events: the state may be half changed.
            whole = not decided and (refusal is None or isinstance(refusal, Refused))
            if fresh:
                break
            # Only what is up to date may refuse, or find that there is nothing to do.
            if whole:
                await self.catch_up(behaviour, stream, loaded)
            else:
                loaded = await self.load(behaviour, stream)
            fresh = True
        if whole:
            self._remember(stream, loaded)
        if refusal is not None:
            raise refusal
        return Receipt(loaded.position, {stream: loaded.version})

    async def _keep(
        self,
        behaviour: Behaviour[Any],
        stream: str,
        loaded: Loaded,
        decided: list[object],
        context: Context,
    ) -> Receipt:
        """Store what was decided on ``loaded``, and remember the state for the next command."""
        if context.version is not None and context.version != loaded.version:
            await self.allow_stale(behaviour, stream, loaded.version, decided, context.version)
        placed = [(stream, event) for event in decided]
        receipt = await self._recorder.record(context, placed, {stream: loaded.version})
        if not receipt.duplicate:
            before, loaded.version = loaded.version, receipt.versions[stream]
            loaded.position = receipt.position
            self._remember(stream, loaded)
            every = behaviour.snapshot_every
            if every and loaded.version // every > before // every:
                self._save_snapshot(behaviour, stream, loaded)
        return receipt

    async def allow_stale(
        self,
        behaviour: Behaviour[Any],
        stream: str,
        version: int,
        decided: Iterable[object],
        seen: int,
    ) -> None:
        """Raise `Stale` unless all that the sender has not seen commutes with its own events."""
        unseen: list[Recorded] = []
        if seen < version:
            pages = self._store.read(in_stream(stream), backwards=True, limit=version - seen)
            unseen = [event async for page in pages for event in page.events][::-1]
        theirs = {form.cls for event in unseen if (form := self._events.named(event.type))}
        pairs = {(their, type(event)) for their in theirs for event in decided}
        if seen > version or not pairs <= behaviour.commuting:
            raise Stale({stream: seen}, {stream: version}, unseen[:MOST_CONFLICTING])

    def _remember(self, stream: str, loaded: Loaded) -> None:
        self._cache[stream] = loaded
        while len(self._cache) > self._cached:
            self._cache.popitem(last=False)

    def _save_snapshot(self, behaviour: Behaviour[Any], stream: str, loaded: Loaded) -> None:
        """Save a snapshot beside the work: it is a cache, and nobody waits for it."""
        snapshot = freeze(behaviour, loaded.state, loaded.version, loaded.position)
        if snapshot is not None and self._snapshots is not None:
            task = asyncio.create_task(self._snapshots.save(stream, snapshot))
            self._saving.add(task)
            task.add_done_callback(self._saved)

    def _saved(self, task: asyncio.Task[None]) -> None:
        self._saving.discard(task)
        if not task.cancelled() and (error := task.exception()):
            _log.warning("a snapshot was not saved: %s", error)

    async def close(self) -> None:
        """Wait for the commands that are under way, and for what is still being saved."""
        await self.turns.finish()
        await asyncio.gather(*self._saving, return_exceptions=True)


class Turns:
    """One command at a time for each key, such as a stream, in the order of arrival."""

    def __init__(self) -> None:
        self._queues: dict[Hashable, deque[asyncio.Future[None]] | None] = {}  # None: nobody waits

    def take_now(self, key: Hashable) -> bool:
        """Take the turn at ``key`` if nobody has it; say whether it is this caller's."""
        if key in self._queues:
            return False
        self._queues[key] = None
        return True

    async def take(self, key: Hashable) -> None:
        """Wait until it is this caller's turn at ``key``."""
        if self.take_now(key):
            return
        queue = self._queues[key]
        if queue is None:
            queue = self._queues[key] = deque()
        turn = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give(key)  # it was this caller's turn already
            raise

    def give(self, key: Hashable) -> None:
        """Let the next one at ``key`` go on."""
        queue = self._queues[key]
        while queue:  # somebody waits
            turn = queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        del self._queues[key]

    async def finish(self) -> None:
        """Wait until nobody has a turn, nor waits for one."""
        while self._queues:
            key = next(iter(self._queues))
            await self.take(key)
            self.give(key)

    @asynccontextmanager
    async def of(self, keys: Collection[Hashable]) -> AsyncGenerator[None]:
        """Take the turns at all of ``keys``, in one order for all: nobody waits in a ring."""
        taken: list[Hashable] = []
        try:
            for key in sorted(keys, key=hash):
                await self.take(key)
                taken.append(key)
            yield
        finally:
            for key in taken:
                self.give(key)


def stream_of(behaviour: Behaviour[Any], context: Context) -> str:
    """The stream that the command of ``context`` is about. Raises `Invalid` if none could be."""
    id = getattr(context.command, behaviour.id_field)
    if id is None or id == "":
        raise Invalid(context.name, {behaviour.id_field: "is empty"})
    stream = f"{behaviour.name}-{id}"
    if len(stream) > MOST_CHARACTERS or not stream.isprintable():
        try:
            check_names([stream])
        except ValueError as error:
            raise Invalid(context.name, {behaviour.id_field: str(error)}) from error
    return stream
