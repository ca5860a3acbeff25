"""Checks of secret keys, and their fingerprints."""

import hashlib
import re
from functools import lru_cache

SHORTEST = 32
"""Bytes. HMAC-SHA-256 needs keys of at least its output size (RFC 2104 §3)."""
_LEAST_PAIRS = 20
_PLACEHOLDER = re.compile(
    r"change.?(me|this|it)|replace.?(me|this|it)|place.?holder|(put|your|my).?(secret|key)|example"
    r"|insecure|do.?not.?use",
    re.IGNORECASE,
)


def weakness(key: str) -> str | None:
    """Return why a key is too weak, as a phrase that follows "a key that"; None for a good key.

    A key repeats itself when it has few distinct pairs of neighbouring characters. 32 random
    hexadecimal digits have about 29.
    """
    if _PLACEHOLDER.search(key):
        return "is a placeholder"
    if len(key.encode()) < SHORTEST:
        return f"is shorter than {SHORTEST} bytes"
    if len({key[at : at + 2] for at in range(len(key) - 1)}) < _LEAST_PAIRS:
        return "repeats itself"
    return None


@lru_cache(maxsize=64)
def fingerprint(key: str) -> str:
    """Return a public name of a key: the beginning of its SHA-256."""
    return hashlib.sha256(b"hyperapi.fingerprint." + key.encode()).hexdigest()[:16]
