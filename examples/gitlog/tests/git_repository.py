"""A small real git repository, made for one test."""

import os
import subprocess
from pathlib import Path

_ALONE = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Zoë",
    "GIT_AUTHOR_EMAIL": "zoe@example.org",
    "GIT_COMMITTER_NAME": "Zoë",
    "GIT_COMMITTER_EMAIL": "zoe@example.org",
}


class GitRepository:
    """A repository in a folder of its own; every commit is an hour later than the last."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._hour = 0
        folder.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *words: str) -> bytes:
        """What git says."""
        now = {"GIT_AUTHOR_DATE": self._now(), "GIT_COMMITTER_DATE": self._now()}
        command = ["git", "-C", str(self.folder), *words]
        return subprocess.run(
            command, env=os.environ | _ALONE | now, capture_output=True, check=True
        ).stdout

    def write(self, name: str | bytes, text: str) -> None:
        """Make a file."""
        path = os.path.join(os.fsencode(self.folder), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)

    def commit(self, subject: str) -> str:
        """Commit all that is there; return the commit's hash."""
        self._hour += 1
        self.git("add", "--all", ".")
        self.git("commit", "--quiet", "--allow-empty", f"--message={subject}")
        return self.head()

    def commit_by(self, ident: bytes, subject: bytes = b"odd") -> str:
        """Commit nothing new, as ``ident``: a name, an address and a date, however odd."""
        tree = self.git("write-tree").strip()
        text = b"tree %s\nauthor %s\ncommitter %s\n\n%s" % (tree, ident, ident, subject)
        file = self.folder / ".git" / "commit"
        file.write_bytes(text)
        hashed = self.git("hash-object", "-t", "commit", "-w", "--literally", str(file))
        self.git("update-ref", "HEAD", hashed.decode().strip())
        return self.head()

    def head(self) -> str:
        """The latest commit."""
        return self.git("rev-parse", "HEAD").decode().strip()

    def commits(self) -> list[str]:
        """The first-parent history, oldest first."""
        return self.git("rev-list", "--first-parent", "--reverse", "HEAD").decode().split()

    def tree(self, commit: str) -> list[tuple[bytes, str, str]]:
        """Path, mode and hash of all that git lists, in its order."""
        listed = self.git("ls-tree", "-r", "-z", commit).split(b"\0")[:-1]
        halves = [line.split(b"\t", 1) for line in listed]
        return [(path, *_mode_and_hash(facts)) for facts, path in halves]

    def _now(self) -> str:
        return f"2026-01-{1 + self._hour // 24:02}T{self._hour % 24:02}:00:00+02:00"


def _mode_and_hash(facts: bytes) -> tuple[str, str]:
    mode, _, hash = facts.decode().split()
    return mode, hash
