"""What a client would like, if it is all the same to us (RFC 7240)."""

import re

_QUOTED = r'"(?:[^"\\]|\\.)*"'
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]"  # noqa: S105 - a token of HTTP's grammar
_ELEMENT = re.compile(rf'(?:^|,)((?:[^",]|{_QUOTED})+)(?=,|$)')
_PREFERENCE = re.compile(
    rf"[ \t]*(?P<name>{_TOKEN}+)[ \t]*(?:=[ \t]*(?P<value>{_QUOTED}|{_TOKEN}*)[ \t]*)?(?:;.*)?"
)
_LONGEST = 1000


def preferences(header: str | None) -> dict[str, str]:
    """The preferences of a Prefer header, by name; the first of a name counts.

    What is malformed is passed over, as the RFC asks.
    """
    found: dict[str, str] = {}
    for element in _ELEMENT.findall((header or "")[:_LONGEST]):
        if match := _PREFERENCE.fullmatch(element):
            found.setdefault(match["name"].lower(), (match["value"] or "").strip('"'))
    return found


def seconds_to_wait(header: str | None, most: int) -> int:
    """How long ``wait`` says the client would wait for news; 0 where it says nothing sensible."""
    wanted = preferences(header).get("wait", "")
    return min(int(wanted), most) if re.fullmatch("[0-9]+", wanted) else 0
