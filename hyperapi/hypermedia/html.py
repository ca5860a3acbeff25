"""``text/html``: a plain page for a person who opens a resource in a browser, to read and click.

Forms are shown, not sent: a page has no scripts and holds no token.
"""

import hashlib
import re
from base64 import b64encode
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from hyperapi.hypermedia.model import MEANINGS, Resource

MEDIA_TYPE = "text/html"

_NAMES = ("title", "username", "name", "label")
_PAGING = ("first", "prev", "next", "last")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def shape(resource: Resource) -> str:
    """The resource as a page."""
    return _PAGE.render(resource=resource, title=name_of(resource))


def name_of(resource: Resource) -> str:
    """What a person calls a resource: by a member if one names it, else by what it holds."""
    for member in _NAMES:
        if resource.members.get(member):
            return str(resource.members[member])
    named = next((member for member in _NAMES if member in resource.members), None)
    return f"(no {named})" if named else (resource.items_name or "Resource").capitalize()


def _is_uri(content: Any) -> bool:
    return isinstance(content, str) and re.fullmatch(r"https?://[!-~]+", content) is not None


def _is_instant(content: Any) -> bool:
    return isinstance(content, str) and _INSTANT.fullmatch(content) is not None


def _readable(instant: str) -> str:
    """An instant as people write it, to the second."""
    moment = datetime.fromisoformat(instant)
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _page() -> tuple[Any, str]:
    folder = Path(__file__).parent
    style = (folder / "page.css").read_text()
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests |= {"uri": _is_uri, "instant": _is_instant}
    environment.filters["readable"] = _readable
    environment.globals |= {
        "style": style,
        "name_of": name_of,
        "MEANINGS": MEANINGS,
        "PAGING": _PAGING,
    }
    return environment.get_template("page.html"), b64encode(
        hashlib.sha256(style.encode()).digest()
    ).decode()


_PAGE, _STYLE_HASH = _page()

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; "
    f"style-src 'sha256-{_STYLE_HASH}'"
)
"""Nothing but the page's own style: whatever a title holds, it stays text."""
