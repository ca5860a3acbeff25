"""The pages on which a user sets a new password: HTML without a script."""

from dataclasses import dataclass, replace

from hyperapi.representations import html
from hyperapi.representations.shape import Headers
from hyperapi.representations.site import Site

_PAGE = html.PAGES.get_template("recovery.html")


@dataclass(frozen=True, kw_only=True)
class RecoveryPage:
    """The content of a page.

    :ivar token: what the form sends back; empty after the password was set.
    :ivar until: the end of the token.
    :ivar action: the URI that the form is sent to; afterwards, the URI to continue at.
    :ivar shortest: the least number of characters of a password.
    :ivar longest: the greatest number.
    :ivar error: why the last password was refused, if one was.
    """

    username: str
    action: str
    token: str = ""
    until: str = ""
    shortest: int = 0
    longest: int = 0
    error: str = ""


def written(page: RecoveryPage, site: Site) -> str:
    """Return the page as HTML."""
    return _PAGE.render(page=page, site=replace(site, script=None))


def headers(site: Site) -> Headers:
    """The headers of a page, whose form may be sent to this origin only."""
    return html.headers(replace(site, script=None), "'self'")
