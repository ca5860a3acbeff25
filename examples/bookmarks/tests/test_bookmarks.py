"""The file of browsers, and the addresses that are refused."""

import pytest
from hyperapi_bookmarks import browser_file
from hyperapi_bookmarks.resource import secret_in

FILE = """<!DOCTYPE NETSCAPE-Bookmark-file-1>
<DL><p>
<DT><H3>Food</H3>
<DL><p>
<DT><A HREF="https://example.org/?a=1&amp;b=2" TAGS="bread,Food">Baker &amp; son</A>
<DD>Closed on Mondays
</DL><p>
<DT><A HREF="https://example.com/" TOREAD="0"></A>
</DL><p>
"""
BAKER = {
    "url": "https://example.org/?a=1&b=2",
    "title": "Baker & son",
    "notes": "Closed on Mondays",
    "tags": ["Food", "bread"],
    "unread": True,
}
OTHER = {
    "url": "https://example.com/",
    "title": "https://example.com/",
    "notes": "",
    "tags": [],
    "unread": False,
}


def test_a_file_of_a_browser_is_read() -> None:
    assert browser_file.read(FILE) == [BAKER, OTHER]


def test_what_is_written_is_read_again() -> None:
    assert browser_file.read("".join(browser_file.write([BAKER, OTHER]))) == [BAKER, OTHER]


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://example.org/?page=2&Token=x", "Token"),
        ("https://example.org/?password", "password"),
        ("https://example.org/token=x#?token=x", None),
        ("https://[/?q=token", None),
    ],
)
def test_a_secret_in_an_address_is_found(url: str, name: str | None) -> None:
    assert secret_in(url) == name
