"""Text as it is kept and compared: normal form, and what "ignoring case" means."""

import re
import unicodedata

ANY_TEXT = r"^[^\u0000]*$"
"""What text may be, as a regular expression that JavaScript reads too."""
UUID = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
"""A UUID in any case, as a part of such an expression."""


def normal(text: str) -> str:
    """``text`` in Unicode's normal form C, so that what looks alike is stored alike.

    :raises ValueError: for NUL and lone surrogates, which no database and no UTF-8 can hold.
    """
    if "\x00" in text:
        raise ValueError("must not contain NUL")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError("must not contain lone surrogates") from None
        return unicodedata.normalize("NFC", text)
    return text


def folded(text: str) -> str:
    """``text`` without differences of case, in all of Unicode (full case folding, then NFC)."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())


def literal(text: str) -> str:
    """A regular expression that ``text`` alone matches, with no escape that JavaScript refuses."""
    return re.sub(r"([.*+?^${}()|\[\]\\])", r"\\\1", text)
