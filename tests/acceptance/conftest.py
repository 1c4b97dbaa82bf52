"""A terminal in a fresh folder, where nothing is set."""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bank import DepositMoney, OpenAccount, WithdrawMoney, app

from .terminal import Terminal


@pytest.fixture
def terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Terminal]:
    for name in os.environ:
        if name.startswith("WHENCE_") or name in ("FORCE_COLOR", "COLUMNS"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # where `demo` leaves what its reader goes on with
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(sys, "path", [*sys.path])
    known = {*sys.modules}
    yield Terminal(tmp_path, capsys, monkeypatch)
    for name in {*sys.modules} - known:
        if str(tmp_path) in (getattr(sys.modules[name], "__file__", None) or ""):
            del sys.modules[name]  # another test may save a module of that name


@pytest.fixture
def bank(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Where the bank of the examples is the application."""
    monkeypatch.setenv("WHENCE_APP", "bank:app")
    return terminal


@pytest.fixture
def account(bank: Terminal) -> Terminal:
    """The same, with an account in three events: opened, 100 in, 30 out."""
    with app.using(store="sqlite:///bank.db", projecting=False).sync as opened:
        opened.send(OpenAccount("ACC1", "alice"), by="alice")
        opened.send(DepositMoney("ACC1", 100), by="employer")
        opened.send(WithdrawMoney("ACC1", 30), by="alice")
    return bank
