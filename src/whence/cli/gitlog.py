"""`whence demo git`: real input. Any git repository goes in by commits; answers come out."""

from typing import Any

from gitlog import (
    Imported,
    Source,
    Summary,
    commit_meant,
    import_history,
    open_source,
    summary,
    tree_at,
    tree_lines,
)
from gitlog import app as gitlog
from gitlog.errors import NoHistory, NoSuchMoment
from whence.app import App
from whence.cli.catching_up import catch_up
from whence.cli.output import Output
from whence.cli.text import clean, plural, without_password
from whence.errors import NotFound, Rejected
from whence.plain import to_builtins


async def import_git(
    path: str, tree: str | None, store: str | None, read: str | None, output: Output
) -> None:
    """Import what ``path`` holds, then show a summary, or the ``tree`` of a commit or time."""
    store = store or f"sqlite:///{gitlog.name}.db"
    try:
        source = open_source(path)
        if not source.total:
            raise NotFound(f"{path} has no commits yet: there is nothing to import")
        async with gitlog.using(store=store, read=read, projecting=False) as app:
            imported = await _import(app, source, output)
            if tree is None:
                await _summary(app, imported, store, output)
            else:
                await _tree(app, imported.repository_id, source, tree, output)
    except (NoHistory, NoSuchMoment) as error:
        raise NotFound(str(error)) from error
    except Rejected as error:
        error.add_note(
            f"{without_password(store)} holds another history of that name: name another store"
            " with --store"
        )
        raise


async def _import(app: App, source: Source, output: Output) -> Imported:
    with output.progress(f"commits of {source.name}", source.total) as advance:
        imported = await import_history(app, source, progress=lambda done, total: advance(1))
    known = imported.commits - imported.new
    before = f", {known:,} known before" if known else ""
    new = f"{plural(imported.new, 'new commit')} with {plural(imported.changes, 'change')}"
    output.note(f"{new}{before}")
    return imported


async def _tree(app: App, repository_id: str, source: Source, moment: str, output: Output) -> None:
    await catch_up(app, ["commits"], output)
    commit = await commit_meant(app, repository_id, source, moment)
    repository = await tree_at(app, repository_id, commit.commit)
    if output.json:
        parts = (line.split("\t") for line in tree_lines(repository))
        files = [{"path": path, "mode": mode, "blob": blob} for path, mode, blob in parts]
        about = {"repository": repository_id, "commit": commit.commit, "time": commit.time}
        output.document({**about, "version": commit.version, "files": files})
        return
    for line in tree_lines(repository):
        output.text("\t".join(map(clean, line.split("\t"))) if output.out.is_terminal else line)
    output.note(f"{plural(len(repository.tree), 'file')} at {commit.commit}, {commit.time}")


async def _summary(app: App, imported: Imported, store: str, output: Output) -> None:
    await catch_up(app, list(app.running.reads.subscriptions.by_name), output)
    found = await summary(app, imported.repository_id)
    if output.json:
        about: dict[str, Any] = {"store": store, "imported": to_builtins(imported)}
        output.document(about | {"summary": to_builtins(found)})
        return
    _print(found, output)


def _print(found: Summary, output: Output) -> None:
    whole = found.overview
    output.say(
        (clean(whole.repository_id), "bold"),
        f": {plural(whole.commits, 'commit')} by {plural(found.authors, 'author')},"
        f" {whole.changes:,} changes, {plural(whole.files, 'file')} now;"
        f" {whole.first:%Y-%m-%d} to {whole.last:%Y-%m-%d}",
    )
    output.say("")
    rows = [(row.path, row.changes, "" if row.present else "gone") for row in found.most_changed]
    output.table(("changed most", "changes", ""), rows)
    output.say("")
    people = [(row.author, row.commits, row.changes) for row in found.contributors]
    output.table(("author", "commits", "changes"), people)
    output.say("")
    months = [(row.month, row.commits, row.changes) for row in found.busiest]
    output.table(("busiest month", "commits", "changes"), months)
