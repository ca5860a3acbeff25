"""What the processes of one ``hyperapi serve`` have in common: a folder, which ends with them.

In it they count together (:mod:`hyperapi.web.counts`, :mod:`hyperapi.web.metrics`), and learn that
the service is about to stop. A process that was started in another way has none.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

_VARIABLE = "_HYPERAPI_FOLDER"


@contextmanager
def common_folder() -> Iterator[Path]:
    """The folder of this process and of those that it starts, while this lasts."""
    with TemporaryDirectory(prefix="hyperapi-") as folder:
        os.environ[_VARIABLE] = folder
        try:
            yield Path(folder)
        finally:
            del os.environ[_VARIABLE]


def folder() -> Path | None:
    """The folder of the service that this process is part of."""
    found = os.environ.get(_VARIABLE)
    return Path(found) if found else None


def drain() -> None:
    """Tell every process that the service is about to stop."""
    place = folder()
    if place is not None:
        (place / "draining").touch()


def draining() -> bool:
    """Is the service about to stop? It serves still, but should be sent no more."""
    place = folder()
    return place is not None and (place / "draining").exists()
