"""Transactions on a server: repeated where others were in the way, never half done, and well
again after the server was away."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
import pytest
from flask import Flask
from sqlalchemy import func, insert, select

from hyperapi import db
from hyperapi.access import Reach, change, find, seen
from hyperapi.db import Busy, Statement, Uncertain, database, read, write
from hyperapi.models import TaskList, User
from tests import postgres
from tests.conftest import MakeApp, Person, problem
from tests.databases import PostgreSQLDatabases, as_setting

pytestmark = pytest.mark.only_on("postgresql", "serializable")

SEEN = seen(TaskList, "key", "title", "open_count")
COUNT = Statement(select(func.count()).select_from(TaskList))


def reach_of(person: Person) -> Reach:
    """What somebody reaches."""
    return Reach(person.root["user_uri"].rpartition("/")[2])


def keys_of(person: Person) -> list[str]:
    """The keys of somebody's lists."""
    lists = person.get(person.root["lists_uri"])["lists"]
    return [each["uri"].rpartition("/")[2] for each in lists]


def retries(app: Flask) -> int:
    """How often a transaction was tried again so far."""
    return int(app.extensions["hyperapi.db"].retries)


# -- in each other's way


@pytest.mark.only_on("serializable")
def test_what_a_serializable_server_undoes_is_done_again(app: Flask, alice: Person) -> None:
    alice.make_list("0")
    reach, together, meet = reach_of(alice), threading.Barrier(2), threading.local()

    def make_one_named_by_how_many_there_are() -> None:
        number = COUNT.rows({})[0][0]
        if not hasattr(meet, "met"):
            meet.met = together.wait(10)
        row = find(TaskList, reach, keys_of_first, seen(TaskList, "key"))
        assert row is not None
        change(TaskList, reach, new_keys.pop(), SEEN, title=str(number))

    keys_of_first = keys_of(alice)[0]
    new_keys = [key for key in _make(alice, 4) if key != keys_of_first]

    def work(_: int) -> None:
        with app.app_context():
            write(make_one_named_by_how_many_there_are)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))


def _make(alice: Person, number: int) -> list[str]:
    for each in range(number):
        alice.make_list(str(each))
    return keys_of(alice)


def test_of_two_that_wait_for_each_other_both_are_done_in_the_end(
    app: Flask, alice: Person
) -> None:
    first, second = _make(alice, 2)
    reach, together = reach_of(alice), threading.Barrier(2)

    def count_both(keys: tuple[str, str]) -> int:
        attempts: list[str] = []

        def work() -> None:
            attempts.append("")
            for key in keys:
                row = find(TaskList, reach, key, SEEN)
                assert row is not None
                if len(attempts) == 1:
                    with suppress(threading.BrokenBarrierError):
                        together.wait(2)
                change(TaskList, reach, key, SEEN, open_count=row.open_count + 1)

        with app.app_context():
            write(work)
        return len(attempts)

    with ThreadPoolExecutor(2) as pool:
        attempts = list(pool.map(count_both, [(first, second), (second, first)]))
    assert sum(attempts) >= 3
    assert retries(app) >= 1
    with app.app_context():
        counts = read(lambda: [find(TaskList, reach, key, SEEN).open_count for key in keys_of(alice)])  # type: ignore[union-attr]
    assert counts == [2, 2]
