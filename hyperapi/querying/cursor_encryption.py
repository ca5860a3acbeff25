"""Numbers as encrypted and authenticated text that only the server can read.

The same numbers always give the same text. The construction is SIV (RFC 5297) with HMAC-SHA-256:
an HMAC of the numbers is both their signature and the nonce of their key stream.
"""

import hmac
import re
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence

_LAYOUT = struct.Struct(">4Q")  # 32 bytes, as a SHA-256: one block of key stream
_TAG = 16  # bytes
_SEALED = re.compile(r"[A-Za-z0-9_-]{64}")
"""48 bytes in base64 without padding."""


class Seals:
    """Seals numbers with the service's keys, oldest first: the last seals, all open."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = [
            (_hmac(key.encode(), b"hyperapi.seal.tag"), _hmac(key.encode(), b"hyperapi.seal.hide"))
            for key in keys
        ]

    def write(self, numbers: tuple[int, int, int, int], bound_to: str) -> str:
        """Seal four numbers. The text is valid only with the same ``bound_to``."""
        tag_key, hide_key = self._keys[-1]
        content = _LAYOUT.pack(*numbers)
        tag = _tag(tag_key, content, bound_to)
        return urlsafe_b64encode(tag + _hidden(hide_key, tag, content)).decode()

    def read(self, text: str, bound_to: str) -> tuple[int, ...]:
        """Return the numbers that :meth:`write` sealed.

        :raises ValueError: for text from elsewhere, or with another ``bound_to``.
        """
        if _SEALED.fullmatch(text):
            sealed = urlsafe_b64decode(text)
            tag, hidden = sealed[:_TAG], sealed[_TAG:]
            for tag_key, hide_key in reversed(self._keys):
                content = _hidden(hide_key, tag, hidden)
                if hmac.compare_digest(tag, _tag(tag_key, content, bound_to)):
                    return _LAYOUT.unpack(content)
        raise ValueError("must be a cursor from a link of this collection, with the same query")


def _tag(key: bytes, content: bytes, bound_to: str) -> bytes:
    return _hmac(key, content + bound_to.encode())[:_TAG]


def _hidden(key: bytes, tag: bytes, content: bytes) -> bytes:
    """XOR the content with its key stream. The same call reverses it."""
    return bytes(a ^ b for a, b in zip(content, _hmac(key, tag), strict=True))


def _hmac(key: bytes, content: bytes) -> bytes:
    return hmac.digest(key, content, "sha256")
