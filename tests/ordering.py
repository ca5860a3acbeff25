"""The order in which test files begin.

Each process takes the next file when its last one is nearly done. A long file that begins last is
waited for by all other processes, so the long ones begin first.
"""

from collections import Counter
from pathlib import Path

import pytest

LONG = (
    "ops/test_extensions.py",
    "extension/test_bookmarks.py",
    "ops/test_new_extension.py",
    "test_extending_page.py",
    "extension/test_suite.py",
    "extension/test_rules.py",
    "test_schemathesis.py",
    "sandbox/test_plugin.py",
    "ops/test_watchdog.py",
    "spa/test_serving.py",
    "spa/test_trouble.py",
    "spa/test_typing.py",
    "spa/test_looks.py",
    "test_working_folder.py",
    "ops/test_serving.py",
    "ops/test_stopping.py",
    "ops/test_hostile_clients.py",
    "test_interactive_pages.py",
    "test_patroni.py",
    "test_failover.py",
    "test_generated_clients.py",
    "client/test_docs.py",
    "auth/test_flood.py",
    "resources/test_undo_property.py",
)
"""Files that take 20 s or more, the longest first."""


def long_files_first(items: list[pytest.Item]) -> None:
    """Put the tests of long files first. Files of many tests come next, and of few tests last."""
    missing = [name for name in LONG if not Path(__file__).parent.joinpath(name).exists()]
    assert not missing, f"LONG names files that are not there: {missing}"
    sizes = Counter(item.path for item in items)

    def place(item: pytest.Item) -> tuple[int, int]:
        name = item.nodeid.partition("::")[0].removeprefix("tests/")
        return LONG.index(name) if name in LONG else len(LONG), -sizes[item.path]

    items.sort(key=place)
