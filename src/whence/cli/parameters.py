"""Kinds of parameters that several commands have."""

from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from whence.cli.session import Session

Given = Annotated[Session, Parameter(parse=False)]
"""What was said for every command: handed over, not written after the command."""

_COUNT = Parameter(validator=Number(gte=0, lt=2**63))

Count = Annotated[int, _COUNT]
"""A version, a position or a number of things."""

OptionalCount = Annotated[int | None, _COUNT]
"""The same, or nothing said."""

Text = Annotated[str | None, Parameter(allow_leading_hyphen=True)]
"""What may begin with a minus, or nothing said."""

Pair = Annotated[tuple[str, str] | None, Parameter(negative="")]
"""Two of them, or nothing said."""

Flag = Annotated[bool, Parameter(negative="", show_default=False)]
"""Said or not said."""

Many = Annotated[tuple[str, ...], Parameter(negative="", show_default=False)]
"""May be said several times."""

Ordered = Annotated[
    tuple[str, ...], Parameter(negative="", show_default=False, allow_leading_hyphen=True)
]
"""Columns, of which some may start with a minus."""
