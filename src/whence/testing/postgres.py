"""A private PostgreSQL for tests: started on a free port, thrown away afterwards::

    with PrivatePostgres(max_connections=20) as server:
        url = server.create_database()

Everything is as in production, `fsync` too, so that what survives `kill` would survive there.
Under root it runs as another user, since PostgreSQL refuses root. Of the versions on the machine
it is the newest, unless WHENCE_TEST_POSTGRES_VERSION names another.
"""

import os
import re
import secrets
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from whence.testing.servers import PATIENCE, ServerFolder, ServerProcess, answer, free_port

Stopping = Literal["smart", "fast", "immediate"]

VERSION = "WHENCE_TEST_POSTGRES_VERSION"
"""The environment variable that says which of the installed versions is used."""

_SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
_USER = "postgres"
"""Runs the servers if we are root, and there is such a user."""
_USUAL_PLACES = (
    "/usr/lib/postgresql/*/bin",  # Debian
    "/usr/pgsql-*/bin",  # Red Hat
    "/opt/homebrew/opt/postgresql*/bin",
)


@dataclass(frozen=True, order=True, slots=True)
class Installation:
    """One PostgreSQL that is installed on this machine."""

    version: int
    bin: Path


def installations() -> list[Installation]:
    """All that can be run here, the newest first."""
    folders = [Path(place) for place in os.environ.get("PATH", "").split(os.pathsep) if place]
    if config := shutil.which("pg_config"):
        folders += [Path(line) for line in answer(config, "--bindir", user=_USER).splitlines()]
    for pattern in _USUAL_PLACES:
        folders += Path("/").glob(pattern.lstrip("/"))
    places = {(folder / "initdb").resolve().parent for folder in folders}
    return sorted(filter(None, map(installed_in, places)), reverse=True)


def installed_in(place: Path) -> Installation | None:
    """What is in that folder; None if there is no server that can be run."""
    programs = [place / name for name in ("initdb", "postgres")]
    if not all(os.access(program, os.X_OK) for program in programs):
        return None
    said = answer(str(place / "postgres"), "--version", user=_USER)
    version = re.search(r"\d+", said)
    return Installation(int(version[0]), place) if version else None


def chosen() -> Installation:
    """The newest, or what WHENCE_TEST_POSTGRES_VERSION says: ``oldest``, or a version."""
    found = installations()
    if not found:
        raise RuntimeError(
            "PostgreSQL is not installed: there is no initdb in PATH, nor where pg_config points,"
            f" nor in {', '.join(_USUAL_PLACES)}."
            " On Debian and Ubuntu: sudo apt-get install postgresql"
        )
    wanted = os.environ.get(VERSION) or "newest"
    named = {"newest": found[0], "oldest": found[-1]}
    named |= {str(each.version): each for each in reversed(found)}
    if wanted not in named:
        raise LookupError(f"{VERSION} says {wanted!r}, which is none of {', '.join(named)}")
    return named[wanted]


_EMPTY = b"""
do $$
declare
    name text;
begin
    perform pg_terminate_backend(pid, 10000) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid();
    for name in select nspname from pg_namespace
                where nspname !~ '^pg_' and nspname <> 'information_schema' loop
        execute format('drop schema %I cascade', name);
    end loop;
    create schema public;
    execute format('alter database %I reset all', current_database());
end
$$
"""


