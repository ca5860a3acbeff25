"""``/.well-known/security.txt`` (RFC 9116): where to report a vulnerability of this service."""

from datetime import timedelta
from urllib.parse import urlsplit

from hyperapi.auth.sessions import settings
from hyperapi.clock import now, write_instant
from hyperapi.settings import Settings
from hyperapi.web.replies import Document
from hyperapi.web.routing import OPEN, Place

SECURITY = Place(
    "security", "/security.txt", prefix="/.well-known", document=True, offers=("text/plain",)
)

_VALID = timedelta(days=180)
"""RFC 9116, section 2.5.5, recommends less than a year."""


def places(settings: Settings) -> list[Place]:
    """The place of the file, where the operator gave a contact."""
    return [SECURITY] if settings.security_contact else []


@SECURITY.on("GET", scope=OPEN, alone=True)
def get_security() -> Document:
    """Where to report a vulnerability, for security researchers.

    ``Expires`` is at midnight, so that the file and its tag stay the same for a day. The file has
    no ``Preferred-Languages``: researchers then write in English (RFC 9116, section 2.5.8).
    """
    lines = [f"Contact: {contact}" for contact in settings().security_contact]
    today = now().replace(hour=0, minute=0, second=0, microsecond=0)
    lines.append(f"Expires: {write_instant(today + _VALID)}")
    public = urlsplit(settings().public_url)
    if public.scheme == "https":  # section 2.5.2 takes no other
        lines.append(f"Canonical: https://{public.netloc}{SECURITY.path}")
    return Document("".join(f"{line}\n" for line in lines).encode(), "text/plain; charset=utf-8")
