"""A worker runs a fixed number of requests, and those that wait let others run."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import pytest
from flask import Flask

from hyperapi.common.concurrency import ConcurrencyLimit
from hyperapi.http.context import Context
from hyperapi.http.handler import RequestHandler
from hyperapi.state import state_of
from tests.conftest import MakeApp, Person

PATIENCE = 60


def until(condition: Callable[[], object]) -> None:
    """Wait until a condition is true."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


@contextmanager
def holding(limit: ConcurrencyLimit, *, waits: bool) -> Iterator[threading.Event]:
    """Another thread that holds a slot, and releases it while it waits, until the event."""
    begun, done = threading.Event(), threading.Event()

    def hold() -> None:
        with limit.slot():
            if waits:
                with limit.released():
                    begun.set()
                    done.wait(PATIENCE)
            else:
                begun.set()
                done.wait(PATIENCE)

    with ThreadPoolExecutor(1) as pool:
        holder = pool.submit(hold)
        assert begun.wait(PATIENCE)
        yield done
        done.set()
        holder.result()


@pytest.mark.parametrize("slots", [1, 3])
def test_no_more_requests_run_than_there_are_slots(slots: int) -> None:
    limit = ConcurrencyLimit(slots)
    running = threading.Semaphore(slots)

    def run() -> None:
        assert running.acquire(blocking=False)
        time.sleep(0.0001)
        running.release()

    def work(_: int) -> None:
        for _ in range(25):
            with limit.slot():
                run()
                with limit.released(), limit.resumed():
                    run()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    with holding(limit, waits=True), limit.slot():
        pass


def test_a_released_slot_lets_others_run() -> None:
    limit = ConcurrencyLimit(1)
    with holding(limit, waits=True), limit.slot():
        pass


def test_requests_that_have_begun_come_before_new_ones() -> None:
    limit = ConcurrencyLimit(1)
    order: list[str] = []
    waiting, resume = threading.Event(), threading.Event()

    def begun() -> None:
        with limit.slot():
            with limit.released():
                waiting.set()
                resume.wait(PATIENCE)
            order.append("begun")

    def new() -> None:
        with limit.slot():
            order.append("new")

    with ThreadPoolExecutor(2) as pool:
        pool.submit(begun)
        assert waiting.wait(PATIENCE)
        with limit.slot():
            pool.submit(new)
            until(lambda: limit._new)
            resume.set()
            until(lambda: limit._begun)
    assert order == ["begun", "new"]


def test_a_request_that_has_begun_runs_beside_a_slow_one() -> None:
    limit = ConcurrencyLimit(1)
    waiting, resume = threading.Event(), threading.Event()

    def begun() -> None:
        with limit.slot(), limit.released():
            waiting.set()
            resume.wait(PATIENCE)

    def new() -> None:
        with limit.slot():
            pass

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(begun)
        assert waiting.wait(PATIENCE)
        with limit.slot():
            resume.set()
            running.result(PATIENCE)
        with limit.slot():  # the only one
            second = pool.submit(new)
            until(lambda: limit._new)
            assert not second.done()


def test_a_request_inside_of_another_one_shares_its_slot() -> None:
    limit = ConcurrencyLimit(1)
    inner = limit.around(lambda environ, _: [environ["asked"]])

    def ask(_: dict[str, bytes], start: object) -> list[bytes]:
        with limit.released():
            return [*inner({"asked": b"waiting"}, start), *inner({"asked": b"again"}, start)]

    outer = limit.around(lambda environ, start: [*inner(environ, start), *ask(environ, start)])
    assert outer({"asked": b"running"}, None) == [b"running", b"waiting", b"again"]
    with limit.slot():
        pass


def test_a_thread_without_a_slot_is_not_limited() -> None:
    limit = ConcurrencyLimit(1)
    with holding(limit, waits=False), limit.released(), limit.resumed(), limit.awaiting_body():
        pass


@pytest.mark.only_on("sqlite")
def test_requests_run_while_a_view_waits(make_app: MakeApp) -> None:
    app = make_app(threads="1")
    waiting, done = threading.Event(), threading.Event()

    def wait(ctx: Context) -> None:
        if ctx.method == "OPTIONS":
            with ctx.waiting():
                waiting.set()
                assert done.wait(PATIENCE)

    state_of(app)[RequestHandler].before.append(wait)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(app.test_client().options, "/api/v1/")
        assert waiting.wait(PATIENCE)
        assert Person(app.test_client()).root
        assert not slow.done()
        done.set()
        assert slow.result().status_code == 204


@pytest.mark.only_on("sqlite")
def test_readers_run_while_a_writer_waits_for_another_program(make_app: MakeApp) -> None:
    app: Flask = make_app(threads="1")
    alice = Person(app.test_client()).register("alice").sign_in()
    other = Person(app.test_client(), "alice", alice.token)
    file = state_of(app).settings.database_file
    with ThreadPoolExecutor(1) as pool, closing(sqlite3.connect(file)) as program:
        program.isolation_level = None
        program.execute("BEGIN IMMEDIATE")
        writing = pool.submit(other.make_list, "waits")
        for _ in range(10):
            assert alice.get(alice.root["lists_uri"])["lists"] == []
            assert not writing.done()
        program.execute("ROLLBACK")
        assert writing.result()["title"] == "waits"
