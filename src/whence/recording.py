"""What was decided becomes a commit, and the commit's outcome a receipt."""

from collections.abc import Mapping, Sequence

import msgspec

from whence.clock import Clock
from whence.codec import Codec
from whence.envelope import NewEvent, to_micros
from whence.errors import Conflict, Invalid, StoreError, Unknown, Unstorable
from whence.sending import Context, Receipt, find_receipt
from whence.store import Appended, Commit, EventQuery, EventStore

_encode = msgspec.json.Encoder().encode


class Metadata(msgspec.Struct, omit_defaults=True, gc=False):
    """What is stored beside every event: by which command, who sent it, and what caused it."""

    command: str
    by: str | None = None
    correlation: str | None = None
    causation: str | None = None


class Recorder:
    """Stores the events of one decision, all or none."""

    def __init__(self, store: EventStore, events: Codec, clock: Clock) -> None:
        self._store, self._events, self._clock = store, events, clock

    async def record(
        self,
        context: Context,
        decided: Sequence[tuple[str, object]],
        expected: Mapping[str, int],
        unless: EventQuery | None = None,
        after: int = 0,
    ) -> Receipt:
        """Store ``decided`` (each a stream and an event) under the condition of a `Commit`.

        The commit's id is the command's, so that nothing is stored twice. Raises `Conflict`,
        `Unknown`, `StoreError`, `Unstorable`, or `Invalid` for what makes names and tags that
        no store could keep.
        """
        about = Metadata(context.name, context.by, context.correlation, context.causation)
        metadata, micros = _encode(about), to_micros(self._clock.now())
        events = [self._new(stream, event, metadata, micros) for stream, event in decided]
        try:
            commit = Commit(context.id, events, expected, unless, after)
        except ValueError as error:
            raise Invalid(context.name, {"message": str(error)}) from error
        try:
            outcome = (await self._store.append((commit,)))[0]
        except ValueError as error:  # larger than the database can keep
            raise Unstorable(f"what {context.name} leads to cannot be stored: {error}") from error
        if isinstance(outcome, Appended) and not outcome.duplicate:
            return _receipt(commit, outcome)
        return await self._unusual(outcome, context)

    def _new(self, stream: str, event: object, metadata: bytes, micros: int) -> NewEvent:
        form = self._events.form(type(event))
        data, tags = form.keep(event), form.tags(event)
        return NewEvent(form.word, data, stream, tags, metadata, micros)

    async def _unusual(self, outcome: Appended | Conflict | Unknown, context: Context) -> Receipt:
        if isinstance(outcome, Conflict):
            raise outcome
        try:
            found = await find_receipt(self._store, context)
        except StoreError as error:
            raise Unknown(context.id, f"{error}") from error
        if found is None:
            raise outcome if isinstance(outcome, Unknown) else Unknown(context.id)
        if not context.repeatable:
            return msgspec.structs.replace(found, duplicate=False)  # nobody else has this id
        return found


def _receipt(commit: Commit, stored: Appended) -> Receipt:
    ids = tuple([f"{commit.id}.{ordinal}" for ordinal in range(len(commit.events))])
    return Receipt(stored.position, stored.versions, ids)
