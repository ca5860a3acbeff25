"""What the page about security says is held to by tests that are there."""

import re
from pathlib import Path

PROJECT = Path(__file__).parents[1]


def test_every_test_that_the_page_names_is_there() -> None:
    page = (PROJECT / "docs" / "security.md").read_text()
    named = set(re.findall(r"`(tests/[\w/]+\.py)`", page))
    assert named
    assert [path for path in sorted(named) if not (PROJECT / path).exists()] == []
