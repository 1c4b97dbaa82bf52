"""`tools/services` installs the servers that tests need, starts none, and else says what to do."""

import subprocess
from pathlib import Path

import pytest

SERVICES = Path(__file__).parents[2] / "tools/services"

SUDO = """\
#!/bin/sh
# May do all, and does nothing but install.
[ "$1" = -n ] || exit 1
shift
echo "$@" >>"$LOG"
case "$*" in
    *"apt-get install"*)
        for name in "$@"; do :; done
        printf '#!/bin/sh\\n' >"$HERE/$name"
        chmod +x "$HERE/$name" ;;
    tee*) cat >/dev/null ;;
esac
"""


class Machine:
    """One where these programs come before the real ones."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._log = folder, folder / "log"
        self.has("id", "#!/bin/sh\necho 1000\n")
        self.has("sudo", "#!/bin/sh\nexit 1\n")
        self.has("apt-get", "#!/bin/sh\nexit 1\n")

    def has(self, name: str, text: str = "#!/bin/sh\n") -> None:
        (self._folder / name).write_text(text)
        (self._folder / name).chmod(0o755)

    def services(self, *names: str) -> subprocess.CompletedProcess[str]:
        path = f"{self._folder}:/usr/bin:/bin"
        environment = {"PATH": path, "LOG": str(self._log), "HERE": str(self._folder)}
        return subprocess.run(
            [SERVICES, *names], env=environment, capture_output=True, text=True, check=False
        )

    @property
    def done_as_root(self) -> list[str]:
        return self._log.read_text().splitlines() if self._log.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_what_is_there_is_left_alone(machine: Machine) -> None:
    for program in ("initdb", "mariadbd", "redis-server"):
        machine.has(program)
    found = machine.services("postgresql", "mariadb-server", "redis-server")
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")
    assert machine.done_as_root == []


def test_what_is_missing_is_installed_and_not_started(machine: Machine) -> None:
    machine.has("sudo", SUDO)
    machine.has("some-server")
    found = machine.services("some-server", "other-server")
    assert found.returncode == 0
    assert found.stderr == "Installing other-server \n"
    done = machine.done_as_root
    (install,) = [line for line in done if "apt-get install" in line]
    assert install.endswith("--no-install-recommends -o Dpkg::Use-Pty=0 other-server")
    assert "DEBIAN_FRONTEND=noninteractive" in install
    assert "systemctl --quiet disable other-server other" in done
    assert machine.services("other-server").stderr == ""


def test_without_the_right_to_install_it_says_what_to_do(machine: Machine) -> None:
    found = machine.services("missing-server")
    assert found.returncode == 1
    assert "sudo apt-get install missing-server" in found.stderr


def test_an_installation_that_fails_is_said(machine: Machine) -> None:
    machine.has("sudo", "#!/bin/sh\n")
    found = machine.services("missing-server")
    assert found.returncode == 1
    assert "sudo apt-get install missing-server" in found.stderr
