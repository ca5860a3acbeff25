"""Registration on Citus while a node is lost: a user is there as a whole or not at all, and a name
can be registered or belongs to a user.

A registration writes the user on one worker and the claim of the name on another, in a two-phase
commit. The tests stop it where the worker of the user is prepared and that of the name is not yet.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from itertools import count

import pytest
from flask import Flask

from hyperapi.storage import migrations
from tests import citus
from tests.conftest import PASSWORD, Person, applications_at
from tests.databases import as_setting
from tests.serving import PATIENCE

NAME = "hyperapi_test_registration"
_GATE = 7
"""The number of the advisory lock at which a worker of a name waits before it prepares."""
_WAIT = f"""
    SET citus.show_shards_for_app_name_prefixes = '*';
    SET citus.enable_ddl_propagation = off;
    SET citus.enable_manual_changes_to_shards = on;
    CREATE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM pg_advisory_xact_lock_shared({_GATE}); RETURN NULL; END $$;
    DO $$
    DECLARE shard text;
    BEGIN
        FOR shard IN SELECT relname FROM pg_class WHERE relname ~ '^usernames_[0-9]+$' LOOP
            EXECUTE format('CREATE CONSTRAINT TRIGGER gate AFTER INSERT ON %I
                DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_at_gate()', shard);
        END LOOP;
    END $$
"""
_WAITING = f"""
    SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = {_GATE} AND NOT granted
"""
_PREPARED = "SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()"


@dataclass
class Held:
    """A registration that waits between its phases.

    :param of_user: the worker of the user, which is prepared.
    :param of_name: the worker of the name, which is not.
    :param status: the status of the reply.
    :param go_on: lets the worker of the name prepare.
    """

    name: str
    of_user: citus.Node
    of_name: citus.Node
    status: Future[int]
    go_on: Callable[[], None]


_names = (f"user{number}" for number in count())


@pytest.fixture(scope="module")
def app(cluster: citus.Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """An application on a database of the cluster, with gates."""
    cluster.create(NAME)
    migrations.upgrade(as_setting(cluster.url(NAME)))
    for worker in cluster.workers:
        with closing(cluster.connect(NAME, worker)) as node:
            node.execute(_WAIT)
    for make in applications_at(cluster.url(NAME), tmp_path_factory.mktemp("registration")):
        yield make(busy_timeout="30")


def test_a_user_is_there_when_its_worker_is_lost_before_the_second_phase(
    cluster: citus.Cluster, app: Flask
) -> None:
    with held_registration(cluster, app) as held, cluster.lost(NAME, held.of_user):
        held.go_on()
        assert held.status.result(PATIENCE) == 201
    recover(cluster)
    assert register(app, held.name) == 409
    assert_whole(cluster, app, held.name)


def test_a_name_is_free_when_its_worker_is_lost_before_it_is_prepared(
    cluster: citus.Cluster, app: Flask
) -> None:
    with held_registration(cluster, app) as held, cluster.lost(NAME, held.of_name):
        assert held.status.result(PATIENCE) == 503
    recover(cluster)
    assert register(app, held.name) == 201
    assert_whole(cluster, app, held.name)


def test_a_name_is_free_when_the_coordinator_is_lost_between_the_phases(
    cluster: citus.Cluster, app: Flask
) -> None:
    with held_registration(cluster, app) as held:
        with cluster.lost(NAME, cluster.coordinator):
            assert held.status.result(PATIENCE) == 503
        held.go_on()
        wait_until(lambda: not number(cluster, held.of_name, _WAITING))
    recover(cluster)
    assert register(app, held.name) == 201
    assert_whole(cluster, app, held.name)


@contextmanager
def held_registration(cluster: citus.Cluster, app: Flask) -> Iterator[Held]:
    """A registration that the gate of one worker holds, while the other worker is prepared."""
    with ThreadPoolExecutor(1) as pool, ExitStack() as gates:
        for name in _names:
            for worker in cluster.workers:
                gate = gates.enter_context(closing(cluster.connect(NAME, worker)))
                gate.execute(f"SELECT pg_advisory_lock({_GATE})")
            status = pool.submit(register, app, name)
            wait_until(lambda: any(number(cluster, each, _WAITING) for each in cluster.workers))
            of_name, of_user = sorted(
                cluster.workers, key=lambda each: number(cluster, each, _WAITING), reverse=True
            )[:2]
            time.sleep(0.5)
            if number(cluster, of_user, _PREPARED):
                yield Held(name, of_user, of_name, status, gates.close)
                return
            gates.close()  # user and name are on the same worker
            assert status.result(PATIENCE) == 201


def register(app: Flask, name: str) -> int:
    """Register a user and return the status of the reply."""
    someone = Person(app.test_client())
    sent = {"username": name, "password": PASSWORD}
    return someone.ask("POST", "/api/v1/users", json=sent).status_code


def recover(cluster: citus.Cluster) -> None:
    """Have Citus finish what was prepared, as it does every minute by itself."""
    with closing(cluster.connect(NAME)) as coordinator:
        coordinator.execute("SELECT recover_prepared_transactions()")
    for worker in cluster.workers:
        assert number(cluster, worker, _PREPARED) == 0


def assert_whole(cluster: citus.Cluster, app: Flask, name: str) -> None:
    """Check that a user can sign in, and that each user has a name and each name a user."""
    person = Person(app.test_client(), name).sign_in()
    person.make_list()
    with closing(cluster.connect(NAME)) as coordinator:
        users = coordinator.execute("SELECT username, key FROM users ORDER BY 1").fetchall()
        names = coordinator.execute('SELECT name, "user" FROM usernames ORDER BY 1').fetchall()
    assert users == names


def number(cluster: citus.Cluster, node: citus.Node, query: str) -> int:
    """The number that a query of a node returns."""
    with closing(cluster.connect(NAME, node)) as connection:
        found = connection.execute(query.encode()).fetchone()
    assert found is not None
    return int(found[0])


def wait_until(true: Callable[[], bool]) -> None:
    """Return when something is true; fail when it takes too long."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)
