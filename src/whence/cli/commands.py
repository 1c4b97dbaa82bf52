"""The commands of `whence`, and the options that all of them have."""

import asyncio
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from inspect import BoundArguments, isawaitable
from typing import Annotated, Any

from cyclopts import App, Group, Parameter

from whence.cli.exits import table
from whence.cli.output import Output, Terminal
from whence.cli.session import Session

SEE, USE, LOOK, RUN = (
    Group(name, sort_key=place)
    for place, name in enumerate(
        ("See it work", "Use an application", "Look into it", "Run it"), start=1
    )
)
EVERYWHERE = Group("Everywhere", sort_key=5)

COMMANDS: tuple[tuple[str, str, Group], ...] = (
    ("demo", "whence.cli.demo:app", SEE),
    ("send", "whence.cli.send:send", USE),
    ("read", "whence.cli.read:read", USE),
    ("ask", "whence.cli.ask:ask", USE),
    ("why", "whence.cli.why:why", USE),
    ("streams", "whence.cli.streams:streams", LOOK),
    ("show", "whence.cli.streams:show", LOOK),
    ("tail", "whence.cli.tail:tail", LOOK),
    ("history", "whence.cli.history:history", LOOK),
    ("projections", "whence.cli.operating:app", RUN),
    ("rebuild", "whence.cli.rebuild:rebuild", RUN),
    ("verify", "whence.cli.verify:verify", RUN),
    ("dead", "whence.cli.dead:app", RUN),
    ("worker", "whence.cli.worker:worker", RUN),
    ("doctor", "whence.cli.doctor:doctor", RUN),
    ("db", "whence.cli.db:app", RUN),
    ("config", "whence.cli.config:config", RUN),
)
"""Each command's name, where it is, and where the help lists it. Imported when it is used."""

_NO_EPILOGUE = ""
"""The exit codes are said once, on the first page of the help."""

ABOUT = """Commands in, events kept, answers out.

The application is named by `--app module:name`, by `WHENCE_APP`, or by `app` in `whence.toml` or
under `[tool.whence]` in `pyproject.toml`; its store likewise. The examples (`bank:app` and others)
can be named from anywhere.
"""


def build(*, all: bool = False) -> App:
    """The command line, as cyclopts sees it. ``all``: with every command imported."""
    app = App(
        name="whence",
        help=ABOUT,
        help_format="markdown",
        help_epilogue=table(),
        console=Terminal(),
        version=lambda: f"whence {version('whence')}",
    )
    app["--help"].group = app["--version"].group = EVERYWHERE
    for place, (name, path, group) in enumerate(COMMANDS):
        about = {} if path.endswith(":app") else {"help_epilogue": _NO_EPILOGUE}
        app.command(path, name=name, group=group, sort_key=place, **about)
        if all:
            app[name]
    app.meta.default(_launcher(app))
    return app


def _launcher(app: App) -> Callable[..., object]:
    def launch(
        *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
        app_: Annotated[str | None, Parameter(name="--app", group=EVERYWHERE)] = None,
        store: Annotated[str | None, Parameter(group=EVERYWHERE)] = None,
        read: Annotated[str | None, Parameter(group=EVERYWHERE)] = None,
        json: Annotated[
            bool, Parameter(negative="", show_default=False, group=EVERYWHERE)
        ] = False,
    ) -> object:
        """Run a command with what is said for all of them.

        Parameters
        ----------
        app_
            The application, as in bank:app.
        store
            The event store, as in sqlite:///bank.db.
        read
            The database of the read models; default: beside the store.
        json
            Answer in JSON, or in JSON Lines what comes one by one; errors too.
        """
        session = Session(Output(json=json), app_, store, read)
        command, bound, own = app.parse_args(tokens, exit_on_error=False, print_error=False)
        return _call(command, bound, {"session": session} if "session" in own else {})

    return launch


def _call(command: Callable[..., object], bound: BoundArguments, own: dict[str, Any]) -> object:
    answer = command(*bound.args, **bound.kwargs, **own)
    return asyncio.run(_answer(answer)) if isawaitable(answer) else answer


async def _answer(work: Awaitable[object]) -> object:
    return await work
