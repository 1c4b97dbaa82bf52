"""Settings: what wins over what, and where each came from."""

from pathlib import Path

import pytest

from whence import Aggregate, App, event, evolve
from whence.config import Setting, settings
from whence.errors import WiringError


@event
class Rung:
    bell_id: str


class Bell(Aggregate):
    @evolve
    def _(self, event: Rung) -> None: ...


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """``project/inner``, with nothing in them."""
    inner = tmp_path / "project" / "inner"
    inner.mkdir(parents=True)
    return inner


def found(folder: Path, code: dict[str, str | None] | None = None, **environ: str) -> object:
    chosen = settings(code, environ, folder)
    return {name: (setting.value, setting.source) for name, setting in chosen.items()}


def test_nothing_is_set_by_itself(folder: Path) -> None:
    assert found(folder) == {}


def test_the_environment_is_asked(folder: Path) -> None:
    assert found(folder, WHENCE_STORE="memory://", OTHER="x") == {
        "store": ("memory://", "WHENCE_STORE")
    }


def test_an_empty_variable_sets_nothing(folder: Path) -> None:
    assert found(folder, WHENCE_STORE="") == {}


def test_a_file_of_its_own_is_asked(folder: Path) -> None:
    own = folder / "whence.toml"
    own.write_text('app = "bells:app"\ntimeout = 7\n')
    assert found(folder) == {"app": ("bells:app", str(own)), "timeout": ("7", str(own))}


def test_the_projects_file_is_asked(folder: Path) -> None:
    project = folder / "pyproject.toml"
    project.write_text('[project]\nname = "x"\n[tool.whence]\nstore = "memory://"\n')
    assert found(folder) == {"store": ("memory://", str(project))}


def test_folders_above_are_asked_until_one_has_something_to_say(folder: Path) -> None:
    above = folder.parent / "pyproject.toml"
    above.write_text('[tool.whence]\nstore = "memory://above"\n')
    (folder / "pyproject.toml").write_text("[tool.other]\nx = 1\n")
    assert found(folder) == {"store": ("memory://above", str(above))}
    own = folder / "whence.toml"
    own.write_text('app = "bells:app"\n')
    assert found(folder) == {"app": ("bells:app", str(own))}


def test_a_file_of_its_own_wins_over_the_projects(folder: Path) -> None:
    (folder / "pyproject.toml").write_text('[tool.whence]\nstore = "memory://project"\n')
    own = folder / "whence.toml"
    own.write_text('store = "memory://own"\n')
    assert found(folder) == {"store": ("memory://own", str(own))}


def test_the_environment_wins_over_files_and_the_code_over_all(folder: Path) -> None:
    own = folder / "whence.toml"
    own.write_text('store = "memory://file"\nread = "sqlite:///file.db"\napp = "a:b"\n')
    environ = {"WHENCE_STORE": "memory://variable", "WHENCE_READ": "sqlite:///variable.db"}
    assert found(folder, {"store": "memory://code", "read": None}, **environ) == {
        "store": ("memory://code", "code"),
        "read": ("sqlite:///variable.db", "WHENCE_READ"),
        "app": ("a:b", str(own)),
    }


def test_a_setting_that_nobody_knows_is_refused_with_those_that_are_known(folder: Path) -> None:
    own = folder / "whence.toml"
    own.write_text('stroe = "memory://"\n')
    with pytest.raises(WiringError) as caught:
        settings(None, {}, folder)
    message = str(caught.value)
    assert message.startswith(f"{own}: no setting is called 'stroe'; known: app (the application")
    assert "store (the event store, as in sqlite:///bank.db)" in message


@pytest.mark.parametrize("content", [b"store = ", b'store = "\xff"', b"[tool"])
def test_a_file_that_is_no_toml_is_named(folder: Path, content: bytes) -> None:
    own = folder / "whence.toml"
    own.write_bytes(content)
    with pytest.raises(WiringError, match=str(own)):
        settings(None, {}, folder)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('[tool]\nwhence = "bank:app"', r"pyproject\.toml: whence under \[tool\] is a table"),
        ('[tool.whence]\napp = ["bank:app"]', r'pyproject\.toml: app is one text, as in app = "'),
    ],
)
def test_a_setting_of_another_shape_is_refused(folder: Path, content: str, problem: str) -> None:
    (folder / "pyproject.toml").write_text(content)
    with pytest.raises(WiringError, match=problem):
        found(folder)


def test_files_are_utf_8_whatever_the_locale(folder: Path) -> None:
    (folder / "whence.toml").write_bytes('store = "sqlite:///bücher.db"\n'.encode())
    assert settings(None, {}, folder)["store"].value == "sqlite:///bücher.db"


def test_an_application_tells_its_settings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.delenv("WHENCE_STORE", raising=False)
    default = Setting("store", "sqlite:///bells.db", "default")
    assert App("bells", Bell).settings() == {"store": default}
    code = Setting("store", "memory://", "code")
    assert App("bells", Bell, store="memory://").settings() == {"store": code}
    monkeypatch.setenv("WHENCE_STORE", "memory://variable")
    variable = Setting("store", "memory://variable", "WHENCE_STORE")
    assert App("bells", Bell).settings() == {"store": variable}
    assert App("bells", Bell, store="memory://").settings() == {"store": code}
