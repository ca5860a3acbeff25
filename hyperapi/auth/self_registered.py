"""Apps that registered themselves (RFC 7591). Nothing of them is stored.

The id of such an app is made of hashes of its redirect URIs. An authorization request names both,
so the service sees whether they belong together. The hashes need no key, because every redirect URI
that may be registered gets an id. An app cannot choose its name: users read the host that their
browser returns to.
"""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Iterable

from hyperapi.auth.redirect_uris import any_port, fault_of, host_of
from hyperapi.storage.oauth_clients import Client

MOST_URIS = 6
_PREFIX = "self-"
_BYTES = 6  # of a hash; an id is at most 64 characters long


def id_of(redirect_uris: Iterable[str]) -> str:
    """Return the id of an app with at most :data:`MOST_URIS` redirect URIs."""
    return _PREFIX + ".".join(dict.fromkeys(map(_hash, redirect_uris)))


def is_id(client_id: str) -> bool:
    """Whether an id is that of an app that registered itself."""
    return client_id.startswith(_PREFIX)


def find(client_id: str, redirect_uri: str) -> Client | None:
    """Return the app of an id that has a redirect URI; None for others."""
    hashes = client_id.removeprefix(_PREFIX).split(".")
    known = is_id(client_id) and len(hashes) <= MOST_URIS
    if not known or fault_of(redirect_uri) is not None or _hash(redirect_uri) not in hashes:
        return None
    name = host_of(redirect_uri)
    return Client(client_id, name, (redirect_uri,), is_self_registered=True)


def _hash(redirect_uri: str) -> str:
    digest = hashlib.sha256(any_port(redirect_uri).encode()).digest()
    return urlsafe_b64encode(digest[:_BYTES]).decode()
