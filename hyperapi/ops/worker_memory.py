"""Keeps the memory of workers small. ``benchmarks/memory.md`` has what each function saves.

Workers are forks of the main process. They share its pages of memory until one of them writes.
"""

import ctypes
import gc
import os
from contextlib import suppress

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
"""Parameters of glibc's ``mallopt``."""
_LARGE = 1024 * 1024
"""Bytes of a block that is taken from the operating system and returned to it."""
_JEMALLOC = "_RJEM_MALLOC_CONF"
"""The variable that the allocator in granian reads when granian is imported."""


def keep_little_in_granian() -> None:
    """Have granian's threads share one pool of memory. Call this before granian is imported.

    Otherwise each thread keeps memory for reuse, and most threads only wait.
    """
    os.environ.setdefault(_JEMALLOC, "narenas:1,tcache:false")


def share_objects() -> None:
    """Leave what exists to all workers. Call this in the main process, before they start.

    The garbage collector writes to every object that it examines. It would soon have copied all
    modules into each worker. Frozen objects are not examined.
    """
    gc.collect()
    gc.freeze()


def keep_little() -> None:
    """Have the C library keep little freed memory.

    By default glibc keeps large blocks for reuse, such as the 19 MiB of a password hash, and has a
    pool of memory for each of up to eight threads per core. Other C libraries have no such
    function.
    """
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_THRESHOLD, _LARGE)
        library.mallopt(_M_ARENA_MAX, 1)
