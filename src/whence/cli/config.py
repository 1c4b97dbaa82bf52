"""`whence config`: what is set, and where."""

from whence.cli.parameters import Given
from whence.cli.text import without_password
from whence.config import NAMES, Setting


def config(*, session: Given) -> None:
    """Show every setting, its value and where that came from."""
    chosen = session.settings()
    if "app" in chosen:
        chosen = session.settings(session.load())
    shown = [safe(chosen[name]) if name in chosen else Setting(name, "", "") for name in NAMES]
    if session.output.json:
        session.output.document({one.name: one for one in shown if one.source})
        return
    rows = [(one.name, one.value, one.source, NAMES[one.name]) for one in shown]
    session.output.table(("setting", "value", "from", "meaning"), rows)


def safe(setting: Setting) -> Setting:
    """``setting`` as it may be shown: without a password."""
    return Setting(setting.name, without_password(setting.value), setting.source)
