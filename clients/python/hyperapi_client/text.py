"""Text as the server compares it: normal form and case folding, in linear time.

The time of Unicode normalization grows with the square of a run of combining marks. So only
:func:`normal` and :func:`folded` normalize or fold, and they check for long runs first, as the
server does.
"""

import unicodedata
from functools import cache

MOST_MARKS = 30
"""How many combining marks may follow each other (UAX #15, Stream-Safe Text Format)."""


def normal(text: str) -> str:
    """Return text in the normal form that the server stores (NFC).

    :raises ValueError: for more than ``MOST_MARKS`` combining marks in a row.
    """
    _demand_short_runs(text)
    return unicodedata.normalize("NFC", text)


def folded(text: str) -> str:
    """Return text without differences of case, as the server compares titles.

    Text with longer runs of marks, which no server stores, is not normalized.
    """
    try:
        _demand_short_runs(text)
    except ValueError:
        return text.casefold()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())


def _demand_short_runs(text: str) -> None:
    """:raises ValueError: for more than ``MOST_MARKS`` combining marks in a row."""
    step = MOST_MARKS + 1  # a longer run covers one of every 31 positions
    if len(text) < step or text.isascii() or _marks().isdisjoint(text[MOST_MARKS::step]):
        return
    if any(_run_around(text, place) > MOST_MARKS for place in range(MOST_MARKS, len(text), step)):
        raise ValueError(f"must not have more than {MOST_MARKS} combining marks in a row")


def _run_around(text: str, place: int) -> int:
    """Count the combining marks around a position, up to the bound."""
    known, start, end = _marks(), place, place
    while end < len(text) and text[end] in known and end - start <= MOST_MARKS:
        end += 1
    while end > place and start and text[start - 1] in known and end - start <= MOST_MARKS:
        start -= 1
    return end - start


@cache
def _marks() -> frozenset[str]:
    blocks = (*range(0x300, 0x20000), *range(0xE0100, 0xE01F0))
    found = (chr(code) for code in blocks if unicodedata.category(chr(code)).startswith("M"))
    return frozenset(found)
