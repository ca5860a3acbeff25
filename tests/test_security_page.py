"""What the page about security says is held to by tests that are there."""

import re
from pathlib import Path

PROJECT = Path(__file__).parents[1]
PAGE = (PROJECT / "docs" / "security.md").read_text()


def is_there(path: str, name: str) -> bool:
    """Is there this file, with a test of this name, if there is a name?"""
    file = PROJECT / path
    return file.exists() and (not name or f"def {name}(" in file.read_text())


def test_every_test_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE))
    assert named
    assert [each for each in sorted(named) if not is_there(*each)] == []


def test_every_section_that_is_met_names_a_test() -> None:
    rows = re.findall(r"^\| \d.*\| (?:met|partly) \| .*$", PAGE, re.MULTILINE)
    assert len(rows) > 20
    assert [row for row in rows if "`tests/" not in row and "documentation of" not in row] == []
