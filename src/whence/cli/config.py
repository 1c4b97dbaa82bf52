"""`whence config`: what is set, and where."""

from whence.cli.session import Given, Session
from whence.cli.text import without_password
from whence.config import NAMES, Setting


def config(*, session: Given) -> None:
    """Show every setting, its value and where that came from."""
    chosen = resolved(session)
    output = session.output
    if output.json:
        output.document(chosen)
        return
    rows = [
        (name, chosen[name].value, chosen[name].source) if name in chosen else (name, None, None)
        for name in NAMES
    ]
    output.table(("setting", "value", "from", "meaning"), [(*row, NAMES[row[0]]) for row in rows])


def resolved(session: Session) -> dict[str, Setting]:
    """The settings that hold: those of the application too, if one is named."""
    chosen = session.settings()
    own = session.load().settings() if "app" in chosen else {}
    return {
        name: Setting(name, without_password(setting.value), setting.source)
        for name, setting in (own | chosen).items()
    }
