"""Kinds of parameters that several commands have."""

from typing import Annotated

from cyclopts import Parameter

from whence.cli.session import Session

Given = Annotated[Session, Parameter(parse=False)]
"""What was said for every command: handed over, not written after the command."""

Flag = Annotated[bool, Parameter(negative="", show_default=False)]
"""Said or not said."""

Many = Annotated[tuple[str, ...], Parameter(negative="", show_default=False)]
"""May be said several times."""

Ordered = Annotated[
    tuple[str, ...], Parameter(negative="", show_default=False, allow_leading_hyphen=True)
]
"""Columns, of which some may start with a minus."""
