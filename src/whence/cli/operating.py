"""`whence projections` and what can be done with one: pause it, resume it, retire it and more."""

from collections.abc import Awaitable, Callable

from cyclopts import App

from whence.cli.parameters import Count, Flag, Given
from whence.cli.projections import projections
from whence.cli.session import Session
from whence.operations import Operations
from whence.status import State

app = App(
    name="projections",
    help="See how far each read model and projection has come; pause, resume and retire them.",
    help_epilogue="",
    usage="Usage: whence projections [OPTIONS], or whence projections COMMAND NAME\n",
)
app.default(projections)


@app.command
async def pause(name: str, /, *, session: Given) -> None:
    """Let it stand still in every process, until it is resumed."""
    await _do(session, name, "paused", lambda all: all.pause(name))


@app.command
async def resume(name: str, /, *, session: Given) -> None:
    """Let it go on where it stood still, also if it was retired."""
    await _do(session, name, "resumed", lambda all: all.resume(name))


@app.command
async def retire(name: str, /, *, drop: Flag = False, session: Given) -> None:
    """Stop it for good.

    Parameters
    ----------
    name
        Which one.
    drop
        Drop what it has made, too.
    """
    await _do(session, name, "retired", lambda all: all.retire(name, drop=drop))


@app.command
async def rewind(name: str, position: Count, /, *, session: Given) -> None:
    """Let it handle what came after a position once more.

    The rows of a read model that were touched since are folded afresh; the handlers of a
    Projection are called again, and have to bear that.

    Parameters
    ----------
    name
        Which one, as projections calls it.
    position
        A place in the log, as in 120; 0 for all of it.
    """
    await _do(session, name, f"rewound to {position}", lambda all: all.rewind(name, position))


@app.command
async def cancel(name: str, /, *, session: Given) -> None:
    """Break off a rebuild, whoever is at it."""
    await _do(session, name, "no longer rebuilt", lambda all: all.cancel(name))


@app.command
async def rollback(name: str, /, *, session: Given) -> None:
    """Go back to the table before the latest rebuild, and catch up from there."""
    state = await _do(session, name, "back to the table of before", lambda all: all.rollback(name))
    if state == "paused":
        session.output.note(
            "other code has made it, so it stands still: run that code, and then"
            f" `whence projections resume {name}`"
        )


@app.command
async def clean(name: str, /, *, session: Given) -> None:
    """Drop the table of before the latest rebuild."""
    await _do(session, name, "clean", lambda all: all.clean(name))


async def _do(
    session: Session, name: str, done: str, act: Callable[[Operations], Awaitable[None]]
) -> State:
    async with session.open() as opened:
        await act(opened.projections)
        state = (await opened.projections.status(name)).state
    if session.output.json:
        session.output.document({"name": name, "done": done, "state": state})
    else:
        session.output.say(f"{name}: {done}")
    return state
