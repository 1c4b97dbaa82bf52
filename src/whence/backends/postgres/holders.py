"""Who holds others up: readers who wait for an append to end, appends that wait for a lock."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from whence.backends.postgres.connecting import Row

Ask = Callable[[str], Awaitable[list[Row]]]
"""Runs a question, written for the schema ``whence``."""

# Prepared transactions, by what their locks have in common.
_PREPARED = """
with prepared as (
    select t.virtualtransaction, p.gid, p.owner, p.prepared
    from pg_locks t join pg_prepared_xacts p on p.transaction = t.transactionid
    where t.locktype = 'transactionid' and t.granted and t.pid is null
)
"""

# Appends that have drawn, or may yet draw, a position: nobody reads beyond the first of them.
_DELIVERY = f"""
{_PREPARED}
select a.pid, a.usename, a.application_name, host(a.client_addr), a.state,
       left(regexp_replace(a.query, '\\s+', ' ', 'g'), 200),
       extract(epoch from clock_timestamp() - coalesce(a.xact_start, p.prepared))::float8,
       p.gid, p.owner
from pg_locks l
left join pg_stat_activity a on a.pid = l.pid
left join prepared p on l.pid is null and p.virtualtransaction = l.virtualtransaction
where l.locktype = 'advisory' and l.objsubid = 1 and l.granted
  and l.classid::bigint >> 8 = whence.epoch_of(0) >> 40
  and l.database = (select oid from pg_database where datname = current_database())
order by coalesce(a.xact_start, p.prepared)
"""

# Those who have a lock that an append waits for, and how long the oldest of these has waited.
_APPENDS = f"""
{_PREPARED}
select a.pid, a.usename, a.application_name, host(a.client_addr), a.state,
       left(regexp_replace(a.query, '\\s+', ' ', 'g'), 200), held.waited, p.gid, p.owner
from (select h.pid, h.virtualtransaction,
             max(extract(epoch from clock_timestamp() - w.waitstart)::float8) as waited
      from pg_locks w
      join pg_locks h on h.locktype = 'advisory' and h.granted
          and (h.database, h.classid, h.objid, h.objsubid)
              = (w.database, w.classid, w.objid, w.objsubid)
      where w.locktype = 'advisory' and w.objsubid = 1 and not w.granted
        and w.classid::bigint >> 24 = 67
        and w.database = (select oid from pg_database where datname = current_database())
      group by h.pid, h.virtualtransaction) held
left join pg_stat_activity a on a.pid = held.pid
left join prepared p on held.pid is null and p.virtualtransaction = held.virtualtransaction
order by held.waited desc
"""


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody who holds others up."""

    pid: int | None
    """Of the server's process; none for a prepared transaction."""
    user: str
    application: str
    address: str
    state: str
    query: str
    seconds: float
    """How long that has lasted."""
    prepared: str | None = None
    """The name of the prepared transaction."""

    @property
    def name(self) -> str:
        """Which one it is."""
        if self.prepared is not None:
            return f"the prepared transaction {self.prepared!r} of {self.user}"
        return f"process {self.pid} of {self.user}"

    @property
    def labels(self) -> dict[str, str]:
        """Which one it is, for a metric."""
        return {
            "holder": self.name,
            "application": self.application,
            "state": self.state,
            "query": self.query,
        }

    def __str__(self) -> str:
        if self.prepared is not None:
            return f"{self.name}, {self.age}"
        named = f" ({self.application})" if self.application else ""
        place = f"@{self.address}" if self.address else ""
        return f"{self.name}{place}{named}, {self.state}, {self.age}: {self.query}"

    @property
    def age(self) -> str:
        """How long, in words."""
        return f"for {self.seconds:,.1f} s"

    @property
    def remedy(self) -> str:
        """How to put an end to it."""
        if self.prepared is not None:
            name = self.prepared.replace("'", "''")
            return f"commit prepared '{name}', or rollback prepared '{name}'"
        return f"end that transaction, or select pg_terminate_backend({self.pid})"


async def holding_delivery(ask: Ask) -> list[Holder]:
    """Who keeps readers from going on, the longest first."""
    return await _holders(ask, _DELIVERY)


async def holding_appends(ask: Ask) -> list[Holder]:
    """Who keeps appends waiting, the longest first."""
    return await _holders(ask, _APPENDS)


async def _holders(ask: Ask, question: str) -> list[Holder]:
    found: list[Holder] = []
    for row in await ask(question):
        pid, user, application, address, state, query, seconds, prepared, owner = row
        found.append(
            Holder(
                pid,
                str(user or owner or "somebody"),
                application or "",
                address or "",
                state or "",
                query or "",
                seconds or 0.0,
                prepared,
            )
        )
    return found
