"""The pages on which a user signs in for an app, and permits it: HTML without a script."""

import hashlib
from base64 import b64encode
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from hyperapi.representations.shape import Headers
from hyperapi.representations.site import Site

_FOLDER = Path(__file__).parent
_STYLE = (_FOLDER / "page.css").read_text() + (_FOLDER / "consent.css").read_text()
_PAGES = Environment(
    loader=FileSystemLoader(_FOLDER),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_PAGE = _PAGES.get_template("consent.html")
_STYLE_HASH = b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()


@dataclass(frozen=True, kw_only=True)
class ConsentPage:
    """The content of a page: to sign in, or with a ticket to permit the app.

    :ivar app: the name of the app; empty where there is none, and nothing to do.
    :ivar place: where the browser returns to.
    :ivar is_local: whether that is a program on the user's machine.
    :ivar is_unknown: whether the operator of the service does not know the app.
    :ivar action: the URI that the form is sent to.
    :ivar error: what the user has to correct, if anything.
    :ivar ticket: the proof of the sign-in; empty before it.
    :ivar scopes: the scopes that the app asks for, with their meanings.
    :ivar chosen: those that are chosen at first.
    :ivar lists: URIs and titles of the lists to choose from; None for no such choice.
    :ivar lives: lives to choose from, in seconds, with what the user reads.
    """

    title: str
    app: str = ""
    place: str = ""
    is_local: bool = False
    is_unknown: bool = False
    action: str = ""
    error: str = ""
    username: str = ""
    ticket: str = ""
    scopes: Sequence[tuple[str, str]] = ()
    chosen: Collection[str] = ()
    lists: Sequence[tuple[str, str]] | None = None
    lives: Sequence[tuple[int, str]] = ()


def written(page: ConsentPage, site: Site) -> str:
    """Return the page as HTML."""
    return _PAGE.render(page=page, site=site, style=_STYLE)


def headers(site: Site, form_actions: str = "") -> Headers:
    """The headers of a page.

    The referrer policy is not ``no-referrer``: the form would then have the origin ``null``.

    :param form_actions: the source that the answer to the form may redirect to.
    """
    images = "; img-src 'self'" if site.logo else ""
    targets = f"'self' {form_actions}" if form_actions else "'none'"
    return (
        (
            "Content-Security-Policy",
            f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action {targets}; "
            f"frame-ancestors 'none'; base-uri 'none'{images}",
        ),
        ("X-Frame-Options", "DENY"),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "same-origin"),
    )
