"""Private servers beside PostgreSQL, started on free ports and thrown away afterwards."""

import shutil
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pymysql
from pymysql.connections import Connection

from whence.testing.postgres import PostgresServer
from whence.testing.servers import ServerFolder, free_port

_PATIENCE = 60.0


@contextmanager
def schemas(server: PostgresServer) -> Generator[Iterator[str]]:
    """URLs of fresh, empty stores, each a schema in one database: sooner made than another."""
    url = server.create_database()
    yield (f"{url}?schema=store{number}" for number in count())
    server.drop_database(url)


@dataclass(frozen=True)
class Mariadb:
    """A MariaDB that runs."""

    port: int
    socket: Path
    _numbers: Iterator[int] = field(default_factory=count)

    def create_database(self) -> str:
        """The URL of a new, empty database, for SQLAlchemy."""
        name = f"whence{next(self._numbers)}"
        self.run(f"create database {name} character set utf8mb4")
        return f"mysql+pymysql://whence:whence@127.0.0.1:{self.port}/{name}?charset=utf8mb4"

    def run(self, *statements: str) -> None:
        """Run statements as its owner."""
        connection: Connection = pymysql.connect(unix_socket=str(self.socket), user="root")
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        connection.close()


@contextmanager
def mariadb() -> Generator[Mariadb]:
    """A private MariaDB."""
    folder, port = ServerFolder("mariadb", "mysql"), free_port()
    options = ["--no-defaults", f"--datadir={folder.path / 'data'}"]
    folder.run(
        _program("mariadb-install-db"),
        *options,
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
    )
    server = Mariadb(port, folder.path / "socket")
    process = folder.start(
        _program("mariadbd"),
        *options,
        f"--port={port}",
        f"--socket={server.socket}",
        "--bind-address=127.0.0.1",
        "--innodb-buffer-pool-size=64M",
    )
    try:
        _until(lambda: "ready for connections" in folder.log, folder)
        server.run(
            "create user whence@'%' identified by 'whence'", "grant all on *.* to whence@'%'"
        )
        yield server
    finally:
        process.end()
        folder.remove()


@contextmanager
def redis_server() -> Generator[str]:
    """A private Redis that keeps what it is told; its URL."""
    folder, port = ServerFolder("redis", "redis"), free_port()
    process = folder.start(
        _program("redis-server"),
        *("--port", str(port)),
        *("--bind", "127.0.0.1"),
        *("--dir", str(folder.path)),
        *("--appendonly", "yes"),
    )
    try:
        _until(lambda: "Ready to accept connections" in folder.log, folder)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.end()
        folder.remove()


def _program(name: str) -> str:
    """Where a program is; Debian keeps servers out of a plain user's sight."""
    found = shutil.which(name) or shutil.which(name, path="/usr/local/bin:/usr/sbin:/sbin")
    if found is None:
        raise RuntimeError(f"{name} is not installed: `make test` installs it")
    return found


def _until(ready: Callable[[], bool], folder: ServerFolder) -> None:
    end = time.monotonic() + _PATIENCE
    while not ready():
        if time.monotonic() > end:
            raise RuntimeError(f"it does not start:\n{folder.log}")
        time.sleep(0.02)
