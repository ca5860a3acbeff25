"""Text for the patterns of forms: it is found, and in a bounded number of steps."""

import re
from random import Random
from typing import Any

import pytest

from hyperapi.testing import filling

LONGEST = 2000


class CountingRandom(Random):
    """Random numbers that count the characters chosen."""

    chosen = 0

    def choice(self, seq: Any) -> Any:
        self.chosen += 1
        return super().choice(seq)


@pytest.mark.parametrize(
    "pattern",
    [
        r"^https?://[^/]+/\S*$",
        r"^https?://[^/]+/[^?]*\?\S*$",
        r"^(?:[a-z]+-?)+$",
        r"^[a-z]{3,}( [a-z]{3,}){2,}$",
    ],
)
def test_open_repeats_share_the_length_of_a_text(pattern: str) -> None:
    random = CountingRandom(1)
    text = filling.text_for({"pattern": pattern, "maxLength": LONGEST}, random)
    assert re.search(pattern, text)
    assert len(text) <= LONGEST
    assert random.chosen <= 3 * LONGEST


def test_a_character_class_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    found = filling._in_category

    def counted(category: str, character: str) -> bool:
        asked.append(character)
        return found(category, character)

    monkeypatch.setattr(filling, "_in_category", counted)
    filling._characters.cache_clear()
    filling.text_for({"pattern": r"^[\w.]*$", "maxLength": LONGEST}, Random(1))
    assert len(asked) == len(set(asked))
