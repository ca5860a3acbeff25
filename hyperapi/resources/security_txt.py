"""``/.well-known/security.txt`` (RFC 9116): where to report a vulnerability of this service."""

from datetime import timedelta
from urllib.parse import urlsplit

from hyperapi.common.clock import now, write_instant
from hyperapi.http.context import Context
from hyperapi.http.responses import Document
from hyperapi.http.routes import Route
from hyperapi.http.scopes import OPEN
from hyperapi.settings import Settings

SECURITY = Route(
    "security", "/security.txt", prefix="/.well-known", document=True, offers=("text/plain",)
)

_VALID = timedelta(days=180)
"""RFC 9116, section 2.5.5, recommends less than a year."""


def routes(settings: Settings) -> list[Route]:
    """The route of the file, where the operator gave a contact."""
    return [SECURITY] if settings.security_contact else []


@SECURITY.get(scope=OPEN, own_transactions=True)
def get_security(ctx: Context) -> Document:
    """Where to report a vulnerability, for security researchers.

    ``Expires`` is at midnight, so that the file and its tag stay the same for a day. The file has
    no ``Preferred-Languages``: researchers then write in English (RFC 9116, section 2.5.8).
    """
    lines = [f"Contact: {contact}" for contact in ctx.settings.security_contact]
    today = now().replace(hour=0, minute=0, second=0, microsecond=0)
    lines.append(f"Expires: {write_instant(today + _VALID)}")
    public = urlsplit(ctx.settings.public_url)
    if public.scheme == "https":  # section 2.5.2 takes no other
        lines.append(f"Canonical: https://{public.netloc}{SECURITY.path}")
    return Document("".join(f"{line}\n" for line in lines).encode(), "text/plain; charset=utf-8")
