"""Is the database well: durable, of the right schema, reachable, and does nobody hold it up?"""

from collections.abc import Awaitable, Callable

from psycopg import Error

from whence.backends.postgres.address import Address
from whence.backends.postgres.connecting import Row, closed, connect
from whence.backends.postgres.failures import translated
from whence.backends.postgres.holders import Ask, Holder, holding_appends, holding_delivery
from whence.backends.postgres.schema import scripts
from whence.health import Finding, Level

_SOON, _LONG = 1.0, 10.0
"""Seconds. Who holds others up for so long is worth a note, and needs somebody."""
_FEW = 5
"""Connections. With less than this left, the next process may find none."""
_MUCH = 1_000_000_000
"""Bytes of log that a replication slot keeps for somebody who does not fetch it."""

_SERVER = """
select current_setting('server_version'), current_database(), current_user,
       pg_size_pretty(pg_database_size(current_database())),
       (select count(*) from pg_stat_ssl where pid = pg_backend_pid() and ssl)
"""
_SCHEMA = """
select (select max(number) from whence.migrations), (select max(position) from whence.events),
       (select last_value from whence.positions)
"""
_DURABILITY = """
select current_setting('fsync'), current_setting('full_page_writes'),
       (select reset_val from pg_settings where name = 'synchronous_commit'),
       current_setting('synchronous_standby_names'),
       (select count(*) from pg_stat_replication where sync_state in ('sync', 'quorum'))
"""
_CONNECTIONS = """
select (select count(*) from pg_stat_activity where backend_type = 'client backend'),
       current_setting('max_connections')::int
           - current_setting('superuser_reserved_connections')::int
           - coalesce(current_setting('reserved_connections', true)::int, 0), -- since 16
       (select count(*) from pg_stat_activity
        where application_name like 'whence %' and datname = current_database())
"""
_REPLICATION = """
select (select count(*) from pg_stat_replication),
       (select max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn))::float8
        from pg_stat_replication),
       (select string_agg(slot_name, ', ') from pg_replication_slots where not active),
       (select max(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn))::float8
        from pg_replication_slots where not active)
"""


async def examine(address: Address) -> list[Finding]:
    """Look, on a connection of its own; nothing is changed."""
    connection = await connect(address, "whence doctor")

    async def ask(question: str) -> list[Row]:
        return await (await connection.execute(address.sql(question))).fetchall()

    looks: dict[str, Callable[[Ask], Awaitable[Finding]]] = {
        "server": _server,
        "schema": _schema,
        "durability": _durability,
        "delivery": _delivery,
        "appends": _appends,
        "connections": _connections,
        "replication": _replication,
    }
    found: list[Finding] = []
    try:
        for name, look in looks.items():
            try:
                found.append(await look(ask))
            except Error as error:
                found.append(Finding(name, "problem", str(translated(error, address.shown))))
    finally:
        await closed(connection)
    return found


async def _only(ask: Ask, question: str) -> Row:
    (row,) = await ask(question)
    return row


async def _server(ask: Ask) -> Finding:
    release, database, user, size, encrypted = await _only(ask, _SERVER)
    how = "over TLS" if encrypted else "not encrypted"
    return Finding("server", "fine", f"PostgreSQL {release}, {database} ({size}), {user}, {how}")


async def _schema(ask: Ask) -> Finding:
    version, last, drawn = await _only(ask, _SCHEMA)
    says = f"version {version} of {scripts()[-1].number}; the log ends at position {last or 0}"
    if last is not None and drawn < last:
        remedy = "stop all that writes, and set the sequence of positions to the end of the log"
        return Finding("schema", "problem", f"{says}, the sequence only at {drawn}", remedy)
    return Finding("schema", "fine", says)


async def _durability(ask: Ask) -> Finding:
    fsync, pages, commit, standbys, connected = await _only(ask, _DURABILITY)
    says = f"fsync={fsync}, full_page_writes={pages}, synchronous_commit={commit}"
    if "off" in (fsync, pages):
        remedy = "turn it on in postgresql.conf, and take a new backup"
        return Finding("durability", "problem", f"{says}: a crash may destroy all", remedy)
    if standbys and not connected:
        says += f", but none of the standbys {standbys} is connected: every commit waits for one"
        remedy = "bring the standby back, or empty synchronous_standby_names"
        return Finding("durability", "problem", says, remedy)
    if commit == "off":
        return Finding("durability", "note", f"{says}: appends turn it on, read models do not")
    return Finding("durability", "fine", f"{says}: what is acknowledged is on the disk")


async def _delivery(ask: Ask) -> Finding:
    (mark,) = await _only(ask, "select whence.watermark()")
    held = await holding_delivery(ask)
    trouble = f"events after position {mark} are not delivered because of"
    return _held("delivery", held, f"events are delivered up to position {mark}", trouble)


async def _appends(ask: Ask) -> Finding:
    held = await holding_appends(ask)
    return _held("appends", held, "no append waits", "appends wait for")


def _held(name: str, held: list[Holder], fine: str, trouble: str) -> Finding:
    lasting = [holder for holder in held if holder.seconds >= _SOON]
    if not lasting:
        return Finding(name, "fine", f"{fine}, nobody holds up others")
    worst = lasting[0]
    level: Level = "problem" if worst.seconds >= _LONG else "note"
    others = f"; and {len(lasting) - 1} more" if len(lasting) > 1 else ""
    return Finding(name, level, f"{trouble} {worst}{others}", worst.remedy)


async def _connections(ask: Ask) -> Finding:
    used, most, ours = await _only(ask, _CONNECTIONS)
    says = f"{used} of {most} connections in use, {ours} by whence on this database"
    if most - used < _FEW:
        remedy = "raise max_connections, lower ?pool= of the URL, or put PgBouncer in between"
        return Finding("connections", "problem", says, remedy)
    return Finding("connections", "fine", says)


async def _replication(ask: Ask) -> Finding:
    standbys, behind, idle, kept = await _only(ask, _REPLICATION)
    says = f"{standbys} standbys" if standbys else "no standby"
    if standbys and behind is not None:
        says += f", the last of them {behind / 1e6:,.1f} MB behind"
    if idle:
        says += f"; nobody uses the slots {idle}, for which {(kept or 0) / 1e6:,.0f} MB are kept"
        level: Level = "problem" if (kept or 0) > _MUCH else "note"
        return Finding("replication", level, says, "connect who uses them, or drop them")
    return Finding("replication", "fine", says)
