"""`whence doctor`: is everything well, and if not, what is to be done?"""

import platform
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version

from whence.app import App
from whence.cli.config import safe
from whence.cli.exits import DONE, PROBLEM, message_of
from whence.cli.output import Output
from whence.cli.parameters import Given
from whence.cli.session import Session, existing
from whence.cli.text import clean_lines, plural
from whence.envelope import Recorded
from whence.errors import CodecError, UnknownType, WhenceError
from whence.health import Finding, Level
from whence.status import Status
from whence.store import ALL
from whence.subscriptions import Subscription

_SHOWN: dict[Level, tuple[str, str]] = {
    "fine": ("ok  ", "green"),
    "note": ("note", "yellow"),
    "problem": ("FAIL", "bold red"),
}


async def doctor(*, session: Given) -> int:
    """Look whether all is well: settings, application, store, every event, every read model.

    It changes nothing. The exit code is 9 if there is a problem; a note is none.
    """
    found: list[Finding] = []
    async for finding in _examine(session):
        found.append(finding)
        if not session.output.json:
            _print(finding, session.output)
    problems = sum(finding.level == "problem" for finding in found)
    if session.output.json:
        session.output.document({"ok": not problems, "findings": found})
    else:
        session.output.note(plural(problems, "problem") if problems else "all is well")
    return PROBLEM if problems else DONE


async def _examine(session: Session) -> AsyncIterator[Finding]:
    yield Finding("versions", "fine", f"whence {version('whence')}, {_python()}")
    try:
        chosen = session.settings()
    except WhenceError as error:
        yield _trouble("settings", error)
        return
    app: App | None = None
    try:
        app = session.load()
        chosen = session.settings(app)
    except WhenceError as error:
        yield _trouble("application", error)
    else:
        yield Finding("application", "fine", _parts(app))
    for setting in map(safe, chosen.values()):
        yield Finding("setting", "fine", f"{setting.name} = {setting.value} ({setting.source})")
    if "store" in chosen:
        whole = True
        async for finding in _store(chosen["store"].value):
            whole = whole and finding.level != "problem"
            yield finding
        if app is not None and whole:
            async for finding in _contents(app, session.output):
                yield finding


async def _store(url: str) -> AsyncIterator[Finding]:
    try:
        opened = existing(url)
        await opened.open()
    except WhenceError as error:
        yield _trouble("store", error)
        return
    try:
        yield Finding("store", "fine", "it opens")
        for finding in await opened.examine():
            yield finding
    finally:
        await opened.close()


async def _contents(app: App, output: Output) -> AsyncIterator[Finding]:
    """What is in the store and the read models, as the application sees it."""
    try:
        async with app.using(projecting=False) as opened:
            for finding in await _events(opened, output):
                yield finding
            for finding in await _read_models(opened):
                yield finding
    except WhenceError as error:
        yield _trouble("read models", error)


async def _events(app: App, output: Output) -> list[Finding]:
    """Whether the application can read every event."""
    store, decode = app.running.store, app.wiring.events.decode
    tally, read = _Tally(), 0
    with output.progress("events", await store.head()) as advance:
        async for page in store.read(ALL):
            for event in page.events:
                tally.add(event, decode)
            advance(page.scanned - read)
            read = page.scanned
    return tally.findings()


@dataclass(slots=True)
class _Tally:
    """Which types of events can be read, and which cannot."""

    counts: Counter[str] = field(default_factory=Counter[str])
    wrong: dict[str, tuple[int, CodecError]] = field(
        default_factory=dict[str, tuple[int, CodecError]]
    )
    """How many of a type, and what is wrong with the first."""

    def add(self, event: Recorded, decode: Callable[[Recorded], object]) -> None:
        """Count one more."""
        self.counts[event.type] += 1
        try:
            decode(event)
        except CodecError as error:
            times, first = self.wrong.get(event.type, (0, error))
            self.wrong[event.type] = (times + 1, first)

    def findings(self) -> list[Finding]:
        """What was found."""
        types = len(self.counts) - len(self.wrong)
        readable = self.counts.total() - sum(times for times, _ in self.wrong.values())
        says = f"{plural(readable, 'event')} of {plural(types, 'type')} readable"
        fine = [Finding("events", "fine", says)] if types or not self.wrong else []
        return fine + [self._finding(kind, *found) for kind, found in self.wrong.items()]

    def _finding(self, kind: str, times: int, first: CodecError) -> Finding:
        why = "unknown" if isinstance(first, UnknownType) else "undecodable"
        says = f"{plural(times, 'event')} of type {kind!r}, {why}; the first: {first}"
        remedy = "read models stand still before the first one until a class reads it"
        return Finding("events", "problem", says, remedy)


async def _read_models(app: App) -> list[Finding]:
    followed = app.running.reads.subscriptions.by_name.values()
    return [await _read_model(subscription) for subscription in followed]


async def _read_model(subscription: Subscription) -> Finding:
    standing, name = await subscription.subscriber.standing(), f"read model {subscription.name}"
    if standing is None:
        return Finding(name, "note", "not made yet", "`whence worker` or any `read` makes it")
    if standing.wanted != "running":
        remedy = f"`whence projections resume {subscription.name}` lets it go on"
        return Finding(name, "note", f"is {standing.wanted}", remedy)
    if standing.shape != subscription.subscriber.shape:
        return Finding(
            name,
            "note",
            "made by other code than this",
            f"it is rebuilt when it is next projected, or by `whence rebuild {subscription.name}`",
        )
    if missing := await subscription.subscriber.missing():
        says = f"its table {', '.join(missing)} is gone: somebody has dropped it"
        remedy = f"`whence rebuild {subscription.name}` makes it anew"
        return Finding(name, "problem", says, remedy)
    return _followed(await subscription.status())


def _followed(status: Status) -> Finding:
    name = f"read model {status.name}"
    if status.position > status.head:
        says = f"has seen position {status.position:,}, but the log ends at {status.head:,}"
        remedy = "the store was restored or replaced: delete the database of the read models"
        return Finding(name, "problem", says, remedy)
    if status.error is not None:
        says = f"stands still at position {status.position:,}: {status.error}"
        return Finding(name, "problem", says, "mend what it says; it then goes on by itself")
    if status.parked:
        says = f"{plural(status.parked, 'key')} parked: an event could not be handled"
        return Finding(name, "problem", says, "`whence dead list` says which, and why")
    if status.lag:
        says = f"at position {status.position:,}, {status.lag:,} behind"
        return Finding(name, "note", says, "`whence worker` keeps it up to date")
    return Finding(name, "fine", f"up to date at position {status.position:,}")


def _trouble(name: str, error: WhenceError) -> Finding:
    return Finding(name, "problem", message_of(error))


def _parts(app: App) -> str:
    wiring = app.wiring
    counts = (
        plural(len(wiring.behaviours), "aggregate"),
        plural(len(wiring.commands.messages), "command"),
        plural(len(wiring.models), "read model"),
    )
    return f"{app.name}: {', '.join(counts)}"


def _python() -> str:
    return f"Python {platform.python_version()} on {platform.system()} {platform.release()}"


def _print(finding: Finding, output: Output) -> None:
    for says in _lines(finding):
        output.say(*says)


def _lines(finding: Finding) -> Iterator[tuple[str | tuple[str, str], ...]]:
    label, style = _SHOWN[finding.level]
    yield (label, style), f"  {finding.name}: ", clean_lines(finding.says)
    if finding.remedy and finding.level != "fine":
        yield (f"      -> {finding.remedy}",)
