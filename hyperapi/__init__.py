"""hyperapi: a hypermedia to-do API with token authentication."""

from hyperapi.app import create_app
from hyperapi.settings import Settings

__all__ = ["Settings", "create_app"]
