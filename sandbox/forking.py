"""Makes a process cheap to fork. Imports nothing of ours."""

from __future__ import annotations

import ctypes
import gc
import re
from pathlib import Path

HUGE = 1 << 21
MADV_COLLAPSE = 25
"""Linux 6.1 and newer; elsewhere the call fails, and a fork costs what it always did."""


def settle() -> None:
    """To be called before the first fork, and again after whatever was loaded since.

    A fork copies one page table entry per page of private memory, and its end takes each back: with torch,
    40,000 pages and half of what a short run costs. Moved into huge pages they are a few hundred. The garbage
    collector leaves what is here alone, for every object that it marks would be copied too.
    """
    gc.collect()
    gc.freeze()
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = [ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int]
    for line in Path("/proc/self/maps").read_text().splitlines():
        if private := re.match(r"(\w+)-(\w+) rw-p \S+ \S+ 0\s*(\[heap\])?$", line):
            low, high = (int(end, 16) for end in private.groups()[:2])
            low, high = -(-low // HUGE) * HUGE, high // HUGE * HUGE
            if low < high:
                madvise(low, high - low, MADV_COLLAPSE)
