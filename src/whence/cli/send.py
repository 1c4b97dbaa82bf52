"""`whence send`: a command on its way into the application."""

from whence.cli.messages import make
from whence.cli.parameters import Given, OptionalCount, Text
from whence.cli.text import plural
from whence.sending import Receipt, Sending


async def send(
    command: str,
    /,
    *fields: str,
    json_input: Text = None,
    by: str | None = None,
    id: str | None = None,
    version: OptionalCount = None,
    session: Given,
) -> None:
    """Send a command, and say where its events are.

    It does not wait for read models: `read` and `ask` do.

    Parameters
    ----------
    command
        Its name, as in WithdrawMoney.
    fields
        What it says: amount=30 as text, amounts:=[1,2] as JSON.
    json_input
        The fields as a JSON object; - reads it from the standard input.
    by
        Who sends it.
    id
        Makes it safe to repeat: what has the same id is applied at most once.
    version
        The version of the aggregate that the sender had seen: if it is not the latest, nothing
        happens but a report of what came in between.
    """
    declared = session.load()  # a command that is none shall not make a store
    message = make(declared.wiring.commands, "command", command, fields, json_input)
    async with session.open(declared, new=True) as app:
        said = {"by": by, "id": id, "version": version}
        about = Sending(**{name: value for name, value in said.items() if value is not None})  # type: ignore[typeddict-item]
        receipt = await app.send(message, **about)
    if session.output.json:
        session.output.document(receipt)
    else:
        session.output.say(*_sentence(receipt))


def _sentence(receipt: Receipt) -> list[str | tuple[str, str]]:
    if receipt.duplicate:
        done = "had been done before"
    elif receipt.events:
        done = f"done: {plural(len(receipt.events), 'event')}"
    else:
        done = "nothing to do"
    versions = [f"{stream} is at version {v}" for stream, v in receipt.versions.items()]
    return [(done, "bold green"), "; ".join([f", position {receipt.position}", *versions])]
