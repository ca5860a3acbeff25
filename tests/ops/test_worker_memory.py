"""The memory of workers: what they share, and what they give back."""

import subprocess
import sys
from multiprocessing import get_start_method
from pathlib import Path

import pytest

from tests.serving import serve, workers_of

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux's /proc"
)

BLOCKS = """
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from hyperapi.ops import worker_memory

def used():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

def hash_like_passwords(_):
    for _ in range(3):
        memory, result = bytearray(20_000_000), bytearray(1000)
        del memory

worker_memory.keep_little()
before = used()
with ThreadPoolExecutor(4) as threads:
    list(threads.map(hash_like_passwords, range(8)))
print(used() - before)
"""


@pytest.mark.skipif(get_start_method() != "fork", reason="needs workers that are forks")
def test_workers_share_what_was_imported_before_they_started(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        for worker in workers_of(server):
            kept = memory(worker)
            assert kept["Shared_Dirty"] > kept["Private_Dirty"], kept


def test_memory_of_password_hashes_is_given_back() -> None:
    command = [sys.executable, "-P", "-c", BLOCKS]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert int(ran.stdout) < 5_000_000


def memory(process: int) -> dict[str, int]:
    """The kilobytes of a process's memory, by kind."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]
    return {name: int(size.split()[0]) for name, _, size in (line.partition(":") for line in lines)}
