"""The saved history of a real project: its trees are what git says, at any moment."""

import asyncio
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

import gitlog
from gitlog.errors import NoSuchMoment
from gitlog.models import Churn, Commit, Contributor, File, Month, Overview
from gitlog.repositories import Entry, Repository
from gitlog.tests.conftest import ExpectedTree
from gitlog.trees import commit_at, digest, tree_at, tree_lines
from whence import App, ReadModel

COMMITS, CHANGES = 7_667, 32_503


@pytest.fixture(scope="module")
def imported(saved_history: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store that holds the whole history."""
    url = f"sqlite:///{tmp_path_factory.mktemp('gitlog')}/history.db"

    async def run() -> None:
        source = gitlog.open_source(saved_history)
        async with gitlog.app.using(store=url, projecting=False) as app:
            done = await gitlog.import_history(app, source, "fastapi")
            assert (done.new, done.changes) == (COMMITS, CHANGES)
        async with gitlog.app.using(store=url) as app:
            await all_projected(app, done.position)

    asyncio.run(run())
    return url


async def all_projected(app: App, position: int) -> None:
    for model in (Overview, Commit, File, Churn, Contributor, Month):
        rows = app.read(model)
        await rows.after(position, timeout=60).count()


async def files_now(app: App) -> Repository:
    """The tree as the read model of files has it."""
    repository = Repository("fastapi")
    for file in await app.read(File).where(repository_id="fastapi"):
        repository.tree[file.path] = Entry(file.mode, file.blob)
    return repository


async def assert_as_expected(app: App, trees: list[ExpectedTree]) -> None:
    """All twenty trees are what git says."""
    assert len(trees) == 20
    for expected in trees:
        repository = await tree_at(app, "fastapi", expected.commit)
        assert (repository.version, repository.head) == (expected.n, expected.commit)
        assert len(list(tree_lines(repository))) == expected.files
        assert digest(repository) == expected.sha256


async def test_every_expected_tree_is_found_by_its_commit(
    imported: str, expected_trees: list[ExpectedTree]
) -> None:
    async with gitlog.app.using(store=imported) as app:
        await assert_as_expected(app, expected_trees)


async def test_every_expected_tree_is_found_by_its_time(
    imported: str, expected_trees: list[ExpectedTree]
) -> None:
    async with gitlog.app.using(store=imported) as app:
        for expected in expected_trees:
            commit = await commit_at(app, "fastapi", expected.time)
            assert commit.time == datetime.fromisoformat(expected.time)
            assert commit.version >= expected.n  # several may bear the same second
            just_before = datetime.fromisoformat(expected.time) - timedelta(seconds=1)
            assert (await commit_at(app, "fastapi", just_before)).version < expected.n


async def test_the_beginning_of_a_hash_is_enough_if_it_is_no_other_ones(
    imported: str, expected_trees: list[ExpectedTree]
) -> None:
    expected = expected_trees[0]
    async with gitlog.app.using(store=imported) as app:
        found = await commit_at(app, "fastapi", expected.commit[:9].upper())
        assert found.commit == expected.commit
        commits = await app.read(Commit).where(repository_id="fastapi")
        beginnings = sorted(commit.commit[:4] for commit in commits)
        twice = next(a for a, b in pairwise(beginnings) if a == b)
        with pytest.raises(NoSuchMoment, match=f"more than one commit .* begins with {twice}"):
            await commit_at(app, "fastapi", twice)


async def test_a_day_is_its_beginning(imported: str) -> None:
    async with gitlog.app.using(store=imported) as app:
        found = await commit_at(app, "fastapi", "2019-03-26")
        assert found == await commit_at(app, "fastapi", date(2019, 3, 26))
        assert found.time < datetime.fromisoformat("2019-03-26T00:00:00+00:00")


async def test_a_moment_that_is_none_is_said_to_be_so(imported: str) -> None:
    async with gitlog.app.using(store=imported) as app:
        with pytest.raises(NoSuchMoment, match="had no commit yet at 2001-01-01"):
            await tree_at(app, "fastapi", "2001-01-01")
        with pytest.raises(NoSuchMoment, match="'0000000' is neither a known commit nor a time"):
            await tree_at(app, "fastapi", "0000000")
        with pytest.raises(NoSuchMoment, match="swan had no commit yet"):
            await tree_at(app, "swan")


async def test_all_trees_and_the_files_of_today_are_the_same_after_a_rebuild(
    imported: str, expected_trees: list[ExpectedTree]
) -> None:
    last = expected_trees[-1].sha256
    async with gitlog.app.using(store=imported) as app:
        assert digest(await files_now(app)) == last
        assert digest(await tree_at(app, "fastapi")) == last
        before = await everything(app)
        for model in app.wiring.models:
            await app.rebuild(model)
        assert digest(await files_now(app)) == last
        assert await everything(app) == before
        await assert_as_expected(app, expected_trees)


async def everything(app: App) -> list[list[ReadModel]]:
    """All rows of all read models."""
    keys = {model: model.__model__.key for model in app.wiring.models}
    return [await app.read(model).order_by(key) for model, key in keys.items()]


async def test_the_read_models_agree_with_each_other(imported: str) -> None:
    async with gitlog.app.using(store=imported) as app:
        overview = await app.read(Overview).get("fastapi")
        files = await app.read(File)
        churn = await app.read(Churn)
        authors = await app.read(Contributor)
        months = await app.read(Month)
    assert overview is not None
    assert (overview.commits, overview.changes, overview.version) == (COMMITS, CHANGES, COMMITS)
    assert overview.files == len(files) == sum(row.present for row in churn) == 3_139
    assert sum(row.changes for row in churn) == CHANGES
    assert sum(row.changes for row in authors) == sum(row.changes for row in months) == CHANGES
    assert sum(row.commits for row in authors) == sum(row.commits for row in months) == COMMITS


async def test_a_summary_names_the_busiest(imported: str) -> None:
    async with gitlog.app.using(store=imported) as app:
        found = await gitlog.summary(app, "fastapi", top=3)
        assert [one.repository_id for one in await gitlog.repositories(app)] == ["fastapi"]
        with pytest.raises(NoSuchMoment, match="no commit of swan"):
            await gitlog.summary(app, "swan")
    assert found.overview.commits == COMMITS
    assert found.authors == 916
    assert [one.commits for one in found.contributors] == [2253, 2237, 787]
    assert len(found.most_changed) == len(found.busiest) == 3
    assert found.most_changed[0].changes >= found.most_changed[1].changes


async def test_a_new_process_goes_on_from_a_snapshot(imported: str) -> None:
    async with gitlog.app.using(store=imported) as app:
        whole = await app.history(Repository, "fastapi").at(COMMITS)
        from_snapshot = await app.history(Repository, "fastapi").now()
    assert from_snapshot.version == whole.version
    assert from_snapshot.tree == whole.tree
