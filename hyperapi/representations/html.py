"""``text/html``: a page for people who open a resource in a browser.

The page itself shows forms and cannot send them, because a browser sends no token. Where the
operator allows it, a script replaces what it shows by forms that can be sent.

Other pages of the service extend ``base.html`` and use :data:`PAGES`.
"""

import hashlib
import re
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from hyperapi.representations.relations import MEANINGS
from hyperapi.representations.resource import Resource
from hyperapi.representations.shape import Headers, Shape
from hyperapi.representations.site import Site

MEDIA_TYPE = "text/html"
CONTENT_TYPE = "text/html; charset=utf-8"

_PLAIN = Site()
_UPWARDS = ("up", "collection", "list")
_PAGING = ("first", "prev", "next", "last")


def shape(resource: Resource, site: Site = _PLAIN) -> str:
    """The resource as an HTML page."""
    return _PAGE.render(resource=resource, title=name_of(resource), site=site)


def problem_page(
    problem: Mapping[str, Any],
    meaning: str,
    links: Mapping[str, str],
    retry_after: str | None,
    site: Site = _PLAIN,
) -> str:
    """A problem document as a page.

    :param problem: its members (RFC 9457). A page shows some of them.
    :param meaning: what its type means and what to do; code is between backticks.
    :param links: URIs to continue at, by their labels.
    :param retry_after: the seconds to wait before trying again; None without any.
    """
    shown = {"errors": (), **problem}
    return _PROBLEM.render(
        problem=shown, meaning=meaning, links=links, retry_after=retry_after, site=site
    )


def name_of(resource: Resource) -> str:
    """The name that people see: that of the resource, or of what it holds."""
    member = resource.type.titled_by
    if member:
        return str(resource.members.get(member) or f"(no {member})")
    return (
        resource.type.items_name or resource.type.entries_name or resource.type.name
    ).capitalize()


def _lead_of(resource: Resource) -> str:
    """The sentences that describe a resource; empty without any."""
    return str(resource.members.get(resource.type.lead) or "")


def _paged(resource: Resource) -> bool:
    """Whether there are other pages."""
    return any(resource.links.get(relation) for relation in ("prev", "next"))


def _readable(instant: str) -> str:
    """An instant for people, to the minute."""
    return f"{instant[:10]} {instant[11:16]} UTC"


def _prose(text: str) -> Markup:
    """Our own text as HTML, with code between backticks marked up."""
    return Markup(re.sub(r"`([^`\n]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704


_FOLDER = Path(__file__).parent
_STYLE = (_FOLDER / "page.css").read_text()
PAGES = Environment(
    loader=FileSystemLoader(_FOLDER),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
PAGES.filters |= {"readable": _readable, "prose": _prose}
PAGES.globals |= {
    "style": _STYLE,
    "name_of": name_of,
    "lead_of": _lead_of,
    "paged": _paged,
    "MEANINGS": MEANINGS,
    "UPWARDS": _UPWARDS,
    "PAGING": _PAGING,
}
_PAGE = PAGES.get_template("page.html")
_PROBLEM = PAGES.get_template("problem.html")

_STYLE_HASH = b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_LOADS_NOTHING = (
    f"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; style-src 'sha256-{_STYLE_HASH}'"
)
_RUNS_SCRIPT = (
    "script-src 'self'; connect-src 'self'; require-trusted-types-for 'script'; "
    "trusted-types 'none'"
)
"""The files of the script, requests to the service, and no HTML from text."""


def content_security_policy(site: Site, form_action: str = "'none'") -> str:
    """Return the policy of a page: its own style, its script, and a logo of its own origin.

    Markup in a title does nothing.
    """
    policy = [_LOADS_NOTHING, f"form-action {form_action}"]
    if site.script:
        policy.append(_RUNS_SCRIPT)
    if site.logo:
        policy.append("img-src 'self'")
    return "; ".join(policy)


def headers(site: Site, form_action: str = "'none'") -> Headers:
    """The headers of a page.

    :param form_action: the sources that its forms may be sent to (CSP).
    """
    return (
        ("Content-Security-Policy", content_security_policy(site, form_action)),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
    )


SHAPE = Shape(
    media_type=MEDIA_TYPE,
    render=shape,
    content_type=CONTENT_TYPE,
    shows_site=True,
    headers=headers,
    only_by_name=True,
    shows_forms=True,
)
