"""hyperapi: a hypermedia to-do API with token authentication.

The public names are imported when they are first used, so that the pytest plugin starts without
the server.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hyperapi.app import create_app
    from hyperapi.settings import Settings

__all__ = ["Settings", "create_app"]


def __getattr__(name: str) -> Any:
    if name == "create_app":
        from hyperapi import app  # noqa: PLC0415 - see above

        return app.create_app
    if name == "Settings":
        from hyperapi import settings  # noqa: PLC0415 - see above

        return settings.Settings
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
