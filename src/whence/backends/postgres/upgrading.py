"""The schema in a database, for those who look after it: see `whence db`."""

from whence.backends.postgres import schema
from whence.backends.postgres.address import Address
from whence.backends.postgres.roles import roles_sql
from whence.migrations import SchemaStatus


class PostgresSchema:
    """The tables at ``address``, which need not be there yet."""

    def __init__(self, address: Address) -> None:
        self._address = address

    async def status(self) -> SchemaStatus:
        """See `Schema.status`."""
        found = await schema.status(self._address)
        return SchemaStatus(found.version or 0, tuple(s.name for s in schema.scripts()))

    async def sql(self, *, all: bool = False) -> str:
        """See `Schema.sql`."""
        newest = len(schema.scripts())
        nothing = schema.Status(exists=False, version=None, newest=newest)
        found = nothing if all else await schema.status(self._address)
        return schema.pending_sql(self._address, found)

    async def upgrade(self) -> tuple[str, ...]:
        """See `Schema.upgrade`."""
        return tuple(await schema.upgrade(self._address))

    def roles(self, writer: str, reader: str) -> str:
        """See `Schema.roles`."""
        return roles_sql(self._address, writer, reader)
