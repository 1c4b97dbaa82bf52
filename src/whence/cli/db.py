"""`whence db`: the store's tables, for those who look after the database."""

from cyclopts import App

from whence.backends import backend
from whence.cli.exits import DONE, PROBLEM
from whence.cli.parameters import Flag, Given
from whence.cli.session import Session
from whence.cli.text import plural, without_password
from whence.errors import WiringError
from whence.migrations import Schema

app = App(
    name="db",
    help="The store's tables: bring them up to date, or see what that would do.",
    help_epilogue="",
)


@app.command
async def status(*, session: Given) -> int:
    """Show which migrations were run. It changes nothing.

    The exit code is 9 if some are pending.
    """
    found = await _schema(session).status()
    pending = found.pending
    if session.output.json:
        done = found.migrations[: found.version]
        session.output.document({"version": found.version, "done": done, "pending": pending})
    else:
        rows = [(name, "pending" if name in pending else "done") for name in found.migrations]
        session.output.table(("migration", "state"), rows)
        if pending:
            session.output.note(
                "`whence db upgrade` runs what is pending, `whence db sql` shows it"
            )
    return PROBLEM if pending else DONE


@app.command
async def upgrade(*, session: Given) -> None:
    """Run the migrations that are pending, all or none of them.

    Older processes may go on meanwhile; several upgrades at once are safe, too.
    """
    ran = await _schema(session).upgrade()
    if session.output.json:
        session.output.document({"ran": ran})
        return
    for name in ran:
        session.output.say(("ran ", "green"), name)
    session.output.note(f"ran {plural(len(ran), 'migration')}" if ran else "nothing was pending")


@app.command
async def sql(*, all: Flag = False, session: Given) -> None:
    """Print the SQL of the migrations that are pending, to be read or run by hand.

    Parameters
    ----------
    all
        Those that were run as well, as for an empty database. This one is not looked into.
    """
    text = await _schema(session).sql(all=all)
    if session.output.json:
        session.output.document({"sql": text})
    elif text:
        session.output.text(text.rstrip("\n"))
    else:
        session.output.note("nothing is pending")


@app.command
def roles(*, writer: str = "whence_writer", reader: str = "whence_reader", session: Given) -> None:
    """Print the SQL that makes two roles with no more rights than they need.

    Run it as the owner of the tables, again after each upgrade; the roles get no password by it.

    Parameters
    ----------
    writer
        The application's: it appends and projects, but changes and deletes no event.
    reader
        For those who only look.
    """
    text = _schema(session).roles(writer, reader)
    if session.output.json:
        session.output.document({"sql": text})
    else:
        session.output.text(text.rstrip("\n"))


def _schema(session: Session) -> Schema:
    url = session.store_url()
    schema = backend(url).schema
    if schema is None:
        raise WiringError(f"{without_password(url)} has no tables: name another store")
    return schema
