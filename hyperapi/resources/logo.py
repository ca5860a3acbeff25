"""The logo of the service."""

from hyperapi.common.logo import MEDIA_TYPES
from hyperapi.http import about
from hyperapi.http.context import Context
from hyperapi.http.problems import NotFound
from hyperapi.http.responses import Document
from hyperapi.http.routes import Route
from hyperapi.http.scopes import OPEN
from hyperapi.settings import Settings

LOGO = Route(about.LOGO, "/logo", document=True, offers=MEDIA_TYPES, root_link="icon")

_HEADERS = [
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
]
"""The policy lets an SVG that is opened by itself have styles, and run no scripts."""


def routes(settings: Settings) -> list[Route]:
    """The route of the logo, where the operator set one."""
    return [LOGO] if settings.logo else []


@LOGO.get(scope=OPEN, own_transactions=True)
def get_logo(ctx: Context) -> Document:
    """The logo of the service, an image."""
    logo = ctx.settings.logo
    if logo is None:
        raise NotFound
    return Document(logo.content, logo.media_type, _HEADERS)
