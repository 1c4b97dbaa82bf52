"""Every promise of a store, on each PostgreSQL here that the other tests do not run on."""

from collections.abc import Iterator
from functools import partial
from itertools import count

import pytest

from whence.backends.postgres import PostgresStore
from whence.testing.conformance import (
    HandlesConformance,
    OpenStore,
    ProcessesConformance,
    StoreConformance,
)
from whence.testing.postgres import PrivatePostgres, chosen

from .conftest import VERSIONS

OTHERS = [name for name, each in VERSIONS.items() if each and each.version != chosen().version]


@pytest.fixture(scope="module", params=OTHERS or VERSIONS)
def other_schemas(request: pytest.FixtureRequest) -> Iterator[Iterator[str]]:
    with PrivatePostgres(VERSIONS[request.param]) as server:
        url = server.create_database()
        yield (f"{url}?schema=store{number}" for number in count())


class TestOthers(StoreConformance, HandlesConformance, ProcessesConformance):
    @pytest.fixture
    def open_store(self, other_schemas: Iterator[str]) -> OpenStore:
        return partial(PostgresStore, next(other_schemas))
