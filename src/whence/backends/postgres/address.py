"""Where a store is: the URL, the schema in it, and how to say so without the password."""

from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from whence.errors import WiringError

_OURS = ("schema", "pooled")
_YES = ("yes", "true", "1")


@dataclass(frozen=True, slots=True)
class Address:
    """A database, and the schema in it that holds the log."""

    url: str
    """For the driver: without whence's own parameters."""
    schema: str = "whence"
    pooled: bool = False
    """Behind a pooler in transaction mode: no prepared statements, no listening."""

    @property
    def shown(self) -> str:
        """The URL as messages show it: without the password."""
        parts = urlsplit(self.url)
        who, at, host = parts.netloc.rpartition("@")
        return urlunsplit((parts.scheme, f"{who.partition(':')[0]}{at}{host}", parts.path, "", ""))

    @property
    def read_url(self) -> str:
        """The same database for SQLAlchemy."""
        return urlunsplit(urlsplit(self.url)._replace(scheme="postgresql+psycopg"))

    def sql(self, text: str) -> bytes:
        """``text``, written for the schema ``whence``, for this one."""
        if self.schema != "whence":
            text = text.replace("whence.", f"{self.schema}.")
        return text.encode()


def address(url: str) -> Address:
    """Read ``postgresql://...?schema=...&pooled=yes``. Raises `WiringError` for a bad name."""
    parts = urlsplit(url)
    given = parse_qsl(parts.query, keep_blank_values=True)
    ours = {name: value for name, value in given if name in _OURS}
    schema = ours.get("schema", "whence")
    if not (schema.isidentifier() and schema.isascii() and schema == schema.lower()):
        raise WiringError(f"{schema!r} cannot be a schema: use small letters, digits and _")
    theirs = urlencode([pair for pair in given if pair[0] not in _OURS], quote_via=quote)
    return Address(
        urlunsplit(parts._replace(query=theirs)), schema, ours.get("pooled", "no") in _YES
    )
