"""The message router: every command finds its one handler here, through the pipeline."""

from collections.abc import Awaitable, Iterable
from dataclasses import dataclass, field

from whence.errors import WiringError
from whence.messages import place
from whence.pipeline import Handle, Pipeline
from whence.sending import Context, Receipt


@dataclass(slots=True)
class Bus:
    """Sends each command to the one handler of its type."""

    pipeline: Pipeline
    _handlers: dict[type, tuple[Handle, str]] = field(
        default_factory=dict[type, tuple[Handle, str]]
    )
    _routes: dict[type, Handle] = field(default_factory=dict[type, Handle])

    def register(self, command: type, handle: Handle, where: str) -> None:
        """Let ``handle``, written at ``where``, answer for ``command``.

        Raises `WiringError` if the command has a handler already.
        """
        if command in self._handlers:
            raise WiringError(
                f"{place(command)} has two handlers, at {self._handlers[command][1]} and at"
                f" {where}: a command has exactly one. Remove one"
            )
        self._handlers[command] = (handle, where)

    def start(self) -> None:
        """Put the pipeline around every handler."""
        self._routes = {
            command: self.pipeline.around(handle)
            for command, (handle, _) in self._handlers.items()
        }

    def send(self, context: Context) -> Awaitable[Receipt]:
        """Hand the command to its handler. Raises `WiringError` if nobody handles it."""
        route = self._routes.get(type(context.command))
        if route is None:
            raise unhandled(type(context.command))
        return route(context)

    @property
    def handled(self) -> Iterable[type]:
        """The commands that have a handler."""
        return self._handlers.keys()


def unhandled(command: type) -> WiringError:
    """Nobody handles ``command``: where it is, and the fix."""
    return WiringError(
        f"{place(command)} has no handler: give an aggregate a @decide for it and pass the"
        " aggregate to App, or decide it in a function with @app.decides"
    )
