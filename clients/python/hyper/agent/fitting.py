"""Documents as JSON of a bounded size, in which nothing is hidden from the reader."""

import json
import re
from collections.abc import Mapping
from typing import Any

LARGEST = 24_000
"""Characters of a result: about 6,000 to 8,000 tokens."""

_LONGEST_TEXT = 200
_LONGEST_MESSAGE = 2_000
_MOST_VALUES = 25
_LISTED = ("items", "changes")
_UNSEEN = re.compile(
    "[\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e01ef]"
)
"""Characters that people do not see and models read. JSON escapes the other control characters."""


def fitted(document: Mapping[str, Any]) -> str:
    """Return a document as JSON.

    When it is too large, long texts are cut; then the last entries are named by their URIs alone;
    then long lists are cut. Each cut says how much is missing.
    """
    text = encoded(document)
    if len(text) <= LARGEST:
        return text
    shorter = {name: _cut(value) for name, value in document.items()}
    for name in _LISTED:
        if isinstance(shorter.get(name), list):
            shorter = _with_fewer(shorter, name)
    text = encoded(shorter)
    return text if len(text) <= LARGEST else encoded(_outlined(document))


def encoded(value: Any) -> str:
    """Return a value as JSON. Invisible characters are escaped."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return seen(text)


def seen(text: str) -> str:
    """Escape invisible characters as JSON does."""
    return _UNSEEN.sub(lambda match: _escape(match[0]), text)


def _escape(character: str) -> str:
    units = character.encode("utf-16-be").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))


def shortened(text: str, most: int = _LONGEST_MESSAGE) -> str:
    """Return a text, or its beginning and its length."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"


def _cut(value: Any) -> Any:
    """Cut the texts of a value."""
    if isinstance(value, str):
        return shortened(value, _LONGEST_TEXT)
    if isinstance(value, Mapping):
        return {name: _cut(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_cut(each) for each in value]
    return value


def _with_fewer(document: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a document whose last entries are URIs alone, as many as needed."""
    entries = document[name]
    sizes = [len(encoded(each)) - len(encoded(_name_of(each))) for each in entries]
    excess = len(encoded(document)) - LARGEST + len(f'"more_{name}":[],')
    whole = len(entries)
    while whole and excess > 0:
        whole -= 1
        excess -= sizes[whole]
    rest = [_name_of(each) for each in entries[whole:]]
    return {**document, name: entries[:whole], **({f"more_{name}": rest} if rest else {})}


def _name_of(entry: Any) -> Any:
    return entry.get("uri", "?") if isinstance(entry, Mapping) else "?"


def _outlined(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the first members of a document, with few entries each."""
    outline: dict[str, Any] = {}
    size = 0
    for number, (name, value) in enumerate(document.items()):
        short = _few_of(value)
        size += len(encoded({_cut(name): short}))
        if size > LARGEST - _LONGEST_TEXT:
            outline["left_out"] = f"{len(document) - number:,} members"
            break
        outline[_cut(name)] = short
    return outline


def _few_of(value: Any) -> Any:
    """Return a value with few entries, or the size of a large one."""
    if isinstance(value, list):
        rest = len(value) - _MOST_VALUES
        value = [*value[:_MOST_VALUES], *([f"… ({rest:,} more)"] if rest > 0 else [])]
    size = len(encoded(_cut(value)))
    return _cut(value) if size <= LARGEST // 10 else f"… ({size:,} characters)"
