"""Must not bring in machine code of its own: executable memory, libraries, compilers."""

import ctypes
import mmap

attempt(
    "executable memory", lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
)
block = mmap.mmap(-1, 4096)
address = ctypes.addressof(ctypes.c_char.from_buffer(block))
attempt("made executable", lambda: succeeded(syscall("mprotect", address, 4096, 5)))
attempt("library", lambda: ctypes.CDLL("libnss_files.so.2"))


def compiled():
    from numba import njit

    return njit(lambda x: x + 1)(1)


attempt("compiler", compiled)
