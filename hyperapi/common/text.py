"""Text as it is stored and compared: normal form, case folding, and the limits of both.

Unicode normalization takes time that grows with the square of a run of combining marks, and holds
the interpreter's lock meanwhile. So :func:`normal` and :func:`folded` are the only functions that
normalize or fold, and they refuse long runs first.
"""

import re
import unicodedata
from functools import cache
from typing import Literal

ANY_TEXT = r"^[^\u0000]*$"
"""What text may be, as a regular expression that JavaScript reads too."""
UUID = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
"""A UUID in any case, as a part of such an expression."""
MOST_MARKS = 30
"""How many combining marks may follow each other (UAX #15, Stream-Safe Text Format)."""
_MOST_COMPOSED = 4  # code points that normalization makes one of, at most (UAX #15, section 9)

NormalForm = Literal["NFC", "NFKC"]


def normal(text: str, longest: int, form: NormalForm = "NFC") -> str:
    """``text`` in a normal form of Unicode, in linear time.

    :param longest: the most code points that the result may have.
    :raises ValueError: for text that is longer, has more than ``MOST_MARKS`` combining marks in a
        row, or holds NUL or a lone surrogate, which no database and no UTF-8 can hold.
    """
    if len(text) > longest * _MOST_COMPOSED:  # too long whatever its normal form is
        raise _too_long(longest)
    if "\x00" in text:
        raise ValueError("must not contain NUL")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError("must not contain lone surrogates") from None
        _demand_short_runs(text)
        composed = unicodedata.normalize(form, text)
        if composed is not text:  # one mark can become several; stored text can be sent back
            _demand_short_runs(composed)
        text = composed
    if len(text) > longest:
        raise _too_long(longest)
    return text


def folded(text: str) -> str:
    """``text`` without differences of case, in all of Unicode (full case folding, then NFC).

    :raises ValueError: for more than ``MOST_MARKS`` combining marks in a row.
    """
    if text.isascii():
        return text.lower()
    _demand_short_runs(text)
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())


def literal(text: str) -> str:
    """A regular expression that ``text`` alone matches, with no escape that JavaScript refuses."""
    return re.sub(r"([.*+?^${}()|\[\]\\])", r"\\\1", text)


def _too_long(longest: int) -> ValueError:
    return ValueError(f"must not be longer than {longest} characters")


def _demand_short_runs(text: str) -> None:
    """:raises ValueError: for more than ``MOST_MARKS`` combining marks in a row."""
    step = MOST_MARKS + 1  # a longer run covers one of every 31 places: look at those alone
    if len(text) < step or marks().isdisjoint(text[MOST_MARKS::step]):
        return
    if any(_run_around(text, place) > MOST_MARKS for place in range(MOST_MARKS, len(text), step)):
        raise ValueError(f"must not have more than {MOST_MARKS} combining marks in a row")


def _run_around(text: str, place: int) -> int:
    """How many combining marks stand together at a place, as far as that decides anything."""
    known, start, end = marks(), place, place
    while end < len(text) and text[end] in known and end - start <= MOST_MARKS:
        end += 1
    while end > place and start and text[start - 1] in known and end - start <= MOST_MARKS:
        start -= 1
    return end - start


@cache
def marks() -> frozenset[str]:
    """Every combining mark, and the two halfwidth letters that NFKC makes marks of."""
    blocks = (*range(0x300, 0x20000), *range(0xE0100, 0xE01F0))
    found = (chr(code) for code in blocks if unicodedata.category(chr(code)).startswith("M"))
    return frozenset(found) | {"\uff9e", "\uff9f"}
