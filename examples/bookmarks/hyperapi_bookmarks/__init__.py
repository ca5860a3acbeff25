"""Bookmarks: an extension of hyperapi."""

from pathlib import Path

from hyperapi.extension import Extension
from hyperapi_bookmarks.commands import bookmarks
from hyperapi_bookmarks.resource import BOOKMARKS

EXTENSION = Extension(
    name="bookmarks",
    resources=[BOOKMARKS],
    migrations=Path(__file__).with_name("migrations"),
    relations={"same-site": "Your bookmarks of the same site."},
    commands=[bookmarks],
)
