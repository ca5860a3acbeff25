"""Plans: no page of any collection reads or sorts all rows of its owner.

The cases come from the declarations of the owned resources: every sort in both directions, alone
and with each filter. SQLite and PostgreSQL say how they carry out the statements that requests
send. What may sort is listed in hyperapi.testing.plans.EXCEPTIONS, with the reason.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise, product

import pytest
from flask import Flask

from hyperapi.extension import OwnedResource
from hyperapi.querying.query_string import Filter
from hyperapi.resources import BUILT_IN
from hyperapi.storage import text_index
from hyperapi.storage.database import database
from hyperapi.testing import plans
from hyperapi.testing.plans import EXCEPTIONS, is_fault, mark_of
from tests.conftest import Person
from tests.statements import statements

OWNED = [resource for extension in BUILT_IN.values() for resource in extension.resources]
INSTANT = "2030-01-01T00:00:00Z"


def cases(resource: OwnedResource) -> Iterator[str]:
    """The query strings of a collection: each sort, alone and with each filter."""
    for sort, sign in product(resource.sorts, ("", "-")):
        yield f"sort={sign}{sort}"
        for name, declared in resource.listing.filters.items():
            for value in values(declared):
                yield f"sort={sign}{sort}&{name}={value}"


def values(declared: Filter) -> list[str]:
    """Values that a filter takes; none for one that takes a URI."""
    if declared.route is not None:
        return []
    if "enum" in declared.schema:
        return list(declared.schema["enum"])
    return [INSTANT] if declared.schema.get("format") == "date-time" else ["nowhere", "x"]


def pages_of(person: Person, resource: OwnedResource) -> Iterator[str]:
    """The first and last page of every case, and those beside a row."""
    uri = person.root[f"{resource.plural}_uri"]
    for query in cases(resource):
        first = person.get(f"{uri}?{query}&limit=1")
        yield f"{uri}?{query}"
        yield first["last_uri"]
        if first["next_uri"]:
            yield first["next_uri"]


@pytest.fixture
def owner(alice: Person) -> Person:
    """Somebody with a few rows of each resource."""
    made = alice.make_list("First")
    alice.make_list("Second")
    for number in range(3):
        due_at = INSTANT if number else None
        alice.make_task(made, f"Task {number}", due_at=due_at, priority=("low", "high")[number % 2])
    return alice


@pytest.mark.parametrize("resource", OWNED, ids=lambda each: each.name)
def test_every_page_is_read_in_the_order_of_an_index(
    app: Flask, owner: Person, resource: OwnedResource
) -> None:
    assert faults_of_pages(app, owner, resource) == []


def faults_of_pages(app: Flask, person: Person, resource: OwnedResource) -> list[tuple[str, str]]:
    """What the database would do wrong for the pages of a resource: the step, and the statement."""
    asked = list(pages_of(person, resource))
    with statements(app) as sent:
        for uri in asked:
            person.get(uri)
    of_pages = {each for each in sent if f"FROM {resource.model.__tablename__}" in each}
    assert len(of_pages) > len(resource.sorts) * 2
    return faults_in(app, of_pages)


def faults_in(app: Flask, sent: Iterable[str]) -> list[tuple[str, str]]:
    """The steps of statements that read or sort all rows of an owner."""
    with app.app_context(), database.engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            return plans.faults_of(app, sent)
        names = ("seqscan", "sort", "incremental_sort")
        for name in names:  # on a few rows, the planner would prefer these
            connection.exec_driver_sql(f"SET enable_{name} = off")
        faults = []
        for statement in sent:
            explained = "EXPLAIN " + statement.replace("%", "%%")
            steps = [row[0] for row in connection.exec_driver_sql(explained)]
            faults += [(step, statement) for step in faults_of(steps, statement)]
        return faults


def faults_of(steps: list[str], statement: str) -> list[str]:
    """The steps of PostgreSQL that read a whole table, or sort more than limited parts."""
    nodes = [step.strip(" ->") for step in steps if "cost=" in step and "Result " not in step]
    return [
        node
        for node, below in pairwise([*nodes, ""])
        if node.startswith("Seq Scan")
        or (
            node.startswith(("Sort ", "Incremental Sort "))
            and mark_of(statement) not in EXCEPTIONS
            and not below.startswith("Append ")  # of parts that have limits
        )
    ]


@pytest.mark.parametrize(
    ("step", "is_one"),
    [
        ("SCAN tasks", True),
        ("SCAN tasks USING INDEX ix_tasks_owner_created_at_key", True),
        ("SEARCH tasks USING INDEX ix_tasks_deleted_at (deleted_at>?)", True),
        ("USE TEMP B-TREE FOR ORDER BY", True),
        ("USE TEMP B-TREE FOR LAST TERM OF ORDER BY", True),
        ("SEARCH tasks USING INDEX ix (owner=? AND done=?)", False),
        ("SCAN tasks_text VIRTUAL TABLE INDEX 0:M1><", False),
        ("MERGE (UNION ALL)", False),
    ],
)
def test_a_scan_or_a_sort_would_be_noticed(step: str, is_one: bool) -> None:
    assert is_fault(step, "SELECT 1 FROM tasks") is is_one


@pytest.mark.only_on("sqlite")
def test_a_sort_by_more_than_an_index_holds_is_noticed(app: Flask, owner: Person) -> None:
    with statements(app) as sent:
        owner.get(owner.root["tasks_uri"] + "?sort=title,due_at")
    assert faults_in(app, [each for each in sent if "FROM tasks" in each])


def test_searched_columns_are_those_that_filters_look_into() -> None:
    for resource in OWNED:
        looked = {column.key for each in resource.listing.filters.values() for column in each.texts}
        assert looked == set(resource.model.searched)
        assert text_index.is_part(f"{resource.model.__tablename__}_text")
