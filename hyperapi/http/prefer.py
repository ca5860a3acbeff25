"""The Prefer header: optional preferences of a client (RFC 7240)."""

import re

_QUOTED = r'"(?:[^"\\]|\\.)*"'
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]"  # noqa: S105 - a token of HTTP's grammar
_ELEMENT = re.compile(rf'(?:^|,)((?:[^",]|{_QUOTED})+)(?=,|$)')
_PREFERENCE = re.compile(
    rf"[ \t]*(?P<name>{_TOKEN}+)[ \t]*(?:=[ \t]*(?P<value>{_QUOTED}|{_TOKEN}*)[ \t]*)?(?:;.*)?"
)
_LONGEST = 1000


def preferences(header: str | None) -> dict[str, str]:
    """Return the preferences of a Prefer header by name. The first of a name counts.

    Malformed elements are ignored, as the RFC requires.
    """
    found: dict[str, str] = {}
    for element in _ELEMENT.findall((header or "")[:_LONGEST]):
        if match := _PREFERENCE.fullmatch(element):
            found.setdefault(match["name"].lower(), (match["value"] or "").strip('"'))
    return found


def seconds_to_wait(header: str | None, most: int) -> int:
    """Return the seconds of the preference ``wait``, at most ``most``; 0 without a valid one."""
    wanted = preferences(header).get("wait", "")
    return min(int(wanted), most) if re.fullmatch("[0-9]+", wanted) else 0
