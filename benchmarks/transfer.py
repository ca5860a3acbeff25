"""Import and export 100,000 tasks with ``hyper``, on a server with one worker.

    python -m benchmarks.transfer [NUMBER]

The exit status is 1 when a request failed, or the exported lines differ from the imported ones.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.serve import served
from tests.hyper import lines

NUMBER = 100_000
PASSWORD = "correct horse battery"
HYPER = [sys.executable, "-m", "hyper"]
SERVE = ("-m", "hyperapi", "serve")


def main(arguments: Sequence[str]) -> int:
    """Import, export, compare, and print the times."""
    number = int(arguments[0]) if arguments else NUMBER
    with TemporaryDirectory() as name:
        folder = Path(name)
        settings = {"HYPERAPI_WORKERS": "1", "HYPERAPI_INSTANCE": str(folder)}
        log = folder / "log"
        with served("hyperapi", SERVE, settings, log) as server:
            os.environ["XDG_CONFIG_HOME"] = str(folder / "config")
            url = f"http://127.0.0.1:{server.port}"
            hyper("register", url, "--username", "ann", "--password-stdin", typed=PASSWORD)
            before, after = folder / "todo.txt", folder / "out.txt"
            before.write_text("".join(f"{line}\n" for line in lines.some(number)), newline="")
            for command, file in (("import", before), ("export", after)):
                cpu, start = server.cpu_seconds(), time.perf_counter()
                hyper(command, str(file), "--list", "Todo")
                took, cpu = time.perf_counter() - start, server.cpu_seconds() - cpu
                print(f"{command}: {number:,} tasks in {took:.1f} s, server's CPU {cpu:.1f} s")
        same = sorted(before.read_bytes().split(b"\n")) == sorted(after.read_bytes().split(b"\n"))
        statuses = answered(log)
    failed = [status for status in statuses if status >= 400]
    print(
        f"{len(statuses)} requests, {len(failed)} failed; {'the same' if same else 'NOT the same'}"
    )
    return int(bool(failed) or not same)


def answered(log: Path) -> list[int]:
    """The statuses of all requests that a server's log tells of, but for the first: it asks
    whether the server is up, and where nothing is."""
    records = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    return [record["status"] for record in records if record.get("event") == "request"][1:]


def hyper(*arguments: str, typed: str = "") -> None:
    """Run a command. It shows its progress on a terminal."""
    subprocess.run([*HYPER, *arguments], input=typed, text=True, check=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
