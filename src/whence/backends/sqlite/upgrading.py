"""The schema of a file, for those who look after it: see `whence db`."""

import asyncio
import sqlite3
from contextlib import closing
from importlib.resources import files
from pathlib import Path

from whence.backends.sqlite import schema
from whence.backends.sqlite.failures import translated
from whence.errors import WiringError
from whence.migrations import SchemaStatus


class SqliteSchema:
    """The tables in the file at ``path``, which need not be there yet."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def status(self) -> SchemaStatus:
        """See `Schema.status`."""
        return await asyncio.to_thread(self._status)

    async def sql(self, *, all: bool = False) -> str:
        """See `Schema.sql`."""
        version = 0 if all else (await self.status()).version
        scripts = schema.migrations()
        if version == len(scripts):
            return ""
        marks = (
            f"pragma application_id = {schema.APPLICATION_ID};\n"
            f"pragma user_version = {len(scripts)};\n"
        )
        return "\n".join(["begin immediate;", *scripts[version:], marks + "commit;\n"])

    async def upgrade(self) -> tuple[str, ...]:
        """See `Schema.upgrade`."""
        before = await self.status()
        await asyncio.to_thread(schema.prepare, self._path)
        return before.pending

    def roles(self, writer: str, reader: str) -> str:
        """See `Schema.roles`."""
        raise WiringError(
            f"{self._path} is a SQLite file, where there are no roles: who may write the file and"
            " its directory may do everything, others nothing"
        )

    def _status(self) -> SchemaStatus:
        if not self._path.exists():
            return SchemaStatus(0, _names())
        try:
            with closing(sqlite3.connect(self._path, isolation_level=None)) as connection:
                connection.execute("begin")  # one snapshot: others may be at it in this moment
                schema.check_owner(connection, self._path)
                version = schema.check_version(connection, self._path)
                return SchemaStatus(version, _names())
        except sqlite3.Error as error:
            raise translated(error, self._path) from error


def _names() -> tuple[str, ...]:
    scripts = [Path(s.name) for s in files(__package__ or "").joinpath("migrations").iterdir()]
    return tuple(sorted(script.stem for script in scripts if script.suffix == ".sql"))
