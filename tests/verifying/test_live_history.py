"""A real history is rebuilt by new code while it is asked about, and while it goes on."""

import asyncio
from itertools import islice
from pathlib import Path

import pytest

import gitlog
from gitlog.commits import CommitRecorded, RecordCommit
from gitlog.models import Contributor, by_author
from gitlog.repositories import Repository
from whence import App, evolve
from whence.backends.sql.building import NextTable

HISTORY = Path(gitlog.__file__).parent / "data" / "history.jsonl.gz"
BEFORE, MEANWHILE = 200, 100


class Backwards(Contributor, name="contributors", revision=2):
    """Other code with the same columns, whose rows nobody takes for those of the old code."""

    @evolve(key=by_author)
    def _(self, event: CommitRecorded) -> None:
        self.author = event.author
        self.commits -= 1


@pytest.fixture(scope="module")
def commits() -> list[RecordCommit]:
    source = gitlog.open_source(HISTORY)
    return list(islice(source.commits("pond"), BEFORE + MEANWHILE))


async def counted(app: App) -> int:
    """How many commits an answer shows: below zero if the new code has folded all of it."""
    numbers = [row.commits for row in await app.read(Backwards)]
    assert all(number < 0 for number in numbers) or all(number > 0 for number in numbers)
    return sum(numbers)


async def test_no_answer_fails_and_none_is_mixed(
    store_url: str, commits: list[RecordCommit], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with App("gitlog", Repository, Contributor, store=store_url) as app:
        receipts = [await app.send(command) for command in commits[:BEFORE]]
        await app.read(Contributor).after(receipts[-1], 30).count()
    switch = NextTable[Backwards].switch
    asked = asyncio.Event()

    async def when_somebody_has_asked(build: NextTable[Backwards]) -> bool:
        await asked.wait()
        return await switch(build)

    monkeypatch.setattr(NextTable, "switch", when_somebody_has_asked)
    async with App("gitlog", Repository, Backwards, store=store_url) as app:

        async def ask() -> list[int]:
            answers = [await counted(app)]
            asked.set()
            while answers[-1] != -len(commits):
                answers.append(await counted(app))
            return answers

        asking = [asyncio.create_task(ask()) for _ in range(3)]
        for command in commits[BEFORE:]:
            await app.send(command)
        await app.rebuild(Backwards)
        async with asyncio.timeout(30):
            given = await asyncio.gather(*asking)
        assert (await app.verify(Backwards)).in_sync
    for answers in given:
        new = answers[answers.count(BEFORE) :]
        assert answers[0] == BEFORE
        assert new == sorted(new, reverse=True)
        assert new[0] <= -BEFORE
