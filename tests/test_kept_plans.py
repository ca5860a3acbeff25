"""PostgreSQL plans the pages of a connection once, for all values of the parameters.

To plan a page takes longer than to read it. PostgreSQL keeps a plan
for all values if it expects no more of it than of plans for single values. It knows no values then,
so such a plan must be right for each owner: it reads an index that has the order and all filters.
"""

from collections.abc import Iterator
from itertools import product
from urllib.parse import quote

import pytest
from flask import Flask

from hyperapi.state import state_of
from hyperapi.storage.database import Database, Transaction, database
from hyperapi.testing.plans import connecting
from tests.conftest import Person

pytestmark = pytest.mark.only_on("postgresql")

SORTS = ("created_at", "updated_at", "due_at", "title", "priority")
FILTERS = ("", "&done=false", "&priority=high", "&done=true&priority=low")
OTHERS = {"done": "true", "priority": "1", "due_at": "CASE WHEN mod(n, 2) = 0 THEN now() END"}
WITHOUT_TRIGGERS = "SET session_replication_role = replica"  # nor foreign keys
OFTEN = 7
"""PostgreSQL makes five plans for single values before it considers to keep one."""


@pytest.fixture(params=[0, 500], ids=["alone", "among many"])
def filled(app: Flask, alice: Person, request: pytest.FixtureRequest) -> Iterator[Person]:
    """Somebody with thousands of tasks, alone or among many users with ten."""
    task = alice.make_task(alice.make_list("Everything"))
    with app.app_context(), database.engine.connect() as connection:
        run = connection.exec_driver_sql
        run(WITHOUT_TRIGGERS)
        run(
            "CREATE TEMPORARY TABLE others AS SELECT gen_random_uuid() AS owner, "
            f"gen_random_uuid() AS list FROM generate_series(1, {request.param})"
        )
        copied = {"key": "gen_random_uuid()", "created_at": "now() + n * interval '1 second'"}
        run(_copies("tasks", "generate_series(1, 4000) AS n", copied))
        of_others = {**copied, **OTHERS, "owner": "others.owner", "list": "others.list"}
        run(_copies("tasks", "others, generate_series(1, 10) AS n", of_others))
        run("ANALYZE tasks")
    yield alice
    with app.app_context(), database.engine.connect() as connection:  # which no counter counted
        connection.exec_driver_sql(WITHOUT_TRIGGERS)
        connection.exec_driver_sql(f"DELETE FROM tasks WHERE key <> '{task['uri'][-36:]}'")


def _copies(table: str, source: str, values: dict[str, str]) -> str:
    """The statement that copies the one row of a table for each row of a source."""
    names = [column.name for column in database.metadata.tables[table].columns]
    shown = ", ".join(values.get(name, f"one.{name}") for name in names)
    return (
        f"INSERT INTO {table} ({', '.join(names)}) SELECT {shown} "
        f"FROM {source}, (SELECT * FROM {table} LIMIT 1) AS one"
    )


def pages(person: Person) -> Iterator[str]:
    """The first and the last page of each sort, alone and with filters."""
    tasks, lists = person.root["tasks_uri"], person.root["lists_uri"]
    in_list = f"&list={quote(person.get(lists)['lists'][0]['uri'], safe='')}"
    for sort, chosen, of_list in product(SORTS, FILTERS, ("", in_list)):
        uri = f"{tasks}?sort={sort}{chosen}{of_list}"
        yield uri
        yield person.get(uri)["last_uri"]


def test_pages_are_planned_once_along_an_index_that_has_their_filters(
    app: Flask, filled: Person
) -> None:
    def prepare(connection: object) -> None:
        connection.prepare_threshold, connection.prepared_max = 0, None  # type: ignore[attr-defined]

    with connecting(app, prepare):
        for uri in pages(filled):
            for _ in range(OFTEN):
                filled.get(uri)
        kept, planned_again, off_the_index = state_of(app)[Database].read(_looked_at)
    assert len(kept) > len(SORTS) * len(FILTERS)
    assert planned_again == []
    assert off_the_index == []


def _looked_at(tx: Transaction) -> tuple[list[str], list[str], list[str]]:
    """The statements of pages: with a kept plan, without one, and with one that does too much."""
    found = tx.cursor.execute(
        "SELECT statement, generic_plans FROM pg_prepared_statements "
        "WHERE statement LIKE '% AS page LIMIT %' AND custom_plans >= 5"
    ).fetchall()
    kept = [statement for statement, generic in found if generic]
    plans = {each: _plan(tx, each) for each in kept}
    return (
        kept,
        [statement for statement, generic in found if not generic],
        [
            f"{plan}\n{each}"
            for each, plan in plans.items()
            if "Filter:" in plan or "Sort (" in plan
        ],
    )


def _plan(tx: Transaction, statement: str) -> str:
    steps = tx.cursor.connection.execute(f"EXPLAIN (GENERIC_PLAN) {statement}", prepare=False)
    return "\n".join(" ".join(step.split()) for (step,) in steps.fetchall())
