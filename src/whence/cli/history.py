"""`whence history`: how something came to be as it is, and what it was at any moment."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from whence.app import App
from whence.cli.exits import UsageError
from whence.cli.messages import unknown
from whence.cli.output import Output
from whence.cli.parameters import Count, Given, Pair
from whence.cli.text import cell, clean, moment, plural, shorten, to_json
from whence.decider import Behaviour
from whence.envelope import id_of
from whence.errors import NotFound
from whence.history import Changed, History, Json, Moment, Past, differences, plain_state
from whence.history import moment as time_of
from whence.store import in_stream


@dataclass(frozen=True, slots=True)
class Subject:
    """The stream whose past is asked for."""

    stream: str
    version: int
    behaviour: Behaviour[Any]
    history: History[Any]


@dataclass(frozen=True, slots=True)
class When:
    """A moment: how it was written, and what is meant."""

    text: str
    moment: Moment | None = None
    position: int | None = None

    @classmethod
    def of(cls, text: str) -> "When":
        """The moment that ``text`` means. Raises `UsageError` if it means none."""
        position = text.removeprefix("position=")
        if position.isdecimal():
            number = int(position)
            return cls(text, number) if position == text else cls(text, position=number)
        try:
            return cls(text, time_of(text))
        except ValueError as error:
            raise UsageError(
                f"{text!r} is no moment: write a version, as in 3, a time, as in 2026-11-01,"
                " or a position of the log, as in position=12"
            ) from error

    @property
    def document(self) -> Moment:
        """How programs are told."""
        return self.text if self.moment is None else self.moment

    async def state(self, subject: Subject) -> Any:
        """The state of ``subject`` at this moment."""
        return await subject.history.at(self.moment, position=self.position)


async def history(
    stream: str,
    /,
    *,
    at: str | None = None,
    diff: Pair = None,
    limit: Count = 20,
    session: Given,
) -> None:
    """Show what made an aggregate what it is: its events and what each of them changed.

    A moment is a version, as in 3, a time, as in 2026-11-01 or 2026-11-01T09:30+01:00, or a
    position of the log, as in position=12. A time without a zone is UTC.

    Parameters
    ----------
    stream
        Its stream, as in account-ACC1.
    at
        Show its state at this moment instead.
    diff
        Show what changed between these two moments instead.
    limit
        The latest so many events; 0 for all.
    """
    if at is not None and diff is not None:
        raise UsageError("--at and --diff are two questions: ask one after the other")
    async with session.open() as app:
        subject = await _subject(app, stream)
        if at is not None:
            await _at(subject, When.of(at), session.output)
        elif diff is not None:
            await _diff(subject, When.of(diff[0]), When.of(diff[1]), session.output)
        else:
            await _timeline(subject, limit, session.output)


async def _subject(app: App, stream: str) -> Subject:
    category, _, id = stream.partition("-")
    behaviours = {behaviour.name: behaviour for behaviour in app.wiring.behaviours.values()}
    if category not in behaviours or not id:
        known = sorted(f"{name}-<id>" for name in behaviours)
        raise UsageError(unknown("stream of this application", stream, known))
    pages = app.running.store.read(in_stream(stream), backwards=True, limit=1)
    last = [event async for page in pages for event in page.events]
    if not last:
        raise NotFound(f"there is no stream {stream!r}: `whence streams` lists those that are")
    past = app.history(category, id)
    return Subject(stream, last[0].version, behaviours[category], past)


async def _at(subject: Subject, when: When, output: Output) -> None:
    state = await when.state(subject)
    plain, version = plain_state(state), getattr(state, "version", None)
    if output.json:
        about = {"stream": subject.stream, "at": when.document, "version": version}
        output.document(about | {"state": plain})
        return
    _table(plain, output)
    reached = "before its first event" if version == 0 else f"version {version}"
    output.note(f"{subject.stream} at {when.text}" + ("" if version is None else f": {reached}"))


async def _diff(subject: Subject, before: When, after: When, output: Output) -> None:
    states = plain_state(await before.state(subject)), plain_state(await after.state(subject))
    changes = list(differences(*states))
    if output.json:
        about = {"stream": subject.stream, "before": before.document, "after": after.document}
        output.document(about | {"changes": changes})
        return
    rows = [(one.path, one.before, one.after) for one in changes]
    output.table(("what", f"at {before.text}", f"at {after.text}"), rows)
    output.note(plural(len(changes), "difference"))


async def _timeline(subject: Subject, limit: int, output: Output) -> None:
    first = max(subject.version - limit, 0) if limit else 0
    document: list[dict[str, Any]] = []
    state: Any = None
    async for past, changes, plain in _changes(subject, first):
        state = plain
        if output.json:
            document.append(_as_document(past, changes))
        else:
            _print(past, changes, output)
    if output.json:
        about = {"stream": subject.stream, "version": subject.version}
        output.document(about | {"events": document, "state": state})
        return
    part = f", the latest {limit} of them; --limit 0 shows all" if first else ""
    output.note(f"{subject.stream}: {plural(subject.version, 'event')}{part}")


async def _changes(subject: Subject, after: int) -> AsyncIterator[tuple[Past, list[Changed], Any]]:
    """Each event after the version ``after``, what it changed, and the state that it left."""
    behaviour = subject.behaviour
    state = behaviour.initial(id_of(subject.stream))
    before: Any = plain_state(state)
    async for past in subject.history.events():
        if past.version == after + 1:
            before = plain_state(state)
        if type(past.event) in behaviour.evolvers:
            state = behaviour.fold(state, [past.event])
        behaviour.mark(state, past.version)
        if past.version > after:
            plain = plain_state(state)
            yield past, list(differences(before, plain)), plain
            before = plain


def _print(past: Past, changes: list[Changed], output: Output) -> None:
    sender = past.about.get("by")
    output.say(
        (f"{past.version:>5}  ", "cyan"),
        (moment(past.time), "dim"),
        (f"  {clean(past.recorded.type)}", "bold"),
        (f"  by {shorten(clean(sender), 80)}" if sender else "", "dim"),
    )
    print_changes(changes, output)


def print_changes(changes: Sequence[Changed], output: Output) -> None:
    """What an event changed, in a line for each value, below the event."""
    for change in changes:
        was = "" if change.before is None else f"{cell(change.before)} -> "
        output.say(f"       {clean(change.path)}: {was}", (cell(change.after), "green"))


def _as_document(past: Past, changes: list[Changed]) -> dict[str, Any]:
    return {
        "version": past.version,
        "position": past.position,
        "time": past.time,
        "type": past.recorded.type,
        "metadata": past.about,
        "changes": changes,
    }


def _table(plain: Json, output: Output) -> None:
    if isinstance(plain, dict):
        output.table(("what", "value"), list(plain.items()))
    else:
        output.say(clean(to_json(plain)))
