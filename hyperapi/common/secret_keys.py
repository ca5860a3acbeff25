"""Secret keys: how one is named where it must not be shown."""

import hashlib


def fingerprint(key: str) -> str:
    """What a key is called where it must not be shown: the beginning of its SHA-256."""
    return hashlib.sha256(b"hyperapi.fingerprint." + key.encode()).hexdigest()[:16]
