"""The pytest plugin: its fixtures, in projects of their own."""

import pytest

pytest_plugins = "pytester"

BELLS = """
from whence import Aggregate, App, ReadModel, command, decide, event, evolve

@event
class Rung:
    bell_id: str

@command
class Ring:
    bell_id: str

class Bell(Aggregate):
    rung = 0

    @decide
    def ring(self, command: Ring):
        yield Rung(self.id)

    @evolve
    def _(self, event: Rung):
        self.rung += 1

class Bells(ReadModel):
    bell_id: str
    rung: int = 0

    @evolve
    def _(self, event: Rung):
        self.rung += 1

app = App("bells", Bell, Bells, store="sqlite:///never.db")
"""

INI = """
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
filterwarnings = error
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A project with an application, and nothing that says which it is."""
    pytester.makepyfile(bells=BELLS)
    pytester.makeini(INI)
    return pytester


def passes(project: pytest.Pytester, test: str, passed: int = 1) -> None:
    project.makepyfile(test_it=test)
    result = project.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=passed)
    assert not list(project.path.glob("*.db*"))


def test_the_application_of_the_settings_is_open_on_a_store_of_its_own(
    project: pytest.Pytester,
) -> None:
    project.makefile(".toml", whence='app = "bells:app"')
    passes(
        project,
        """
        import pytest
        from datetime import UTC, datetime, timedelta
        from bells import Bell, Bells, Ring
        from whence import App

        @pytest.mark.parametrize("n", [1, 2])
        async def test_async(app, store, clock, n):
            assert isinstance(app, App)
            receipt = await app.send(Ring("B1"))
            assert receipt.versions == {"bell-B1": 1}
            assert await store.head() == 1
            assert (await app.read(Bells).get("B1", after=receipt)).rung == 1
            clock.advance(hours=1)
            await app.send(Ring("B1"))
            first, second = [past async for past in app.history(Bell, "B1").events()]
            assert first.time == datetime(2026, 1, 1, 9, tzinfo=UTC)
            assert second.time - first.time == timedelta(hours=1)

        @pytest.mark.parametrize("n", [1, 2])
        def test_sync(sync_app, clock, n):
            assert sync_app.send(Ring("B1")).versions == {"bell-B1": 1}
            assert sync_app.history(Bell, "B1").at(clock.now()).rung == 1
        """,
        passed=4,
    )


def test_the_projects_file_may_say_which_it_is(project: pytest.Pytester) -> None:
    project.makefile(".toml", pyproject='[tool.whence]\napp = "bells:app"')
    passes(project, "def test_it(whence_app): assert whence_app.name == 'bells'")


def test_a_fixture_may_say_which_it_is(project: pytest.Pytester) -> None:
    passes(
        project,
        """
        import pytest
        from bells import Ring, app as bells

        @pytest.fixture
        def whence_app():
            return bells

        async def test_it(app):
            assert (await app.send(Ring("B1"))).events
            assert app is not bells
        """,
    )


def test_without_either_it_says_how(project: pytest.Pytester) -> None:
    project.makepyfile(test_it="async def test_it(app): pass")
    result = project.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ['*which application? Set app = "bank:app" in [[]tool.whence[]] of pyproject.toml,*']
    )


def test_the_fixtures_are_listed_with_what_they_are(project: pytest.Pytester) -> None:
    result = project.runpytest_subprocess("--fixtures", "-p", "no:cacheprovider")
    for name in ("app", "sync_app", "store", "clock", "whence_app"):
        result.stdout.re_match_lines([rf"^{name} -- .*whence/testing/plugin\.py"])


def test_projects_that_do_not_use_it_do_not_notice(project: pytest.Pytester) -> None:
    passes(project, "def test_it(): assert True")
