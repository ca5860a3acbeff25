"""A place in an order, as text that only we can make and that counts only where it was given.

A cursor holds where it stands (the sort's values in a row, and which way to go from there) and a
signature over that and over what it is bound to: its user, collection, filter and sort.
"""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, lru_cache, partial
from typing import Any

import orjson
from itsdangerous import Signer, base64_decode, base64_encode


class Towards(StrEnum):
    """Which part of the order a cursor asks for."""

    NEXT = "n"
    PREVIOUS = "p"
    LAST = "l"


@dataclass(frozen=True, slots=True)
class Position:
    """Where a cursor stands: before or behind the row with these values, or at the end."""

    towards: Towards
    values: tuple[Any, ...] = ()


class _Signer(Signer):
    """A signer that derives its keys once."""

    def derive_key(self, secret_key: str | bytes | None = None) -> bytes:
        """The key that signs, or the one that is made of ``secret_key``."""
        return self._derived(secret_key)

    @cached_property
    def _derived(self) -> Callable[[str | bytes | None], bytes]:
        return lru_cache(maxsize=None)(super().derive_key)


class Cursors:
    """Writes and reads cursors with the service's keys (oldest first: the last signs)."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._signer = _Signer(
            list(keys), salt="hyperapi.cursor", key_derivation="hmac", digest_method=hashlib.sha256
        )
        # The end of a collection is the same place each time it is asked for.
        self._end = lru_cache(maxsize=4096)(partial(self._write, Position(Towards.LAST)))

    def write(self, place: Position, bound_to: str) -> str:
        """``place`` as text, good only together with the same ``bound_to``."""
        if place.towards == Towards.LAST:
            return self._end(bound_to)
        return self._write(place, bound_to)

    def _write(self, place: Position, bound_to: str) -> str:
        content = urlsafe_b64encode(orjson.dumps([place.towards, *place.values])).rstrip(b"=")
        signature = self._signer.get_signature(content + b"." + bound_to.encode())
        return f"{content.decode()}.{signature.decode()}"

    def read(self, text: str, bound_to: str) -> Position:
        """What :meth:`write` was given.

        :raises ValueError: when we did not write it, or not for this.
        """
        content, dot, signature = text.partition(".")
        signed = f"{content}.{bound_to}".encode(errors="replace")
        signature_bytes = signature.encode(errors="replace")
        if (
            not dot
            or not self._signer.verify_signature(signed, signature_bytes)
            or base64_encode(base64_decode(signature_bytes))
            != signature_bytes  # not as we write it
        ):
            raise ValueError("must be a cursor from a link of this very collection")
        towards, *values = orjson.loads(urlsafe_b64decode(content + "=" * (-len(content) % 4)))
        return Position(Towards(towards), tuple(values))
