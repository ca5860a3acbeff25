"""Ids that the server generates for new resources."""

import os
import time
from uuid import UUID


def new_ids(number: int) -> list[str]:
    """Return ``number`` new ids in ascending order."""
    return sorted(new_id() for _ in range(number))


def new_id() -> str:
    """Return a UUID of version 7 (RFC 9562 §5.7): Unix time in milliseconds, then random bits."""
    milliseconds = time.time_ns() // 1_000_000
    number = (milliseconds << 80) | int.from_bytes(os.urandom(10))
    number = number & ~(0xF << 76) | (0x7 << 76)  # the version
    number = number & ~(0x3 << 62) | (0x2 << 62)  # the variant
    return str(UUID(int=number))
