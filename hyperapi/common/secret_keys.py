"""Secret keys: whether one is good enough to sign with, and how one is named in public."""

import hashlib
import re

SHORTEST = 32
"""Bytes. HMAC-SHA-256 takes keys of its own size or more (RFC 2104 §3)."""
_LEAST_PAIRS = 20
_PLACEHOLDER = re.compile(
    r"change.?(me|this|it)|replace.?(me|this|it)|place.?holder|(put|your|my).?(secret|key)|example"
    r"|insecure|do.?not.?use",
    re.IGNORECASE,
)


def weakness(key: str) -> str | None:
    """Why a key may not sign, to be read after "a key that"; None for a good one.

    Repetition shows in how many different pairs of neighbouring characters there are: 32 random
    hexadecimal digits have about 29 of them.
    """
    if _PLACEHOLDER.search(key):
        return "is a placeholder"
    if len(key.encode()) < SHORTEST:
        return f"is shorter than {SHORTEST} bytes"
    if len({key[at : at + 2] for at in range(len(key) - 1)}) < _LEAST_PAIRS:
        return "repeats itself"
    return None


def fingerprint(key: str) -> str:
    """The name of a key where it must not be shown: the beginning of its SHA-256."""
    return hashlib.sha256(b"hyperapi.fingerprint." + key.encode()).hexdigest()[:16]
