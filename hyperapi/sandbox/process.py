"""A sandbox in a process of its own, for the duration of a block in Python."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryFile

from hyperapi.sandbox.client import Sandbox, connect

# -P: a module beside the tests, such as secrets.py, must not hide one that the server needs.
_COMMAND = [sys.executable, "-P", "-m", "hyperapi", "sandbox"]
_OF_A_CONTAINER = "HYPERAPI_SANDBOX_"
_PATIENCE = 30.0


@dataclass
class OwnSandbox(Sandbox):
    """A sandbox that this program runs.

    :ivar process: the server process.
    """

    process: subprocess.Popen[str]


@contextmanager
def sandbox(*options: str, extensions: Sequence[str] = ()) -> Iterator[OwnSandbox]:
    """Run a sandbox for the duration of the block.

    :param options: options of ``hyperapi sandbox``.
    :param extensions: the extensions that it serves; without any, those of the environment.
    :raises RuntimeError: when it does not start. The message has its error output.
    """
    # Variables of a sandbox in a container do not concern this one.
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(_OF_A_CONTAINER)
    }
    named = {"HYPERAPI_EXTENSIONS": ",".join(extensions)} if extensions else {}
    with TemporaryFile("w+") as said:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [*_COMMAND, *options],
            env={**inherited, **named},
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        )
        with process:
            try:
                assert process.stdout is not None
                line = process.stdout.readline()
                if not line:
                    process.wait(_PATIENCE)
                    said.seek(0)
                    raise RuntimeError(f"hyperapi sandbox does not start. {said.read().strip()}")
                greeting = json.loads(line)
                # The secret: when it is not on a loopback address.
                with connect(greeting["root"], greeting.get("control_secret")) as running:
                    yield OwnSandbox(running.root, running.http, process)
            finally:
                _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
