"""`whence demo`: see the whole loop work, on real commands and a real file."""

import shlex
import shutil
import sys
import tempfile
from pathlib import Path

from cyclopts import App

from whence.cli.narration import Narration
from whence.cli.session import Given, examples, reach_examples
from whence.errors import NotFound

app = App(name="demo", help="See it work: one command's way through a small bank, step by step.")


@app.default
async def demo(*, session: Given) -> None:
    """See it work: one command's way through a small bank, step by step.

    On a file of its own, which stays there to be looked into, or on --store.
    """
    if examples() is None:
        raise NotFound(
            "the examples are not installed: they are in the wheel and in the repository"
        )
    reach_examples(first=True)
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
    narration.step(">", "Now you: everything is in that file")
    for command in tour:
        narration.show(command, style="cyan")


def commands(store: str, account: str) -> list[str]:
    """What to try next, to be copied and pasted: it works on the file that was just made."""
    whence = program()
    return [
        f"export WHENCE_APP=bank:app WHENCE_STORE={shlex.quote(store)}",
        f"{whence} send DepositMoney account_id={account} amount=25 --by you",
        f"{whence} read balance",
        f"{whence} show account-{account}",
        f"{whence} --help",
    ]


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
