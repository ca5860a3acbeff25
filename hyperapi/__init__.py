"""hyperapi: a hypermedia to-do API with token authentication."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hyperapi.app import create_app
    from hyperapi.settings import Settings

__all__ = ["Settings", "create_app"]

_HOMES = {"Settings": "hyperapi.settings", "create_app": "hyperapi.app"}


def __getattr__(name: str) -> Any:
    """The public names, imported when they are first used: a client does without the server."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
