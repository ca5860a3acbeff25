"""What an operator sees and does: metrics, traces, the end of a service in peace."""

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import SECRET_KEY
from tests.databases import POSTGRESQL, Stores
from tests.ops.test_serving import Person, client
from tests.serving import PATIENCE, Served, free_port, read_environment, serve

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture(scope="module")
def port() -> int:
    """Where metrics are."""
    return free_port()


@pytest.fixture(scope="module")
def served(stores: Stores, tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[Served]:
    """A server of two workers on PostgreSQL, that has metrics."""
    folder = tmp_path_factory.mktemp("operating")
    with stores.of(POSTGRESQL).fresh(folder) as url:
        chosen = read_environment(
            database_url=url,
            secret_keys=SECRET_KEY,
            metrics_port=str(port),
            workers="2",
            sign_in_limit="3/hour",
        )
        with serve(folder, environment=chosen) as server:
            yield server


def samples(port: int) -> Samples:
    """What Prometheus would read."""
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(found: Samples, name: str, **labels: str) -> float:
    """One of these; nothing that is not there was ever counted."""
    return found.get((name, tuple(sorted(labels.items()))), 0)


def test_requests_are_counted_by_route_and_status_whichever_worker_answers(
    served: Served, port: int
) -> None:
    route = {"method": "GET", "route": "/api/v1/"}
    before = samples(port)
    for _ in range(20):  # each on a connection of its own, so at either worker
        with client(served) as http:
            assert http.get("/api/v1/").status_code == 200
            assert http.get("/nothing/here").status_code == 404
            assert http.request("BREW", "/api/v1/").status_code == 405
    after = samples(port)

    def more(name: str, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    assert more("hyperapi_requests_total", status="200", **route) == 20
    assert more("hyperapi_request_seconds_count", **route) == 20
    assert more("hyperapi_request_seconds_bucket", le="+Inf", **route) == 20
    assert 0 < more("hyperapi_request_seconds_sum", **route) < PATIENCE
    other = {"method": "any", "route": "none"}
    assert more("hyperapi_requests_total", status="404", **other) == 20
    assert more("hyperapi_requests_total", status="405", **other) == 20
    assert not any("nothing" in str(key) or "BREW" in str(key) for key in after)


def test_sign_ins_are_limited_over_all_workers_and_the_refused_ones_counted(
    served: Served, port: int
) -> None:
    before, statuses = samples(port), []
    with client(served) as http:
        Person(http, "alice").join()
    for _ in range(10):
        with client(served) as http:
            wrong = {"username": "alice", "password": "a wrong guess"}
            statuses.append(http.post("/api/v1/tokens", json=wrong).status_code)
    assert statuses == [401] * 3 + [429] * 7
    after = samples(port)
    refused = [
        value(after, "hyperapi_sign_ins_refused_total", status=status)
        - value(before, "hyperapi_sign_ins_refused_total", status=status)
        for status in ("401", "429")
    ]
    assert refused == [3, 7]
    assert value(after, "hyperapi_passwords_in_hand") == 0


def test_connections_and_retries_are_counted(served: Served, stores: Stores, port: int) -> None:
    with client(served) as http:
        bob = Person(http, "bob").join()
        found = samples(port)
        assert 1 <= value(found, "hyperapi_database_connections") <= 2 * 4
        assert value(found, "hyperapi_database_connections_in_use") == 0
        with stores.server.connect() as administrator:
            administrator.execute(
                "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity"
                " WHERE application_name = 'hyperapi'"
            )
        for _ in range(10):
            with client(served) as other:
                assert Person(other, "bob", bob.token).get("/api/v1/")["user_uri"]
    again = samples(port)
    assert 1 <= value(again, "hyperapi_database_retries_total") <= 20
    assert value(again, "hyperapi_unavailable_total") == 0
    assert value(again, "hyperapi_database_connections_in_use") == 0


def test_sessions_are_counted_where_they_are_kept(stores: Stores, tmp_path: Path) -> None:
    port = free_port()
    with stores.of(POSTGRESQL).fresh(tmp_path) as url:
        chosen = read_environment(database_url=url, secret_keys=SECRET_KEY, workers="1")
        with serve(tmp_path, environment=chosen) as server, client(server) as http:
            Person(http, "alice").join()
            Person(http, "bob").join()
        measured = {**chosen, "HYPERAPI_METRICS_PORT": str(port)}
        with serve(tmp_path, environment=measured) as server:
            assert _soon(lambda: value(samples(port), "hyperapi_sessions") == 2)


def _soon(true: Any) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not true() and time.monotonic() < deadline:
        time.sleep(0.1)
    return bool(true())


# -- traces


def test_the_lines_about_a_request_name_the_trace_that_it_is_part_of(served: Served) -> None:
    with client(served) as http:
        for traceparent in (f"00-{TRACE}-{PARENT}-01", f"00-{'0' * 32}-{PARENT}-01", "00-12-34"):
            http.get("/api/v1/docs", headers={"traceparent": traceparent})
    _soon(lambda: len([line for line in served.logged if "docs" in (line.get("route") or "")]) == 3)
    lines = [line for line in served.logged if line.get("route") == "/api/v1/docs"]
    assert [line.get("trace_id") for line in lines] == [TRACE, None, None]
    assert lines[0]["parent_id"] == PARENT


# -- the end in peace


def test_a_service_that_is_to_stop_says_so_first_and_serves_on_for_a_while(tmp_path: Path) -> None:
    with serve(tmp_path, workers="2", drain_delay="3") as server:
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert _soon(lambda: _status(server, "/health/ready") == 503)
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda _: _status(server, "/api/v1/"), range(20)))
        assert found == [200] * 20
        assert server.process.wait(PATIENCE) == 0
        assert 2.9 < time.monotonic() - began < PATIENCE
        assert server.gone
        reasons = [line["event"] for line in server.logged if line["level"] == "warning"]
    assert set(reasons) == {"unavailable: not ready: about to stop"}


def _status(server: Served, path: str) -> int:
    # Without certificates, which each client would have to read: there is little time here.
    return httpx.get(server.url + path, trust_env=False, verify=False).status_code


def test_who_says_it_twice_does_not_wait(tmp_path: Path) -> None:
    with serve(tmp_path, workers="1", drain_delay="60") as server:
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(PATIENCE) == 0
