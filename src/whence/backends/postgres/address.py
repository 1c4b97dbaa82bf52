"""Where a store is: the URL, the schema in it, and how to say so without the password."""

from dataclasses import dataclass
from urllib.parse import unquote

from whence.errors import WiringError

_OURS = ("schema", "pooled", "pool")
_YES = ("yes", "true", "1")
_FEWEST = 4
"""Connections: one to read, two to write, and one to hear of news."""


@dataclass(frozen=True, slots=True)
class Address:
    """A database, and the schema in it that holds the log."""

    url: str
    """For the driver: without whence's own parameters."""
    schema: str = "whence"
    pooled: bool = False
    """Behind a pooler in transaction mode: no prepared statements, no listening."""
    pool: int | None = None
    """At most so many connections of a process."""

    @property
    def shown(self) -> str:
        """The URL as messages show it: without the password."""
        scheme, who, hosts, path, _ = _parts(self.url)
        return f"{scheme}://{who.partition(':')[0]}{'@' if who else ''}{hosts}{path}"

    @property
    def read_url(self) -> str:
        """The same database for SQLAlchemy."""
        _, who, hosts, path, query = _parts(self.url)
        query = [pair.replace("+", "%2B") for pair in query]  # for libpq a plus is a plus
        if "," in hosts:  # several: SQLAlchemy wants them one by one
            query += [f"host={host}" for host in hosts.split(",")]
            hosts = ""
        query += ["pooled=yes"] if self.pooled else []
        query += [f"pool={self.pool}"] if self.pool else []
        return f"postgresql+psycopg://{who}{'@' if who else ''}{hosts}{path}{_query(query)}"

    def sql(self, text: str) -> bytes:
        """``text``, written for the schema ``whence``, for this one."""
        if self.schema != "whence":
            text = text.replace("whence.", f"{self.schema}.")
        return text.encode()


def address(url: str) -> Address:
    """Read ``postgresql://...?schema=bank&pooled=yes&pool=10``.

    Raises `WiringError` for what they cannot be.
    """
    bare, _, query = url.partition("?")
    given = [pair.partition("=") for pair in query.split("&") if pair]
    ours = {name: unquote(value) for name, _, value in given if name in _OURS}
    theirs = ["".join(pair) for pair in given if pair[0] not in _OURS]
    schema = ours.get("schema", "whence")
    if not (schema.isidentifier() and schema.isascii() and schema == schema.lower()):
        raise WiringError(f"{schema!r} cannot be a schema: use small letters, digits and _")
    pooled = ours.get("pooled", "no") in _YES
    return Address(bare + _query(theirs), schema, pooled, _number(ours.get("pool")))


def _number(said: str | None) -> int | None:
    if said is None:
        return None
    if not (said.isdecimal() and int(said) >= _FEWEST):
        raise WiringError(f"?pool={said}: say a number of connections, {_FEWEST} or more")
    return int(said)


def _parts(url: str) -> tuple[str, str, str, str, list[str]]:
    """Scheme, user and password, hosts, path, and query.

    By hand: in ``postgresql:///bank`` the standard library loses the slashes.
    """
    scheme, _, rest = url.partition("://")
    place, _, query = rest.partition("?")
    authority, slash, database = place.partition("/")
    who, _, hosts = authority.rpartition("@")
    return scheme, who, hosts, slash + database, query.split("&") if query else []


def _query(pairs: list[str]) -> str:
    return f"?{'&'.join(pairs)}" if pairs else ""
