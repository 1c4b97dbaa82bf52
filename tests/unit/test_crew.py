"""The processes that help with a rebuild, apart from what they do there."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from whence.config import Setting
from whence.crew import helping

SETTINGS = {
    name: Setting(name, value, "a test")
    for name, value in (("app", "bank:app"), ("store", "postgresql:///bank"))
}


async def test_ctrl_c_is_for_the_process_that_has_started_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    said = tmp_path / "session"
    program = f"import os, time; open({str(said)!r}, 'w').write(str(os.getsid(0)))"
    command = (sys.executable, "-c", f"{program}; time.sleep(60)")
    monkeypatch.setattr("whence.crew._COMMAND", command)
    async with helping("balance", 1, SETTINGS):
        for _ in range(3_000):
            if said.exists() and said.read_text():
                break
            await asyncio.sleep(0.01)
    assert int(said.read_text()) != os.getsid(0)
    assert not caplog.records  # whom we have ended has not failed
