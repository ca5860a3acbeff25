"""What a client would like, if it is all the same to us (RFC 7240)."""

import re

_PREFERENCE = re.compile(
    r"""\s*(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+)
    \s*(?:=\s*(?P<value>"(?:[^"\\]|\\.)*"|[!#$%&'*+.^_`|~0-9A-Za-z-]*))?
    \s*(?:;[^,]*)?(?:,|$)""",
    re.VERBOSE,
)
_LONGEST = 1000


def preferences(header: str | None) -> dict[str, str]:
    """The preferences of a Prefer header, by name; the first of a name counts, others are noise.

    What is malformed is passed over, as the RFC asks.
    """
    found: dict[str, str] = {}
    for match in _PREFERENCE.finditer((header or "")[:_LONGEST]):
        value = (match["value"] or "").strip('"')
        found.setdefault(match["name"].lower(), value)
    return found


def seconds_to_wait(header: str | None, most: int) -> int:
    """How long ``wait`` says the client would wait for news; 0 where it says nothing sensible."""
    wanted = preferences(header).get("wait", "")
    return min(int(wanted), most) if re.fullmatch("[0-9]{1,9}", wanted) else 0
