"""Reading a saved history: a line of JSON for every commit, oldest first, perhaps gzipped.

``{"commit": ..., "time": ..., "author": ..., "subject": ..., "changes": [{"status": "A",
"path": ..., "mode": ..., "blob": ...}, ...]}``; the subject may be left out.
"""

import gzip
import zlib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

from gitlog.commits import Change, Moment, RecordCommit, Status
from gitlog.errors import NoHistory


class _Line(msgspec.Struct):
    """A commit, as it is saved."""

    commit: str
    time: Moment
    author: str
    changes: list["_Change"]
    subject: str = ""


class _Change(msgspec.Struct):
    status: Status
    path: str
    mode: str = ""
    blob: str = ""


def is_saved(file: Path) -> bool:
    """Whether ``file`` is called like a saved history."""
    return file.name.endswith((".jsonl", ".jsonl.gz"))


def count(file: Path) -> int:
    """How many commits were saved."""
    return sum(1 for _ in _lines(file))


def history(file: Path, repository_id: str) -> Generator[RecordCommit, None, None]:
    """The commits of ``file``. Raises `NoHistory`, naming the line, at one that is no commit."""
    decode = msgspec.json.Decoder(_Line).decode
    parent = ""
    for number, text in enumerate(_lines(file), 1):
        try:
            line = decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise NoHistory(f"{file}, line {number}: {error}") from error
        changes = {change.path: _change(change) for change in line.changes}
        if len(changes) != len(line.changes):
            raise NoHistory(f"{file}, line {number}: commit {line.commit} names a path twice")
        yield RecordCommit(
            repository_id, line.commit, parent, line.time, line.author, changes, line.subject
        )
        parent = line.commit


def _change(saved: _Change) -> Change:
    if saved.status == "D":
        return Change("D")
    return Change(saved.status, saved.mode, saved.blob)


def _lines(file: Path) -> Iterator[bytes]:
    """The lines that are not empty. Raises `NoHistory` if the file cannot be read."""
    try:
        with _opened(file) as stream:
            yield from (line for line in stream if line.strip())
    except (OSError, EOFError, zlib.error) as error:
        raise NoHistory(f"{file}: {error}") from error


def _opened(file: Path) -> BinaryIO:
    if file.suffix == ".gz":
        return cast(BinaryIO, gzip.open(file, "rb"))
    return file.open("rb")
