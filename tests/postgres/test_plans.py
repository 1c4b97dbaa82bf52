"""How PostgreSQL goes about what is asked often."""

import psycopg
import pytest

from whence.backends.postgres import PostgresStore
from whence.backends.postgres.reading import Scan
from whence.envelope import NewEvent, new_id
from whence.store import ALL, Commit


@pytest.mark.parametrize("backwards", [False, True])
async def test_a_page_of_a_log_that_nobody_has_analysed_is_taken_from_the_index(
    postgres_url: str, backwards: bool
) -> None:
    async with PostgresStore(postgres_url) as store:
        for number in range(40):
            data = b'"%s"' % (b"x" * 300)
            new = [
                NewEvent("happened", data, f"s-{number}-{n}", (), b"{}", 1) for n in range(1000)
            ]
            await store.append([Commit(new_id(), new)])
        head = await store.head()
    statement, values = Scan(ALL, 0, backwards).statement(head)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("delete from pg_statistic where starelid = 'whence.events'::regclass")
        connection.execute("update pg_class set reltuples = -1 where relname = 'events'")
        question = f"explain {statement}".encode()
        plan = "\n".join(row[0] for row in connection.execute(question, values))
    assert "Index Scan" in plan
    assert "Sort" not in plan
