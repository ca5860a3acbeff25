"""Where attempts are counted: by one process, by all of a server, by all nodes."""

import logging
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from hyperapi.middleware import counters
from hyperapi.middleware.counters import SharedTable, counter_storage
from hyperapi.settings import Settings, SettingsError
from tests import redis
from tests.conftest import SECRET_KEY, MakeApp, Person


@pytest.fixture
def table(tmp_path: Path) -> Iterator[SharedTable]:
    """A table that this process counts in."""
    found = SharedTable(tmp_path / "counts")
    yield found
    found.close()


# -- the table that processes share


def test_what_one_counts_another_sees(table: SharedTable, tmp_path: Path) -> None:
    other = SharedTable(tmp_path / "counts")
    assert [table.incr("a", 60), other.incr("a", 60), table.incr("b", 60)] == [1, 2, 1]
    assert (other.get("a"), other.get("b"), other.get("c")) == (2, 1, 0)
    assert table.get_expiry("a") == other.get_expiry("a")
    assert 50 < table.get_expiry("a") - time.time() <= 60
    other.clear("a")
    assert (table.get("a"), table.get("b")) == (0, 1)
    other.reset()
    assert table.get("b") == 0
    other.close()


def test_a_count_ends_with_its_time_and_never_falls_below_nothing(table: SharedTable) -> None:
    table.incr("a", 1, 5)
    assert table.incr("a", 1, -7) == 0
    table.incr("a", 1, 5)
    time.sleep(1.1)
    assert table.get("a") == 0
    assert table.incr("a", 60) == 1


def test_when_there_are_too_many_those_that_end_soonest_go(
    table: SharedTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SharedTable, "_ENTRIES", 1)  # all keys have the same choice of entries
    for number in range(100):
        table.incr(str(number), 1000 + number)
    kept = [number for number in range(100) if table.get(str(number))]
    assert kept == list(range(100 - SharedTable._CHOICE, 100))


def test_only_its_owner_may_read_the_table(table: SharedTable, tmp_path: Path) -> None:
    assert table.check()
    assert stat.S_IMODE((tmp_path / "counts").stat().st_mode) == 0o600


def test_threads_and_processes_that_count_at_once_lose_nothing(
    table: SharedTable, tmp_path: Path
) -> None:
    count = (
        "import os, sys; from pathlib import Path\n"
        "from hyperapi.middleware.counters import SharedTable\n"
        "table = SharedTable(Path(sys.argv[1]))\n"
        "forked = os.fork()  # workers inherit the table\n"
        "for _ in range(5000): table.incr('a', 60)\n"
        "sys.exit(os.waitpid(forked, 0)[1] if forked else 0)"
    )
    others = [
        subprocess.Popen([sys.executable, "-c", count, str(tmp_path / "counts")]) for _ in range(2)
    ]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: table.incr("a", 60), range(2000)))
    assert [other.wait(60) for other in others] == [0, 0]
    assert table.get("a") == 22_000


def test_limits_work_on_the_table_as_they_do_in_memory(table: SharedTable) -> None:
    told = []
    for storage in (table, MemoryStorage()):
        limiter, limit = FixedWindowRateLimiter(storage), parse("3/hour")
        hits = [limiter.hit(limit, "sign-in", "alice") for _ in range(5)]
        told.append((hits, limiter.get_window_stats(limit, "sign-in", "alice").remaining))
    assert told[0] == told[1] == ([True] * 3 + [False] * 2, 0)


# -- Redis


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis.Server]:
    """A Redis."""
    with redis.server(tmp_path_factory.mktemp("redis")) as server:
        yield server


def guess(make_app: MakeApp, url: str, number: int) -> list[int]:
    """The statuses of wrong sign-ins, each at another node."""
    nodes = [
        make_app(sign_in_limit="5/hour", rate_limit_storage=url).test_client() for _ in range(2)
    ]
    wrong = {"username": "alice", "password": "a wrong guess"}
    return [
        nodes[turn % 2].post("/api/v1/tokens", json=wrong).status_code for turn in range(number)
    ]


@pytest.mark.only_on("sqlite")
def test_nodes_that_share_a_redis_count_together_and_alone_while_it_is_away(
    make_app: MakeApp,
    server: redis.Server,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(counters, "_BACK_OFF", 0.2)
    make = make_app(rate_limit_storage=server.url)
    Person(make.test_client()).register("alice")
    assert guess(make_app, server.url, 8) == [401] * 5 + [429] * 3
    server.stop()
    with caplog.at_level(logging.WARNING, "hyperapi.counters"):
        began = time.monotonic()
        assert guess(make_app, server.url, 14) == [401] * 10 + [429] * 4
        assert time.monotonic() - began < 5
    assert "each process counts rate limits alone" in caplog.text
    server.start()
    time.sleep(0.25)
    assert guess(make_app, server.url, 7) == [401] * 5 + [429] * 2


def test_redis_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters, "find_spec", lambda name: None)
    chosen = {
        "HYPERAPI_RATE_LIMIT_STORAGE": "redis://127.0.0.1:1/0",
        "HYPERAPI_SECRET_KEYS": SECRET_KEY,
    }
    with pytest.raises(SettingsError, match=r"pip install '.*hyperapi\[redis\]'"):
        counter_storage(Settings.read(chosen))


def test_other_places_are_none() -> None:
    with pytest.raises(SettingsError, match="must begin with redis://"):
        Settings.read({"HYPERAPI_RATE_LIMIT_STORAGE": "memcached://127.0.0.1"})
