"""What the fields of commands may hold, so that nonsense is refused before anybody decides."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta

AtLeastOne = Annotated[int, Meta(ge=1)]
SomeNames = Annotated[list[str], Meta(min_length=1)]
Moment = Annotated[datetime, Meta(tz=True)]
"""On the wall clock of the restaurant, with its time zone."""
