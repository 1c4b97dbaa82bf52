"""Servers that tests start themselves, in a temporary folder, on a free port of loopback."""

import os
import pwd
import select
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

PATIENCE = 60
"""Seconds. A server that needs longer to start or to stop has failed."""


def free_port() -> int:
    """A TCP port on loopback that nobody listens on at this moment."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def _unprivileged(preferred: str) -> pwd.struct_passwd | None:
    """Whom a server runs as, since many refuse root; None if we are not root ourselves."""
    if os.getuid() != 0:
        return None
    try:
        return pwd.getpwnam(preferred)
    except KeyError:
        return pwd.getpwnam("nobody")


def answer(*command: str, user: str = "nobody") -> str:
    """What a program prints when it is run as ``user``; nothing if that cannot be run."""
    owner = _unprivileged(user)
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env=_environment(),
            user=owner.pw_uid if owner else None,
            group=owner.pw_gid if owner else None,
            extra_groups=[] if owner else None,
        )
    except OSError:
        return ""
    return done.stdout


class ServerFolder:
    """A temporary folder, and programs that run in it as its owner, never as root.

    ``user`` is who runs them when the tests run as root, if there is such a user, else nobody.
    """

    def __init__(self, name: str, user: str = "nobody") -> None:
        self._user = _unprivileged(user)
        self.path = Path(tempfile.mkdtemp(prefix=f"whence-{name}-"))
        self.give(self.path)

    @property
    def log(self) -> str:
        """All that the programs have said."""
        log = self.path / "log"
        return log.read_text(errors="replace") if log.exists() else ""

    def write(self, path: Path | str, text: str) -> Path:
        """Write a file that only the server may read; ``path`` is relative to the folder."""
        whole = self.path / path
        whole.touch(mode=0o600)
        whole.write_text(text)
        self.give(whole)
        return whole

    def give(self, path: Path) -> None:
        """Make the server's user the owner of ``path``."""
        if self._user:
            os.chown(path, self._user.pw_uid, self._user.pw_gid)

    def run(self, *command: str) -> None:
        """Run a program to its end. Raises with the log if it fails."""
        if status := self._popen(command).wait(PATIENCE):
            raise RuntimeError(f"{command[0]} failed with status {status}:\n{self.log}")

    def start(self, *command: str) -> "ServerProcess":
        """Start a program that stays."""
        # All of the server's processes inherit one end; the other end sees when none is left.
        alive, inherited = os.pipe()
        try:
            popen = self._popen(command, inherited)
        except BaseException:
            os.close(alive)
            raise
        finally:
            os.close(inherited)
        return ServerProcess(popen, alive, _guard(popen.pid, self.path))

    def remove(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _popen(self, command: Sequence[str], *inherited: int) -> subprocess.Popen[bytes]:
        user = self._user
        with open(self.path / "log", "ab") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.path,
                env=_environment(),
                start_new_session=True,  # an interrupt at the keyboard is for the tests alone
                pass_fds=inherited,
                user=user.pw_uid if user else None,
                group=user.pw_gid if user else None,
                extra_groups=[] if user else None,
            )


# Reads until we are gone, in whatever way. SIGQUIT makes most servers leave at once.
_GUARD = """
cat
kill -s QUIT "$1" && sleep 5 && kill -s KILL "$1"
rm -rf "$2"
"""


def _guard(pid: int, folder: Path) -> subprocess.Popen[bytes]:
    """Ends the server, and deletes its folder, if the tests are killed before they do it."""
    return subprocess.Popen(
        ["/bin/sh", "-c", _GUARD, "guard", str(pid), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )


class ServerProcess:
    """A program that was started, and whatever it has forked."""

    def __init__(
        self, popen: subprocess.Popen[bytes], alive: int, guard: subprocess.Popen[bytes]
    ) -> None:
        self._popen, self._alive, self._guard = popen, alive, guard

    @property
    def pid(self) -> int:
        """The id of the first process."""
        return self._popen.pid

    @property
    def running(self) -> bool:
        """Whether the first process has not ended."""
        return self._popen.poll() is None

    def end(self, number: int = signal.SIGTERM, patience: float = PATIENCE) -> None:
        """Send a signal to the first process and wait until all are gone."""
        self._popen.send_signal(number)
        try:
            self._popen.wait(patience)
            readable, _, _ = select.select([self._alive], [], [], patience)
        except subprocess.TimeoutExpired:
            readable = []
        if not readable:
            raise TimeoutError(f"process {self.pid} still runs {patience} seconds after a signal")
        os.close(self._alive)
        self._guard.kill()
        self._guard.communicate()


def _environment() -> dict[str, str]:
    """Without what is meant for clients (PGPORT, PGDATA), and in English."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**ours, "LC_ALL": "C"}
