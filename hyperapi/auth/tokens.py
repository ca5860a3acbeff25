"""Tokens: signed text that names a session. Signing and reading, without rows.

A token is a prefix that says what it is, so that secret scanners can find it, and a payload
signed with HMAC-SHA-256 by itsdangerous, under a salt of its own. The payload names the owner
and the session by their UUIDs, and when it was made and ends; it holds nothing private. Of
several keys the last one signs and all of them verify.
"""

import hashlib
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from uuid import UUID

from itsdangerous import BadSignature, Signer

ACCESS_PREFIX, REFRESH_PREFIX = "hya_", "hyr_"
_CLOCK_SKEW = 60  # seconds that a signer's clock may be ahead of ours
_MOST_KEPT = 4096
_THOUSAND = 1000  # a token's instants are in milliseconds
_LAYOUT = struct.Struct(">16s16sQQI")


class BadToken(ValueError):
    """Text that is no token of ours, whatever it looks like."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says: whose session, made when, good until when (seconds since 1970).

    :param generation: which of the session's it is, where that can be refreshed; else 0.
    """

    owner: str
    session: str
    issued: float
    expires: float
    generation: int = 0


class Tokens:
    """Writes and reads tokens of one kind.

    :param keys: the service's keys, oldest first.
    :param purpose: part of the salt, so that no other kind of text can pass for a token.
    :param prefix: what every token of this kind begins with.
    """

    def __init__(self, keys: Sequence[str], purpose: str, prefix: str) -> None:
        self.prefix = prefix
        self._signer = Signer(
            list(keys),
            salt=f"hyperapi.{purpose}",
            key_derivation="hmac",
            digest_method=hashlib.sha256,
        )
        # A token is sent many times, and a signature that was good stays good.
        self._verified = lru_cache(maxsize=_MOST_KEPT)(self._verify)

    def write(self, claims: Claims) -> str:
        """The token that says ``claims``."""
        payload = _LAYOUT.pack(
            UUID(claims.owner).bytes,
            UUID(claims.session).bytes,
            int(claims.issued * _THOUSAND),
            int(claims.expires * _THOUSAND),
            claims.generation,
        )
        return self.prefix + self._signer.sign(_encode(payload)).decode()

    def read(self, text: str, now: float) -> Claims:
        """What a token says; whether it still counts is for others to tell.

        :param now: seconds since 1970.
        :raises BadToken: when we did not write it, or it is from the future.
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
            raise BadToken("not signed by a key of ours") from None
        _, _, signature = signed.rpartition(b".")
        if (
            _encode(_decode(signature)) != signature
        ):  # its last character has bits that no one reads
            raise BadToken("not written as we write it")
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


@cache
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
