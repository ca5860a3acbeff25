"""The passwords that attackers try first, which nobody can choose.

The list of the service is the file ``common_passwords.bin``: the hashes of the 100,000 commonest
passwords, without those that are too short anyway. ``docs/security.md`` says where they come from.
"""

import hashlib
import mmap
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Self

from hyperapi.auth.passwords import LONGEST, SHORTEST
from hyperapi.common.text import folded, normal
from hyperapi.http.problems import invalid
from hyperapi.settings import BUILT_IN, Settings, read_text
from hyperapi.state import AppState

FILE = Path(__file__).with_suffix(".bin")
_WIDTH = 5
"""Bytes of a hash. With 100,000 hashes, one in ten million other passwords is refused by chance."""


class CommonPasswords:
    """A list of passwords, as sorted hashes.

    Case and compatibility forms of characters make no difference.

    :param hashes: the sorted hashes, one after the other.
    """

    def __init__(self, hashes: bytes | mmap.mmap) -> None:
        self._hashes = hashes

    @classmethod
    def chosen(cls, settings: Settings) -> Self:
        """Return the list that the operator chose.

        :raises SettingsError: when its file cannot be read.
        """
        if settings.common_passwords == BUILT_IN:
            return cls(_built_in())
        if not settings.common_passwords:
            return cls(b"")
        return cls(hashes_of(read_text(Path(settings.common_passwords)).splitlines()))

    def __len__(self) -> int:
        return len(self._hashes) // _WIDTH

    def __contains__(self, password: str) -> bool:
        wanted = _hash(_canonical(password))
        place = bisect_left(range(len(self)), wanted, key=self._at)
        return place < len(self) and self._at(place) == wanted

    def _at(self, place: int) -> bytes:
        return self._hashes[place * _WIDTH : (place + 1) * _WIDTH]


def refuse_common(state: AppState, password: str) -> None:
    """Refuse a new password that is common.

    :raises Invalid: at ``/password``.
    """
    if password in state[CommonPasswords]:
        raise invalid(
            "/password", "is a common password, which attackers try first; choose another"
        )


def hashes_of(passwords: Iterable[str]) -> bytes:
    """Return passwords as a list for :class:`CommonPasswords`."""
    return b"".join(sorted({_hash(each) for each in _long_enough(passwords)}))


def _long_enough(passwords: Iterable[str]) -> Iterator[str]:
    """Yield the passwords that the service would take otherwise."""
    for each in passwords:
        try:
            canonical = _canonical(each)
        except ValueError:  # no password of this service
            continue
        if len(canonical) >= SHORTEST:
            yield canonical


@cache
def _built_in() -> mmap.mmap:
    """Map the list of the service into memory. The processes of a machine share it."""
    with FILE.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _canonical(password: str) -> str:
    return folded(normal(password, LONGEST, "NFKC"))


def _hash(canonical: str) -> bytes:
    return hashlib.sha256(canonical.encode()).digest()[:_WIDTH]
