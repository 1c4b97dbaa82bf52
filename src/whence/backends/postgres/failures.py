"""What PostgreSQL says, as errors of whence, and what it says about a commit's outcome.

A SQLSTATE on the first list surely rolled back and may be tried again, one on the second surely
rolled back and is reported. Whatever is on neither leaves the outcome open: it is looked up.
"""

from psycopg import Error, InterfaceError, OperationalError

from whence.errors import (
    DamagedStore,
    ForeignStore,
    ReadOnlyStore,
    StoreBusy,
    StoreError,
    StoreFull,
)

OLDEST = 14
"""The first version of PostgreSQL that whence runs on."""

BLOCKED = "55P03"
"""Somebody else holds a lock for longer than the statement was ready to wait."""

RETRIED = frozenset(
    {
        "23505",  # unique violation: the same commit twice at the same moment
        "40000",  # transaction rollback
        "40001",  # serialization failure
        "40P01",  # deadlock detected
        "53200",  # out of memory, or of lock slots: others hold too many
        "0A000",  # a cached plan does not fit any more: the schema was upgraded
        "26000",  # a prepared statement is not there: a pooler gave another connection
        BLOCKED,
    }
)

_REFUSED = (
    *("0A", "0L", "0P", "20", "21", "22", "23", "24", "25", "27", "28", "2B", "2D", "2F"),
    *("34", "38", "39", "3B", "3D", "3F", "42", "44", "53", "54", "55", "57014", "P0"),
)
"""By how a SQLSTATE begins: the statement is at fault, or the server had no room for it."""

_OTHERS = (
    "run `whence db upgrade`; if that has nothing to do, a version that was never released made"
    " them: run that one, or name another schema, ?schema=..."
)
_EXPLAINED: dict[str, tuple[type[StoreError], str]] = {
    "08001": (StoreError, "check host and port, and that the server runs"),
    "08P01": (StoreError, "if a pooler stands in between, say so: ?pooled=yes"),
    "08006": (StoreError, "the server went away: what was sent is looked up when it is back"),
    "25006": (ReadOnlyStore, "this server only reads: give the primary, a replica is no store"),
    "26000": (StoreError, "if a pooler in transaction mode stands in between, say ?pooled=yes"),
    "28000": (StoreError, "this role may not connect: check the URL, pg_hba.conf and sslmode"),
    "old": (StoreError, f"this server is too old: whence needs PostgreSQL {OLDEST} or newer"),
    "tls": (StoreError, "TLS: check sslmode, and that sslrootcert is who signed the server's"),
    "28P01": (StoreError, "check the password in the URL, in PGPASSWORD or in ~/.pgpass"),
    "3D000": (StoreError, "create the database first: createdb"),
    "3F000": (ForeignStore, "there is no schema of whence here: run `whence db upgrade`"),
    "42501": (ReadOnlyStore, "grant the rights: `whence db roles` prints how"),
    "42710": (ForeignStore, "something else is in that schema: name another, ?schema=..."),
    "42703": (ForeignStore, f"whence's tables are others here: {_OTHERS}"),
    "42883": (ForeignStore, f"whence's functions are not here: {_OTHERS}"),
    "42P01": (ForeignStore, f"whence's tables are not here: {_OTHERS}"),
    "42P07": (ForeignStore, "something else is in that schema: name another, ?schema=..."),
    "53100": (StoreFull, "make room on the server's disk, and send again: nothing is lost"),
    "53200": (StoreBusy, "the server needs more memory, or max_locks_per_transaction"),
    "53300": (StoreBusy, "allow more connections, use fewer processes, or put PgBouncer before"),
    "53400": (StoreFull, "raise the limit in the server's configuration, and send again"),
    BLOCKED: (StoreBusy, "somebody holds it for too long: `whence doctor` says who"),
    "57014": (StoreBusy, "somebody holds it up for too long: `whence doctor` says who"),
    "57P03": (StoreBusy, "the server is starting or stopping: try again in a moment"),
    "XX001": (DamagedStore, "restore a backup"),
    "XX002": (DamagedStore, "rebuild the index (reindex), or restore a backup"),
}

# The driver does not pass on the SQLSTATE of a connection that was refused: only its words.
_SAID = (
    ('parameter "idle_session_timeout"', "old"),  # which all of our connections set
    ("password authentication failed", "28P01"),
    ("no password supplied", "28P01"),
    ("no pg_hba.conf entry", "28000"),
    ("permission denied", "42501"),
    ("too many clients", "53300"),
    ("too many connections", "53300"),
    ("remaining connection slots", "53300"),
    ("is not permitted to log in", "28000"),
    ("the database system is", "57P03"),
    ('role "', "28000"),
    ("does not exist", "3D000"),
    ("certificate", "tls"),
    ("does not support SSL", "tls"),
    ("closed unexpectedly", "08006"),
    ("unsupported startup parameter", "08P01"),
    ("server closed the connection", "08006"),
    ("connection", "08001"),
    ("resolve host", "08001"),
)


def unsure(error: Error) -> bool:
    """Whether ``error`` leaves open if what was sent took effect."""
    state = error.sqlstate
    if state is None:
        return isinstance(error, OperationalError | InterfaceError)
    return not (state in RETRIED or state.startswith(_REFUSED))


def retried(error: Error) -> bool:
    """Whether the same commits may be judged again: surely nothing was stored."""
    return error.sqlstate in RETRIED and not _behind(error)


def translated(error: Error, where: str) -> StoreError:
    """``error`` as the `StoreError` that names the place and the remedy."""
    said = " ".join((error.diag.message_primary or str(error)).split()) or type(error).__name__
    kind, remedy = _EXPLAINED.get(error.sqlstate or _state(said), (StoreError, ""))
    if _behind(error):
        kind, remedy = DamagedStore, "the sequence is behind the log: `whence doctor` says more"
    made = kind(f"{where}: {said}" + (f" ({remedy})" if remedy else ""))
    made.__cause__ = error
    return made


def _behind(error: Error) -> bool:
    """Whether positions are drawn that are taken: somebody restored the log, not the sequence."""
    return error.sqlstate == "23505" and error.diag.constraint_name == "events_pkey"


def _state(said: str) -> str:
    return next((state for words, state in _SAID if words in said), "")
