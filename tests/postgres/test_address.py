"""What the URL of a store says, to us and to the driver."""

from collections.abc import Mapping

import psycopg.conninfo
import pytest
from sqlalchemy import make_url

from whence.backends.postgres.address import address
from whence.backends.postgres.connecting import options
from whence.backends.sql.address import address as read_address
from whence.errors import WiringError

DRIVER_S = [
    "postgresql://ann:se%40cret@db.example:5433/bank",
    "postgresql://ann@db.example/bank?sslmode=verify-full&sslrootcert=%2Fetc%2Fca.pem",
    "postgresql:///bank?host=/run/postgresql&application_name=a+b",
    "postgresql:///bank",
    "postgresql://",
    "postgres://one:5432,two:5433/bank?target_session_attrs=read-write",
]


@pytest.mark.parametrize("url", DRIVER_S)
def test_what_is_the_drivers_stays_as_it_is(url: str) -> None:
    joint = "&" if "?" in url else "?"
    ours = address(f"{url}{joint}schema=bank&pooled=yes&pool=9")
    assert ours.url == url
    assert (ours.schema, ours.pooled, ours.pool) == ("bank", True, 9)
    psycopg.conninfo.conninfo_to_dict(ours.url)


def test_what_is_not_said_is_usual() -> None:
    usual = address("postgresql:///bank")
    assert (usual.schema, usual.pooled, usual.pool) == ("whence", False, None)


@pytest.mark.parametrize("url", DRIVER_S)
def test_read_models_are_in_the_same_database(url: str) -> None:
    joint = "&" if "?" in url else "?"
    read = read_address(address(f"{url}{joint}pooled=yes&pool=9").read_url)
    assert (read.pooled, read.pool) == (True, 9)
    assert read.url.drivername == "postgresql+psycopg"
    _, given = read.url.get_dialect()().create_connect_args(read.url)
    assert parameters(given) == parameters(psycopg.conninfo.conninfo_to_dict(url))


def parameters(given: Mapping[str, object]) -> dict[str, str]:
    """As libpq is told them; without the ports that it would take anyway."""
    names = {"database": "dbname", "username": "user"}
    return {names.get(name, name): str(value) for name, value in given.items()}


def test_messages_show_no_password() -> None:
    shown = "postgresql://ann@db.example:5433/bank"
    assert address(DRIVER_S[0]).shown == shown
    assert "se%40cret" not in read_address(DRIVER_S[0]).shown
    for read in (address, read_address):
        assert "secret" not in read("postgresql:///bank?password=secret").shown


@pytest.mark.parametrize("pool", ["3", "0", "-1", "many"])
def test_too_small_a_pool_is_refused(pool: str) -> None:
    for read in (address, read_address):
        with pytest.raises(WiringError, match="4 or more"):
            read(f"postgresql:///bank?pool={pool}")


@pytest.mark.parametrize("schema", ["Bank", "a-b", "", "1st", 'a"b', "é"])
def test_a_bad_schema_is_refused(schema: str) -> None:
    with pytest.raises(WiringError, match="cannot be a schema"):
        address(f"postgresql:///bank?schema={schema}")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://ann:se%cret@db.example/bank", "ann@db.example/bank: it is no URL"),
        ("postgresql://ann:se cret@db.example/bank", "write .* a space as %20"),
        ("postgresql://[::1/bank", "it is no URL"),
        ("postgresql:///bank?sslmod=require", 'parameter: "sslmod"'),
    ],
)
def test_what_is_no_url_is_said_without_the_password(url: str, says: str) -> None:
    with pytest.raises(WiringError, match=says) as refused:
        options(address(url), "a test")
    assert "cret" not in str(refused.value)
    assert refused.value.__suppress_context__


@pytest.mark.parametrize("url", ["nonsense", "postgresql://ann:secret@db.example:abc/bank"])
def test_what_names_no_read_database_is_said_without_the_password(url: str) -> None:
    with pytest.raises(WiringError, match="names no read database") as refused:
        read_address(url)
    assert "secret" not in str(refused.value)


def test_other_databases_keep_what_they_are_told() -> None:
    assert read_address("sqlite:///a.db?pool=x").url == make_url("sqlite:///a.db?pool=x")
