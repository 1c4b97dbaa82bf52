"""`whence demo`: see the whole loop work, on real commands and a real file."""

import shlex
import shutil
import sys
import tempfile
from pathlib import Path

from cyclopts import App

from whence.cli.narration import Narration
from whence.cli.parameters import Given
from whence.cli.session import examples, reach_examples
from whence.errors import NotFound

app = App(
    name="demo",
    help="See it work: one command's way through a small bank, step by step.",
    help_epilogue="",
)


@app.default
async def demo(*, session: Given) -> None:
    """See it work: one command's way through a small bank, step by step.

    On a file of its own, which stays there to be looked into, or on --store.
    """
    _reach()
    from bank import app as bank
    from whence.cli.story import tell

    store = session.store or f"sqlite:///{tempfile.mkdtemp(prefix='whence-demo-')}/bank.db"
    output = session.output
    narration = Narration(output)
    if not output.json:
        output.say(("whence", "bold cyan"), f": commands in, events kept, answers out. On {store}")
    async with bank.using(store=store, read=session.read, projecting=True) as opened:
        account = await tell(opened, narration)
    tour = commands(store, account)
    if output.json:
        about = {"store": store, "account": account}
        output.document({**about, "steps": narration.document(), "next": tour})
        return
    narration.step(">", "Now you: everything is in that file. Copy, paste, change")
    for command in tour:
        narration.show(command, style="cyan")


@app.command
async def git(path: str, /, *, tree: str | None = None, session: Given) -> None:
    """Real input: import a git repository, and ask what it held at any moment.

    One command per commit of its first-parent history goes through the bus. A second run goes on
    where the first one stopped. The events are kept in gitlog.db, or in --store.

    Parameters
    ----------
    path
        A git repository, or a saved history (.jsonl or .jsonl.gz).
    tree
        Print the tree as of this commit or time, and nothing else: a line of path, mode and blob,
        separated by tabs, for each file.
    """
    _reach()
    from whence.cli.gitlog import import_git

    await import_git(path, tree, session.store, session.read, session.output)


def commands(store: str, account: str) -> list[str]:
    """What to try next, to be copied and pasted: it works on the file that was just made."""
    whence = program()
    tour = [
        f"export WHENCE_APP=bank:app WHENCE_STORE={shlex.quote(store)}",
        f"{whence} send WithdrawMoney account_id={account} amount=1000 --by you",
        f"{whence} send DepositMoney account_id={account} amount=25 --by you",
        f"{whence} read balance",
        f"{whence} history account-{account}",
        f"{whence} history account-{account} --at 2",
        f"{whence} ask FindAccounts owner=al --json",
        f"{whence} tail",
        f"{whence} doctor",
    ]
    found = examples()
    packaged = found / "gitlog" / "data" / "history.jsonl.gz" if found else None
    if packaged is not None and packaged.exists():
        kept = shlex.quote(f"{store.removesuffix('bank.db')}gitlog.db")
        data = shlex.quote(_near(packaged))
        tour.append(f"{whence} demo git {data} --store {kept}")
        tour.append(f"{whence} demo git {data} --store {kept} --tree 2020-02-29 | head")
    return [*tour, f"{whence} --help"]


def program() -> str:
    """How this program is called from here."""
    own = Path(sys.argv[0])
    found = shutil.which("whence")
    if found is not None and own.name == "whence" and Path(found).resolve() == own.resolve():
        return "whence"
    if own.name == "whence" and own.exists():
        return shlex.quote(_near(own))
    return f"{shlex.quote(sys.executable)} -m whence"


def _near(path: Path) -> str:
    """``path`` from here, if it lies below; else in full."""
    full, here = path.absolute(), Path.cwd()
    return str(full.relative_to(here)) if full.is_relative_to(here) else str(full)


def _reach() -> None:
    if examples() is None:
        raise NotFound(
            "the examples are not here: they are in the wheel and in the repository of whence"
        )
    reach_examples(first=True)
