"""Must not take more memory than its limit, by any way of asking for it (eight times the limit at most)."""

import mmap

MEGABYTE = 1 << 20
BOUND = 8 * FACTS["memory_mb"]


def fill(make):
    taken = [make() for _ in range(BOUND)]
    return len(taken)


def mapped(flags):
    block = mmap.mmap(-1, MEGABYTE, flags)
    block[::4096] = b"x" * (MEGABYTE // 4096)
    return block


attempt("shared mappings", lambda: fill(lambda: mapped(mmap.MAP_SHARED | mmap.MAP_ANONYMOUS)))
attempt("private mappings", lambda: fill(lambda: mapped(mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)))
taken = [bytearray(MEGABYTE) for _ in range(BOUND)]
print("BREACH", len(taken), "MB")
