"""hyperapi: a hypermedia to-do API with token authentication.

The server's names are found when they are first asked for, so that the client and its command
start without it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hyperapi.app import create_app
    from hyperapi.settings import Settings

__all__ = ["Settings", "create_app"]

_HOMES = {"Settings": "hyperapi.settings", "create_app": "hyperapi.app"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
