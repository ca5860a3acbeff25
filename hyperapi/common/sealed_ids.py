"""Numbers as UUIDs that only the server can read.

The same number always gives the same UUID. The construction is SIV (RFC 5297) with keyed BLAKE2b
(RFC 7693): a hash of the number is both its signature and the nonce of its key stream. Eight bytes
of it are enough, because a UUID that somebody guesses names nothing that is not theirs.
"""

import hmac
from collections.abc import Sequence
from hashlib import blake2b, sha256
from uuid import UUID

_HALF = 8  # bytes


class SealedIds:
    """Seals numbers with the service's keys, oldest first: the last seals, all open."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = [
            (_derived(key, b"hyperapi.id.tag"), _derived(key, b"hyperapi.id.hide")) for key in keys
        ]

    def write(self, number: int, bound_to: str) -> str:
        """Return a number as a UUID. It is valid only with the same ``bound_to``."""
        tag_key, hide_key = self._keys[-1]
        content = number.to_bytes(_HALF)
        tag = _hash(tag_key, content + bound_to.encode())
        return str(UUID(bytes=tag + _hidden(hide_key, tag, content)))

    def read(self, text: str, bound_to: str) -> int | None:
        """Return the number that :meth:`write` sealed; None for a UUID from elsewhere."""
        sealed = UUID(text).bytes
        tag, hidden = sealed[:_HALF], sealed[_HALF:]
        for tag_key, hide_key in reversed(self._keys):
            content = _hidden(hide_key, tag, hidden)
            if hmac.compare_digest(tag, _hash(tag_key, content + bound_to.encode())):
                return int.from_bytes(content)
        return None


def _hidden(key: bytes, tag: bytes, content: bytes) -> bytes:
    """XOR the content with its key stream. The same call reverses it."""
    mixed = int.from_bytes(content) ^ int.from_bytes(_hash(key, tag))
    return mixed.to_bytes(_HALF)


def _hash(key: bytes, content: bytes) -> bytes:
    return blake2b(content, key=key, digest_size=_HALF).digest()


def _derived(key: str, purpose: bytes) -> bytes:
    return hmac.digest(key.encode(), purpose, sha256)
