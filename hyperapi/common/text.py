"""Normal form and case folding of stored text, with limits on both.

The cost of Unicode normalization grows with the square of the length of a run of combining marks,
and normalization holds the interpreter's lock. Therefore only :func:`normal` and :func:`folded`
normalize text, and both refuse long runs first.
"""

import re
import unicodedata
from functools import cache
from typing import Literal

ANY_TEXT = r"^[^\u0000]*$"
"""A regular expression for accepted text. JavaScript reads it too."""
UUID = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
"""A UUID in upper or lower case, as a part of a regular expression."""
MOST_MARKS = 30
"""The longest accepted run of combining marks (UAX #15, Stream-Safe Text Format)."""
_MOST_COMPOSED = 4  # normalization joins at most this many code points (UAX #15, section 9)

NormalForm = Literal["NFC", "NFKC"]


def normal(text: str, longest: int, form: NormalForm = "NFC") -> str:
    """Return ``text`` in a Unicode normal form, in linear time.

    :param longest: the maximum number of code points of the result.
    :raises ValueError: for text that is too long, has more than ``MOST_MARKS`` combining marks in a
        row, or contains NUL or a lone surrogate, which databases and UTF-8 cannot store.
    """
    if len(text) > longest * _MOST_COMPOSED:  # too long in every normal form
        raise _too_long(longest)
    if "\x00" in text:
        raise ValueError("must not contain NUL")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError("must not contain lone surrogates") from None
        _refuse_long_runs(text)
        composed = unicodedata.normalize(form, text)
        if composed is not text:  # one mark may become several, and stored text may come back
            _refuse_long_runs(composed)
        text = composed
    if len(text) > longest:
        raise _too_long(longest)
    return text


def folded(text: str) -> str:
    """Return ``text`` without case differences (full Unicode case folding, then NFC).

    :raises ValueError: for more than ``MOST_MARKS`` combining marks in a row.
    """
    if text.isascii():
        return text.lower()
    _refuse_long_runs(text)
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())


def literal(text: str) -> str:
    """Return a regular expression that matches ``text`` only. JavaScript accepts its escapes."""
    return re.sub(r"([.*+?^${}()|\[\]\\])", r"\\\1", text)


def _too_long(longest: int) -> ValueError:
    return ValueError(f"must not be longer than {longest} characters")


def _refuse_long_runs(text: str) -> None:
    """Refuse text with more than ``MOST_MARKS`` combining marks in a row.

    :raises ValueError: for such text.
    """
    step = MOST_MARKS + 1  # a longer run covers at least one of every 31 positions
    if len(text) < step or marks().isdisjoint(text[MOST_MARKS::step]):
        return
    if any(
        _run_around(text, position) > MOST_MARKS for position in range(MOST_MARKS, len(text), step)
    ):
        raise ValueError(f"must not have more than {MOST_MARKS} combining marks in a row")


def _run_around(text: str, position: int) -> int:
    """Return the length of the run of combining marks at a position, counted up to the limit."""
    known, start, end = marks(), position, position
    while end < len(text) and text[end] in known and end - start <= MOST_MARKS:
        end += 1
    while end > position and start and text[start - 1] in known and end - start <= MOST_MARKS:
        start -= 1
    return end - start


@cache
def marks() -> frozenset[str]:
    """Return all combining marks, and the two halfwidth letters that NFKC turns into marks."""
    blocks = (*range(0x300, 0x20000), *range(0xE0100, 0xE01F0))
    found = (chr(code) for code in blocks if unicodedata.category(chr(code)).startswith("M"))
    return frozenset(found) | {"\uff9e", "\uff9f"}
