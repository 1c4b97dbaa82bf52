"""Passwords and TLS, by the URL and by the environment, for events and for read models."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from bank import Balance, OpenAccount, app
from whence.backends.postgres import PostgresStore
from whence.errors import StoreError
from whence.testing.postgres import Installation, PrivatePostgres, chosen, installations

ONLY_TLS = "hostssl all all 127.0.0.1/32 scram-sha-256\n"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the server, signed by itself, beside its key."""
    folder = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=whence"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run([*command.split(), *names], cwd=folder, check=True, capture_output=True)
    return folder / "cert.pem"


def knows_tls(installation: Installation) -> bool:
    """Whether it was built with TLS, which can be left out."""
    config = [str(installation.bin / "pg_config"), "--configure"]
    return "ssl" in subprocess.run(config, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def server(certificate: Path) -> Iterator[PrivatePostgres]:
    """One that speaks TLS, and nothing else: of the version that is tested, if that can."""
    able = filter(knows_tls, [chosen(), *installations()])
    with PrivatePostgres(next(able)) as started:
        started.write("server.key", (certificate.parent / "key.pem").read_text())
        started.write("server.crt", certificate.read_text())
        started.write("pg_hba.conf", ONLY_TLS)
        started.settings["ssl"] = "on"
        started.restart()
        yield started


@pytest.fixture
def database(server: PrivatePostgres) -> Iterator[str]:
    url = server.create_database()
    yield url
    server.drop_database(url)


@pytest.fixture
def bare(database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL without anything but the name of the database: the environment says the rest."""
    parts = urlsplit(database)
    monkeypatch.setenv("PGHOST", "127.0.0.1")
    monkeypatch.setenv("PGPORT", str(parts.port))
    monkeypatch.setenv("PGUSER", "postgres")
    return f"postgresql://{parts.path}"


async def works(url: str) -> None:
    """An application does, and all of its connections are encrypted."""
    async with app.using(store=url) as bank:
        receipt = await bank.send(OpenAccount("ACC1", "ann"))
        assert await bank.read(Balance).after(receipt).get("ACC1") is not None
        plain = b"""
            select a.application_name from pg_stat_activity a join pg_stat_ssl using (pid)
            where not ssl and datname = current_database()
        """
        with psycopg.connect(url) as connection:
            assert connection.execute(plain).fetchall() == []


async def fails(url: str, why: str) -> None:
    with pytest.raises(StoreError, match=why):
        await PostgresStore(url).open()


async def test_tls_by_the_url(database: str, certificate: Path) -> None:
    await works(f"{database}?sslmode=verify-full&sslrootcert={certificate}")


async def test_tls_and_password_by_the_environment(
    bare: str, database: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", urlsplit(database).password or "")
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    monkeypatch.setenv("PGSSLROOTCERT", str(certificate))
    await works(bare)


async def test_the_password_from_a_file(
    bare: str, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "pgpass"
    file.touch(mode=0o600)
    file.write_text(f"127.0.0.1:*:*:postgres:{urlsplit(database).password}\n")
    monkeypatch.setenv("PGPASSFILE", str(file))
    await works(bare)


async def test_without_tls_it_is_refused(database: str) -> None:
    await fails(f"{database}?sslmode=disable", "no encryption.*sslmode")


async def test_a_server_that_cannot_prove_itself_is_refused(database: str) -> None:
    await fails(f"{database}?sslmode=verify-full&sslrootcert=system", "certificate.*sslrootcert")


async def test_a_server_of_another_name_is_refused(database: str, certificate: Path) -> None:
    elsewhere = database.replace("127.0.0.1", "localhost")
    url = f"{elsewhere}?sslmode=verify-full&sslrootcert={certificate}&hostaddr=127.0.0.1"
    await fails(url, "certificate.*sslrootcert")


async def test_a_server_without_tls_is_refused(postgres_url: str) -> None:
    await fails(f"{postgres_url}?sslmode=require", "TLS: check sslmode")


async def test_a_wrong_password_is_said_without_saying_it(database: str) -> None:
    parts = urlsplit(database)
    with pytest.raises(StoreError, match="PGPASSWORD") as refused:
        await PostgresStore(database.replace(parts.password or "", "open-sesame")).open()
    assert "open-sesame" not in str(refused.value)


async def test_no_password_at_all_is_said(bare: str) -> None:
    await fails(bare, "PGPASSWORD")
