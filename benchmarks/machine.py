"""What was measured on: the machine, the disk, and the versions of everything."""

import os
import platform
import sqlite3
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psycopg

from whence.testing.postgres import PostgresServer

LIBRARIES = ("msgspec", "SQLAlchemy", "psycopg", "eventsourcing")


def about(folder: Path, server: PostgresServer | None = None) -> dict[str, str]:
    """The facts, for databases in ``folder``, or on ``server``."""
    return {
        "machine": f"{os.cpu_count()} x {_processor()}, {_memory()} of memory",
        "disk": f"{_file_system(folder)} ({platform.system()} {platform.release()})",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        **({"sqlite": sqlite3.sqlite_version} if server is None else _postgres(server)),
        **{name.lower(): _version(name) for name in LIBRARIES},
    }


def _postgres(server: PostgresServer) -> dict[str, str]:
    with psycopg.connect(server.url()) as connection:
        (version,) = connection.execute("show server_version").fetchall()[0]
    return {"postgresql": version}


def _processor() -> str:
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _memory() -> str:
    return f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GB"


def _file_system(folder: Path) -> str:
    """The type of the file system that ``folder`` is on: that of the longest mount point above."""
    mounts = Path("/proc/mounts")
    if not mounts.exists():
        return "unknown file system"
    fields = [line.split() for line in mounts.read_text().splitlines()]
    above = [(point, kind) for _, point, kind, *_ in fields if folder.is_relative_to(point)]
    return max(above, key=lambda mount: len(mount[0]))[1]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
