"""``text/html``: a plain page for a person who opens a resource in a browser, to read and click.

Forms are shown, not sent: a page has no scripts and holds no token.
"""

import hashlib
from base64 import b64encode
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from hyperapi.hypermedia.model import Resource

MEDIA_TYPE = "text/html"

_FOLDER = Path(__file__).parent
_STYLE = (_FOLDER / "page.css").read_text()
_PAGE = Environment(
    loader=FileSystemLoader(_FOLDER),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
).get_template("page.html")

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; "
    f"style-src 'sha256-{b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'"
)
"""Nothing but the page's own style: whatever a title holds, it stays text."""


def shape(resource: Resource) -> str:
    """The resource as a page."""
    return _PAGE.render(resource=resource, style=_STYLE, title=_title(resource))


def _title(resource: Resource) -> str:
    named = (resource.members.get(name) for name in ("title", "username", "name", "label"))
    return next((str(name) for name in named if name), resource.items_name or "Resource")
