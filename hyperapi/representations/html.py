"""``text/html``: a plain page for a person who opens a resource in a browser, to read and click.

Forms are shown, not sent: a page has no scripts and holds no token.
"""

import hashlib
import re
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from hyperapi.representations.resource import MEANINGS, Resource

MEDIA_TYPE = "text/html"
CONTENT_TYPE = "text/html; charset=utf-8"

_NAMES = ("title", "username", "name", "label")
_LEADS = ("description", "meaning")
_UPWARDS = ("up", "collection", "list")
_PAGING = ("first", "prev", "next", "last")
_URI = re.compile(r"https?://[!-~]+")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def shape(resource: Resource) -> str:
    """The resource as a page."""
    return _PAGE.render(resource=resource, title=name_of(resource))


def problem_page(
    problem: Mapping[str, Any], meaning: str, links: Mapping[str, str], retry_after: str | None
) -> str:
    """A problem document as a page.

    :param problem: its members (RFC 9457); those that a page does not show are left out.
    :param meaning: what its type means and what to do about it; code stands between backticks.
    :param links: where to go on, URIs by their labels.
    :param retry_after: in how many seconds to try again.
    """
    shown = {"errors": (), **problem}
    return _PROBLEM.render(problem=shown, meaning=meaning, links=links, retry_after=retry_after)


def name_of(resource: Resource) -> str:
    """What a person calls a resource: by a member if one names it, else by what it holds."""
    for member in _NAMES:
        if resource.members.get(member):
            return str(resource.members[member])
    named = next((member for member in _NAMES if member in resource.members), None)
    if named:
        return f"(no {named})"
    held = resource.items_name if resource.entries is None else "changes"
    return (held or "resource").capitalize()


def _lead_of(resource: Resource) -> str:
    """What a resource says about itself in whole sentences, to stand before the rest."""
    return next((str(resource.members[name]) for name in _LEADS if resource.members.get(name)), "")


def _paged(resource: Resource) -> bool:
    """Is there more than this page?"""
    return any(resource.links.get(relation) for relation in ("prev", "next"))


def _is_uri(content: Any) -> bool:
    return isinstance(content, str) and _URI.fullmatch(content) is not None


def _is_instant(content: Any) -> bool:
    return isinstance(content, str) and _INSTANT.fullmatch(content) is not None


def _readable(instant: str) -> str:
    """An instant as people write it, to the minute."""
    return f"{instant[:10]} {instant[11:16]} UTC"


def _prose(text: str) -> Markup:
    """Text of ours, in which names of code stand between backticks."""
    return Markup(re.sub(r"`([^`\n]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704


_FOLDER = Path(__file__).parent
_STYLE = (_FOLDER / "page.css").read_text()
_PAGES = Environment(
    loader=FileSystemLoader(_FOLDER),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_PAGES.tests |= {"uri": _is_uri, "instant": _is_instant}
_PAGES.filters |= {"readable": _readable, "prose": _prose}
_PAGES.globals |= {
    "style": _STYLE,
    "name_of": name_of,
    "lead_of": _lead_of,
    "paged": _paged,
    "MEANINGS": MEANINGS,
    "UPWARDS": _UPWARDS,
    "PAGING": _PAGING,
}
_PAGE = _PAGES.get_template("page.html")
_PROBLEM = _PAGES.get_template("problem.html")

_STYLE_HASH = b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; "
    f"style-src 'sha256-{_STYLE_HASH}'"
)
"""Nothing but the page's own style: whatever a title holds, it stays text."""

HEADERS = (
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
)
"""The headers of every page."""
