"""Tries every operation with all that its description lets in, and much that it does not.

    python -m tests.fuzzing [options of `st run`, as --max-time 600]

starts a service of its own and lets Schemathesis at it, with all its checks.
"""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.serving import read_environment, serve

REPOSITORY = Path(__file__).parent.parent
_SCHEMATHESIS = Path(sys.executable).with_name("st")
_CONFIG = Path(__file__).with_suffix(".toml")


def fuzz(folder: Path, *options: str, stranger: bool = False) -> int:
    """The exit status of a run in ``folder``; what it says goes to the standard output.

    :param stranger: is it somebody without a token?
    """
    with serve(folder, workers="1", request_limit="", common_passwords="") as served:
        root = f"{served.url}/api/v1/"
        environment = {
            **read_environment(),
            "PYTHONPATH": os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")]),
            "FUZZED_ROOT": root,
            "FUZZED_BY_A_STRANGER": "yes" if stranger else "",
        }
        ran = subprocess.run(
            [_SCHEMATHESIS, "--config-file", _CONFIG, "run", f"{root}openapi.json", *options],
            cwd=folder,
            env=environment,
            check=False,
        )
        mistakes = [line for line in served.logged if line.get("level") == "error"]
    for mistake in mistakes:
        print(mistake.get("traceback", mistake))
    return ran.returncode or len(mistakes)


if __name__ == "__main__":
    with TemporaryDirectory() as scratch:
        sys.exit(fuzz(Path(scratch), "--continue-on-failure", *sys.argv[1:]))
