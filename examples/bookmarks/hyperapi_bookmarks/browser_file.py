"""The file of bookmarks that browsers export: HTML from the days of Netscape."""

from collections.abc import Iterable, Iterator, Mapping
from html import escape
from html.parser import HTMLParser
from typing import Any

_HEAD = (
    "<!DOCTYPE NETSCAPE-Bookmark-file-1>\n<TITLE>Bookmarks</TITLE>\n<H1>Bookmarks</H1>\n<DL><p>\n"
)


def read(text: str) -> list[dict[str, Any]]:
    """Return the bookmarks of a file, as members. A folder becomes a tag of what is in it."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return [_cut(each) for each in reader.found]


def write(bookmarks: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the parts of a file of bookmarks."""
    yield _HEAD
    for each in bookmarks:
        marks = {
            "HREF": each["url"],
            "TAGS": ",".join(each["tags"]),
            "TOREAD": "01"[each["unread"]],
        }
        written = " ".join(f'{name}="{escape(value)}"' for name, value in marks.items())
        yield f"<DT><A {written}>{escape(each['title'])}</A>\n"
        if each["notes"]:
            yield f"<DD>{escape(each['notes'])}\n"
    yield "</DL><p>\n"


def _cut(members: dict[str, Any]) -> dict[str, Any]:
    """Cut what is too long for a bookmark, and name it by its address where it has no title."""
    tags = dict.fromkeys(tag.strip()[:50] for tag in members["tags"] if tag.strip())
    return {
        **members,
        "title": (members["title"].strip() or members["url"])[:200],
        "notes": members["notes"].strip()[:2000],
        "tags": list(tags)[:20],
    }


class _Reader(HTMLParser):
    """Reads bookmarks. The file leaves most of its elements open."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict[str, Any]] = []
        self._folders: list[str] = []
        self._heading = ""
        self._into = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "a":
            tags = [*filter(None, self._folders), *given.get("tags", "").split(",")]
            unread = given.get("toread", "1") == "1"
            new = {"url": given.get("href", ""), "title": "", "notes": "", "tags": tags}
            self.found.append({**new, "unread": unread})
        elif tag == "h3":
            self._heading = ""
        elif tag == "dl":
            self._folders.append(self._heading)
            self._heading = ""
        self._into = {"a": "title", "dd": "notes", "h3": "heading"}.get(tag, "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "dl" and self._folders:
            self._folders.pop()
        self._into = ""

    def handle_data(self, data: str) -> None:
        if self._into == "heading":
            self._heading += data
        elif self._into and self.found:
            self.found[-1][self._into] += data
