"""Signed tokens that name a session.

A token is a prefix, which secret scanners recognize, and a payload signed with HMAC-SHA-256 by
itsdangerous, with one salt per purpose. The payload has the UUIDs of owner and session and the
times of issue and expiry, and nothing private. The last key signs, all keys verify.
"""

import hashlib
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from itsdangerous import BadSignature, Signer

ACCESS_PREFIX, REFRESH_PREFIX = "hya_", "hyr_"
_CLOCK_SKEW = 60  # seconds that another node's clock may be ahead
_MOST_KEPT = 4096
_THOUSAND = 1000  # times in tokens are in milliseconds
_LAYOUT = struct.Struct(">16s16sQQI")


class BadToken(ValueError):
    """Text that is not a token of this service."""


@dataclass(frozen=True, slots=True)
class Claims:
    """The content of a token: owner, session, and times in seconds since 1970.

    :param generation: the session's number of refreshes at issue; 0 without refresh.
    """

    owner: str
    session: str
    issued: float
    expires: float
    generation: int = 0


class Tokens:
    """Signs and verifies tokens of one kind.

    :param keys: the service's keys, oldest first.
    :param purpose: a part of the salt, which separates kinds of tokens.
    :param prefix: the beginning of every token of this kind.
    """

    def __init__(self, keys: Sequence[str], purpose: str, prefix: str) -> None:
        self.prefix = prefix
        self._signer = Signer(
            list(keys),
            salt=f"hyperapi.{purpose}",
            key_derivation="hmac",
            digest_method=hashlib.sha256,
        )
        # A token is sent many times, and its verified signature does not change.
        self._verified = lru_cache(maxsize=_MOST_KEPT)(self._verify)

    def write(self, claims: Claims) -> str:
        """Return the signed token for ``claims``."""
        payload = _LAYOUT.pack(
            UUID(claims.owner).bytes,
            UUID(claims.session).bytes,
            int(claims.issued * _THOUSAND),
            int(claims.expires * _THOUSAND),
            claims.generation,
        )
        return self.prefix + self._signer.sign(_encode(payload)).decode()

    def read(self, text: str, now: float) -> Claims:
        """Verify a token and return its claims. Expiry is not checked.

        :param now: seconds since 1970.
        :raises BadToken: for text that this service did not sign, or signed in the future.
        """
        claims = self._verified(text)
        if claims.issued > now + _CLOCK_SKEW:
            raise BadToken("signed in the future")
        return claims

    def _verify(self, text: str) -> Claims:
        if not text.startswith(self.prefix) or not text.isascii():
            raise BadToken("not a token of this kind")
        try:
            signed = text.removeprefix(self.prefix).encode()
            payload = self._signer.unsign(signed)
        except BadSignature:
            raise BadToken("not signed with a known key") from None
        _, _, signature = signed.rpartition(b".")
        if _encode(_decode(signature)) != signature:  # the last character of base64 has unused bits
            raise BadToken("another spelling of the signature")
        try:
            owner, session, issued, expires, generation = _LAYOUT.unpack(_decode(payload))
        except (struct.error, ValueError):
            raise BadToken("of another version") from None
        return Claims(
            str(UUID(bytes=owner)),
            str(UUID(bytes=session)),
            issued / _THOUSAND,
            expires / _THOUSAND,
            generation,
        )


def _encode(content: bytes) -> bytes:
    return urlsafe_b64encode(content).rstrip(b"=")


def _decode(text: bytes) -> bytes:
    return urlsafe_b64decode(text + b"=" * (-len(text) % 4))


class AccessTokens(Tokens):
    """The access tokens of an application."""

    def __init__(self, keys: Sequence[str]) -> None:
        super().__init__(keys, "access", ACCESS_PREFIX)


class RefreshTokens(Tokens):
    """The refresh tokens of an application."""

    def __init__(self, keys: Sequence[str]) -> None:
        super().__init__(keys, "refresh", REFRESH_PREFIX)
