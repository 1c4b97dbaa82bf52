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

Stop = tuple[str, list[str]]
"""What there is to try, and the commands."""

app = App(
    name="demo",
    help="See it work: one command's way through a small bank, step by step.",
    help_epilogue="",
    usage="Usage: whence demo [OPTIONS], or whence demo git [OPTIONS] PATH\n",
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
        output.say(("whence", "bold cyan"), ": commands in, events kept, answers out.")
        output.say(f"One command on its way through a small bank, whose store is {store}")
    async with bank.using(store=store, read=session.read, projecting=True) as opened:
        account = await tell(opened, narration)
    stops = tour(store, session.read, account)
    if output.json:
        commands = [command for _, commands in stops for command in commands]
        about = {"store": store, "account": account}
        output.document({**about, "steps": narration.document(), "next": commands})
        return
    narration.step(">", "Now you. Copy, paste, change; all of it works on what was just stored")
    for says, commands in stops:
        narration.say(says)
        for command in commands:
            narration.show(f"  {command}", style="cyan")


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
        Print the tree as of this commit or time, or of what git calls v1.0 or HEAD~3, and nothing
        else: a line of path, mode and blob, separated by tabs, for each file.
    """
    _reach()
    from whence.cli.gitlog import import_git

    await import_git(path, tree, session.store, session.read, session.output)


def tour(store: str, read: str | None, account: str) -> list[Stop]:
    """What to try next, to be copied and pasted: it works on what was just stored."""
    whence = program()
    everything = ("All commands; each has its own --help:", [f"{whence} --help"])
    if store.startswith("memory:"):
        return [("That store is forgotten already.", []), everything]
    named = {"WHENCE_APP": "bank:app", "WHENCE_STORE": store, "WHENCE_READ": read}
    settings = [f"{name}={shlex.quote(value)}" for name, value in named.items() if value]
    return [
        ("Which application is meant, and which store:", [f"export {' '.join(settings)}"]),
        (
            "Send commands; the domain refuses the first:",
            [
                f"{whence} send WithdrawMoney account_id={account} amount=1000 --by you",
                f"{whence} send DepositMoney account_id={account} amount=25 --by you",
            ],
        ),
        (
            "Ask what is; for programs, in JSON:",
            [f"{whence} read balance", f"{whence} ask FindAccounts owner=al --json"],
        ),
        (
            "Whence does it come? And what was it at version 2?",
            [
                f"{whence} history account-{account}",
                f"{whence} history account-{account} --at 2",
            ],
        ),
        (
            "Look at the log (-f goes on: send from a second shell), and whether all is well:",
            [f"{whence} tail", f"{whence} doctor"],
        ),
        *_real_input(whence, store),
        everything,
        *_more_to_read(),
    ]


def _real_input(whence: str, store: str) -> list[Stop]:
    found = examples()
    history = found / "gitlog" / "data" / "history.jsonl.gz" if found else None
    if history is None or not history.exists():
        return []
    command = f"{whence} demo git {shlex.quote(_near(history))}"
    if store.startswith("sqlite:"):
        command += f" --store {shlex.quote(store.removesuffix('.db') + '-gitlog.db')}"
    says = "Real input: every commit of a real project, then its tree as it was one day:"
    return [(says, [command, f"{command} --tree 2020-02-29 | head"])]


def _more_to_read() -> list[Stop]:
    found = examples()
    if found is None or not (found.parent / "README.md").exists():
        return []
    return [("Then read README.md, and the tutorial in docs/tutorial/index.md.", [])]


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
