"""Text as it is kept and compared: normal form, and what "ignoring case" means."""

import unicodedata

ANY_TEXT = r"^[^\u0000]*$"
"""What text may be, as a regular expression that JavaScript reads too."""


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
