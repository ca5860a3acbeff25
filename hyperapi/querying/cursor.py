"""Signed cursors: positions in a sort order, as text that clients cannot forge.

A cursor holds the sort values of a row, a direction, and a signature. The signature also covers
the user, collection, filter and sort that the cursor is bound to.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import cached_property, lru_cache, partial
from typing import Any, NamedTuple

import orjson
from itsdangerous import Signer, base64_encode, want_bytes
from itsdangerous.signer import HMACAlgorithm


class Direction(StrEnum):
    """The page that a cursor selects."""

    NEXT = "n"
    PREVIOUS = "p"
    LAST = "l"


class Position(NamedTuple):
    """A cursor's position: before or after the row with these values, or the end."""

    direction: Direction
    values: tuple[Any, ...] = ()


class _KeyedOnce(HMACAlgorithm):
    """HMAC-SHA-256 that prepares each key once. Preparing costs more than the signature."""

    def __init__(self) -> None:
        super().__init__(hashlib.sha256)
        self._keyed = lru_cache(maxsize=None)(partial(hmac.new, digestmod=hashlib.sha256))

    def get_signature(self, key: bytes, value: bytes) -> bytes:
        """Return the signature of a value."""
        keyed = self._keyed(key).copy()
        keyed.update(value)
        return keyed.digest()


class _Signer(Signer):
    """A signer that derives its keys once, and takes signatures in one spelling only."""

    def derive_key(self, secret_key: str | bytes | None = None) -> bytes:
        """Return the signing key, or the key derived from ``secret_key``."""
        return self._derived(secret_key)

    def verify_signature(self, value: str | bytes, sig: str | bytes) -> bool:
        """Whether one of the keys made a signature. Base 64 has other spellings of its bytes."""
        given, value = want_bytes(sig), want_bytes(value)
        return any(
            hmac.compare_digest(given, base64_encode(self.algorithm.get_signature(key, value)))
            for key in map(self.derive_key, reversed(self.secret_keys))
        )

    @cached_property
    def _derived(self) -> Callable[[str | bytes | None], bytes]:
        return lru_cache(maxsize=None)(super().derive_key)


class Cursors:
    """Signs cursors with the service's keys, oldest first: the last signs, all verify."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._signer = _Signer(
            list(keys),
            salt="hyperapi.cursor",
            key_derivation="hmac",
            digest_method=hashlib.sha256,
            algorithm=_KeyedOnce(),
        )
        # The cursor of a collection's last page is always the same.
        self._end = lru_cache(maxsize=4096)(partial(self._write, Position(Direction.LAST)))

    def write(self, position: Position, bound_to: str) -> str:
        """Return a position as text. The text is valid only with the same ``bound_to``."""
        if position.direction == Direction.LAST:
            return self._end(bound_to)
        return self._write(position, bound_to)

    def _write(self, position: Position, bound_to: str) -> str:
        content = urlsafe_b64encode(orjson.dumps([position.direction, *position.values])).rstrip(
            b"="
        )
        signature = self._signer.get_signature(content + b"." + bound_to.encode())
        return f"{content.decode()}.{signature.decode()}"

    def read(self, text: str, bound_to: str) -> Position:
        """Return the position that :meth:`write` signed.

        :raises ValueError: for text from elsewhere, or with another ``bound_to``.
        """
        content, dot, signature = text.partition(".")
        signed = f"{content}.{bound_to}".encode(errors="replace")
        if not dot or not self._signer.verify_signature(signed, signature.encode(errors="replace")):
            raise ValueError("must be a cursor from a link of this collection, with the same query")
        direction, *values = orjson.loads(urlsafe_b64decode(content + "=" * (-len(content) % 4)))
        return Position(Direction(direction), tuple(values))
