"""What is said for every command: which application, on which store, answering how."""

import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from whence.app import App, load
from whence.backends import Backend, backend
from whence.cli.exits import UsageError, message_of
from whence.cli.output import Output
from whence.cli.text import without_password
from whence.config import Setting, settings
from whence.errors import Behind, CodecError, HandlerFailed, NotFound, WhenceError
from whence.store import EventStore


@dataclass(frozen=True, slots=True)
class Session:
    """The options that every command has, and what they lead to."""

    output: Output
    app: str | None = None
    store: str | None = None
    read: str | None = None

    def settings(self, app: App | None = None) -> dict[str, Setting]:
        """Every setting that holds, for ``app`` if it is known already, and where it was made."""
        said = {"app": self.app, "store": self.store, "read": self.read}
        given = {name: Setting(name, value, f"--{name}") for name, value in said.items() if value}
        return (settings() if app is None else app.settings()) | given

    def load(self) -> App:
        """The application that is meant, on the store that is meant."""
        chosen = self.settings()
        if "app" not in chosen:
            raise UsageError(
                "which application? Say --app module:name, set WHENCE_APP, or write"
                ' app = "module:name" in whence.toml or under [tool.whence] in pyproject.toml'
            )
        reach_examples()
        app = _imported(chosen["app"].value)
        return app.using(store=self.store, read=self.read)

    @asynccontextmanager
    async def open(
        self, app: App | None = None, *, projecting: bool = False, new: bool = False
    ) -> AsyncGenerator[App]:
        """The application, open. ``new``: a store that is not there yet is made."""
        app = (app or self.load()).using(projecting=projecting)
        store = app.settings().get("store")
        if store is not None and not new:
            existing(store.value)
        with _naming(store):
            async with app:
                yield app

    def store_url(self) -> str:
        """Where the store is: no application is needed if a store is named."""
        chosen = self.settings()
        if self.store is None and "app" in chosen:
            chosen = self.load().settings()
        if "store" not in chosen:
            raise UsageError("which store? Say --store URL, or name an application with --app")
        return chosen["store"].value

    @asynccontextmanager
    async def events(self) -> AsyncGenerator[EventStore]:
        """The store alone, open."""
        opened = existing(self.store_url())
        await opened.open()
        try:
            yield opened.store
        finally:
            await opened.close()


def _imported(spec: str) -> App:
    """The application that ``spec`` names. Raises `UsageError` if it cannot be imported."""
    module, _, name = spec.partition(":")
    if module.endswith(".py") or "/" in module:
        dotted = module.removesuffix(".py").strip("./").replace("/", ".")
        raise UsageError(f"{spec!r} is a file: name the module, as in {dotted}:{name or 'app'}")
    if not all(part.isidentifier() for part in (*module.split("."), name)):
        raise UsageError(f"{spec!r} names no application: write module:name, as in bank:app")
    try:
        return load(spec)
    except WhenceError as error:
        if isinstance(error.__cause__, ModuleNotFoundError):
            error.add_note(f"You are in {Path.cwd()}: is {module} in another folder?")
        raise
    except Exception as error:
        raise UsageError(
            f"{module} cannot be imported: {message_of(error)}{_run_when_imported(error)}"
        ) from error


def _run_when_imported(error: Exception) -> str:
    """What to do if ``error`` comes from a module that runs itself while it is imported."""
    if not isinstance(error, RuntimeError) or "running event loop" not in str(error):
        return ""
    return '\nIt runs when it is imported: put that under `if __name__ == "__main__":`'


@contextmanager
def _naming(store: Setting | None) -> Generator[None]:
    """Let an error about what is stored say where that is."""
    try:
        yield
    except (CodecError, HandlerFailed, Behind) as error:
        if store is not None:
            error.add_note(f"The store is {without_password(store.value)}.")
        raise


def existing(url: str) -> Backend:
    """The backend that ``url`` names. Raises `NotFound` if only opening it would make it."""
    found = backend(url)
    if not found.exists():
        raise NotFound(
            f"there is no store at {without_password(url)} yet: the first `whence send` makes it."
            " If you mean another one, name it with --store"
        )
    return found


def examples() -> Path | None:
    """The folder of the examples: inside the package, or beside ``src`` in a checkout."""
    package = Path(__file__).parents[1]
    places = (package / "examples", package.parents[1] / "examples")
    return next((place for place in places if (place / "bank").is_dir()), None)


def reach_examples(*, first: bool = False) -> None:
    """Let the examples be imported, unless (or even if) something nearer has their name."""
    found = examples()
    if found is not None and (first or str(found) not in sys.path):
        sys.path.insert(0 if first else len(sys.path), str(found))
