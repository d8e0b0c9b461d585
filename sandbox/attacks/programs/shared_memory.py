"""Must not take the arrays' memory away from under the referee, which would be killed by it, nor seal it."""

import ctypes
import gc
import mmap
import os

import torch

DROP, REMOVE = 4, 9  # MADV_DONTNEED, and MADV_REMOVE, which punches a hole into the file behind a mapping
ADD_SEALS, EVERY_SEAL = 1033, 0x1F


def by_descriptor():
    for fd in range(3, 64):
        try:
            size = os.fstat(fd).st_size
        except OSError:
            continue
        if size:
            attempt(f"truncation of {fd}", lambda fd=fd: os.ftruncate(fd, 0))
            attempt(f"seals on {fd}", lambda fd=fd: succeeded(syscall("fcntl", fd, ADD_SEALS, EVERY_SEAL)))
            attempt(f"hole in {fd}", lambda fd=fd, n=size: succeeded(syscall("fallocate", fd, 3, 0, n)))


class Rule:
    def __init__(self, actions):
        self.uniform = torch.ones(actions) / actions

    def next_policy(self, values):
        print("tried")
        by_descriptor()
        for mapping in [x for x in gc.get_objects() if isinstance(x, mmap.mmap)]:
            attempt("a shorter mapping", lambda mapping=mapping: mapping.resize(1))
            for advice in (DROP, REMOVE):
                try:
                    mapping.madvise(advice)  # empties the arrays, as writing zeros does
                except (OSError, ValueError) as error:
                    print(f"refused advice {advice}: {error}")
        return self.uniform
