"""Writers of several processes take turns."""

import multiprocessing
import time
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

from hyperapi.storage.write_queue import WriteQueue

SPAWN = multiprocessing.get_context("spawn")
PATIENCE = 30.0


def take_turns(folder: Path, name: str, turns: int, order: Any) -> None:
    """Write in a loop, as a busy worker does, and record each turn."""
    queue = WriteQueue(folder)
    for _ in range(turns):
        assert queue.acquire(PATIENCE)
        order.put((name, "begins"))
        time.sleep(0.005)
        order.put((name, "ends"))
        queue.release()


def hold(folder: Path, held: "Synchronized[int]") -> None:
    """Take the turn and keep it until this process is killed."""
    queue = WriteQueue(folder)
    assert queue.acquire(PATIENCE)
    held.value = 1
    time.sleep(PATIENCE)


def test_two_busy_processes_alternate_and_never_overlap(tmp_path: Path) -> None:
    order = SPAWN.SimpleQueue()
    turns = 40
    processes = [
        SPAWN.Process(target=take_turns, args=(tmp_path, name, turns, order)) for name in "ab"
    ]
    for each in processes:
        each.start()
    events = [order.get() for _ in range(4 * turns)]
    for each in processes:
        each.join(PATIENCE)
        assert each.exitcode == 0
    assert events[::2] == [(name, "begins") for name, _ in events[1::2]]
    names = [name for name, _ in events[::2]]
    first = next(place for place, name in enumerate(names) if name != names[0])
    last = len(names) - next(p for p, name in enumerate(reversed(names)) if name != names[-1])
    longest = run = 0
    for before, name in zip(names[first:last], names[first + 1 : last], strict=False):
        run = run + 1 if name == before else 0
        longest = max(longest, run)
    assert longest < turns // 4, names


def test_a_writer_gives_up_after_its_patience_and_takes_over_from_a_killed_one(
    tmp_path: Path,
) -> None:
    held = SPAWN.Value("i", 0)
    holder = SPAWN.Process(target=hold, args=(tmp_path, held))
    holder.start()
    while not held.value:
        assert holder.is_alive()
        time.sleep(0.01)
    queue = WriteQueue(tmp_path)
    assert not queue.acquire(0)
    assert not queue.acquire(0.05)
    holder.kill()
    holder.join(PATIENCE)
    assert queue.acquire(PATIENCE)
    queue.release()
    assert queue.acquire(0)


def test_without_other_processes_there_is_no_file(tmp_path: Path) -> None:
    queue = WriteQueue(None)
    assert queue.acquire(0)
    assert not queue.acquire(0)
    queue.release()
    assert queue.acquire(0)