class PostgresServer:
    """A server that runs, where databases are made and dropped; ``url`` is an administrator's."""

    def __init__(self, url: str) -> None:
        self._url = url

    def url(self, database: str | None = None) -> str:
        """The URL of a database there; without a name, of the one for administrators."""
        if database is None:
            return self._url
        parts = urlsplit(self._url)
        query = f"?{parts.query}" if parts.query else ""
        return f"postgresql://{parts.netloc}/{database}{query}"

    def create_database(self, template: str = "template1") -> str:
        """The URL of a fresh database, a copy of ``template``."""
        name = f"whence_{secrets.token_hex(6)}"
        self.execute(f'create database "{name}" template "{template}"')
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Drop a database, by its URL; who is connected to it is thrown out."""
        name = urlsplit(url).path.lstrip("/")
        self.execute(f'drop database if exists "{name}" with (force)')

    def empty_database(self, url: str) -> None:
        """Drop everything in a database, which is quicker than to drop it and make another."""
        import psycopg

        prepared = "select gid from pg_prepared_xacts where database = current_database()"
        with psycopg.connect(url, autocommit=True) as connection:
            for (name,) in connection.execute(prepared).fetchall():
                connection.execute(f"rollback prepared '{name}'".encode())
            connection.execute(_EMPTY)

    def execute(self, statement: str) -> None:
        """Run one statement as the administrator."""
        import psycopg

        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement.encode())


class PrivatePostgres(PostgresServer):
    """A server of our own in a temporary folder; settings of `postgresql.conf` are keywords."""

    def __init__(self, installation: Installation | None = None, **settings: object) -> None:
        self.installation = installation or chosen()
        self.settings = settings
        """Of `postgresql.conf`; a change counts from the next start."""
        self.port = 0
        self._password = secrets.token_hex(8)
        self._folder = ServerFolder("postgres", user=_USER)
        self._process: ServerProcess | None = None
        super().__init__("")

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()

    def url(self, database: str | None = None) -> str:
        """The URL of a database, as the administrator."""
        name = "postgres" if database is None else database
        return f"postgresql://postgres:{self._password}@127.0.0.1:{self.port}/{name}"

    @property
    def environment(self) -> dict[str, str]:
        """What says the same to PostgreSQL's own programs: PGHOST and so on."""
        return {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": "postgres",
            "PGPASSWORD": self._password,
        }

    @property
    def data(self) -> Path:
        """The data folder, with `pg_hba.conf` and what else belongs to the cluster."""
        return self._folder.path / "data"

    @property
    def pid(self) -> int | None:
        """The id of the first process; None while the server is down."""
        return self._process.pid if self._process else None

    @property
    def log(self) -> str:
        """All that the server has logged."""
        return self._folder.log

    def write(self, name: str, text: str) -> None:
        """Put a file into the data folder, such as `pg_hba.conf` or a key for TLS."""
        self._folder.write(self.data / name, text)

    def start(self) -> None:
        """Start, and return when connections are accepted. Data and port stay what they were."""
        if not self.data.exists():
            self._initialise()
        before = self.log
        for _ in range(1 if self.port else 5):  # a free port may be taken before we take it
            if self._launch(self.port or free_port()):
                return
            if "could not bind" not in self.log.removeprefix(before):
                break
        raise RuntimeError(f"PostgreSQL did not start. It says:\n{self.log.removeprefix(before)}")

    def stop(self, mode: Stopping = "fast") -> None:
        """As ``pg_ctl stop --mode``: wait for the clients, throw them out, or do not tidy up."""
        self._end(_SIGNALS[mode])

    def restart(self, mode: Stopping = "fast") -> None:
        """Stop and start, on the same port."""
        self.stop(mode)
        self.start()

    def kill(self) -> None:
        """SIGKILL to the first process; returns when the others have noticed and are gone."""
        self._end(signal.SIGKILL)

    def remove(self) -> None:
        """Stop, if it runs, and delete everything."""
        if self._process is not None:
            self._end(signal.SIGQUIT)
        self._folder.remove()

    def _initialise(self) -> None:
        secret = self._folder.write("password", self._password)
        self._folder.run(
            str(self.installation.bin / "initdb"),
            f"--pgdata={self.data}",
            "--username=postgres",
            f"--pwfile={secret}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        )
        secret.unlink()

    def _launch(self, port: int) -> bool:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": self._folder.path,
            **self.settings,
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        program = str(self.installation.bin / "postgres")
        self._process = self._folder.start(program, "-D", str(self.data), *options)
        until = time.monotonic() + PATIENCE
        while self._process.running and time.monotonic() < until:
            if self._ready(self._process.pid):
                self.port = port
                return True
            time.sleep(0.01)
        self._end(signal.SIGQUIT)
        return False

    def _ready(self, pid: int) -> bool:
        """As ``pg_ctl`` finds out: the server writes it into a file, beneath its own id."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > 7 and int(lines[0]) == pid and lines[7].strip() == "ready"

    def _end(self, number: int) -> None:
        if self._process is None:
            raise RuntimeError("this server is not running: start it first")
        self._process.end(number)
        self._process = None
