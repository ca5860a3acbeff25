"""Schemathesis, with all its checks, finds nothing that the service does and does not say.

This is a small part of what `make fuzz` tries, and always the same part.
"""

from pathlib import Path

import pytest

from tests.fuzzing import fuzz

ALWAYS_THE_SAME = ("--seed", "1", "--generation-deterministic")


def test_nothing_is_found_by_somebody_signed_in(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    found = fuzz(tmp_path, "--max-examples", "3", *ALWAYS_THE_SAME)
    assert found == 0, capfd.readouterr().out


def test_nothing_is_found_by_a_stranger(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    few = ("--max-examples", "2", "--phases", "fuzzing")
    found = fuzz(tmp_path, *few, *ALWAYS_THE_SAME, stranger=True)
    assert found == 0, capfd.readouterr().out
