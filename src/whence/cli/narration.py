"""A story told step by step: to people as it happens, to programs as one document at the end."""

from typing import Any

from rich.text import Text

from whence.cli.output import Output
from whence.cli.text import clean


class Narration:
    """Tells what happens, and collects the facts of each step."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._steps: list[dict[str, Any]] = []

    def step(self, number: str, title: str) -> None:
        """A new step begins."""
        self._steps.append({"step": number, "title": title, "facts": {}})
        if not self._output.json:
            self._output.say("")
            self._output.say((f"{number:>2}  ", "bold cyan"), (title, "bold"))

    def say(self, text: str) -> None:
        """What happens, in a sentence."""
        self._print(Text(text, style="dim"))

    def show(self, text: str, *, style: str = "", **facts: Any) -> None:
        """What there is to see: values, code, events; ``facts`` are the same for programs."""
        self._steps[-1]["facts"] |= facts
        for line in text.splitlines():
            self._print(Text(clean(line), style=style))

    def document(self) -> list[dict[str, Any]]:
        """All steps with their facts."""
        return self._steps

    def _print(self, text: Text) -> None:
        if not self._output.json:
            self._output.out.print(Text("    ") + text, soft_wrap=True)
