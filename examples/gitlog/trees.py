"""Trees: what a repository held at any moment, as git itself would list it."""

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime

from gitlog.errors import NoSuchMoment
from gitlog.models import Commit
from gitlog.paths import unquoted
from gitlog.repositories import Repository
from gitlog.sources import Source
from whence import App
from whence.history import moment as moment_of

_HASH = re.compile(r"[0-9a-f]{4,64}", re.IGNORECASE)


async def tree_at(app: App, repository_id: str, moment: str | date | None = None) -> Repository:
    """The repository as it was at ``moment``, which is as for `commit_at`: see its ``tree``."""
    commit = await commit_at(app, repository_id, moment)
    return await app.history(Repository, repository_id).at(commit.version)


async def commit_at(app: App, repository_id: str, moment: str | date | None = None) -> Commit:
    """The latest commit at ``moment``: the beginning of a hash, a time, or None for now.

    A time is a datetime, a date (its beginning) or either as ISO 8601 text; without a zone it is
    in UTC. Raises `NoSuchMoment` if there was no commit yet, or if a hash begins like several.
    """
    if isinstance(moment, str) and _HASH.fullmatch(moment):
        found = await _begins_with(app, repository_id, moment.lower())
        if found is not None:
            return found
    return await _latest(app, repository_id, moment)


async def commit_meant(app: App, repository_id: str, source: Source, moment: str) -> Commit:
    """The commit of `commit_at`; or the one that its git repository means by ``moment``.

    So a branch, a tag, or ``HEAD~3``. Raises `NoSuchMoment` also for a commit that was not
    imported, since it is on none but other branches.
    """
    try:
        return await commit_at(app, repository_id, moment)
    except NoSuchMoment:
        named = source.commit_named(moment)
        if named is None:
            raise
    found = await _begins_with(app, repository_id, named)
    if found is None:
        raise NoSuchMoment(
            f"{moment} is the commit {named}, which is not in the first-parent history of"
            f" {repository_id}"
        )
    return found


def tree_lines(repository: Repository) -> Iterator[str]:
    """``path<TAB>mode<TAB>blob`` for all that is there, in git's order: by the path's bytes."""
    tree = repository.tree
    for path in sorted(tree, key=unquoted):
        yield f"{path}\t{tree[path].mode}\t{tree[path].blob}"


def digest(repository: Repository) -> str:
    """The SHA-256 of the tree's lines, joined with newlines."""
    return hashlib.sha256("\n".join(tree_lines(repository)).encode()).hexdigest()


async def _begins_with(app: App, repository_id: str, hash: str) -> Commit | None:
    commits = app.read(Commit).where(repository_id=repository_id).starting_with(commit=hash)
    found = await commits.limit(2)
    if len(found) > 1:
        raise NoSuchMoment(f"more than one commit of {repository_id} begins with {hash}")
    return found[0] if found else None


async def _latest(app: App, repository_id: str, moment: str | date | None) -> Commit:
    commits = app.read(Commit).where(repository_id=repository_id).order_by("-version")
    if moment is not None:
        commits = commits.where(commits.table.c.time <= _time(moment))
    found = await commits.first()
    if found is None:
        raise NoSuchMoment(
            f"{repository_id} had no commit yet" + (f" at {moment}" if moment else "")
        )
    return found


def _time(moment: str | date) -> datetime:
    try:
        return moment_of(moment).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise NoSuchMoment(
            f"{moment!r} is neither a known commit nor a time such as 2019-03-26 or"
            " 2019-03-26T09:00:00+01:00"
        ) from error
