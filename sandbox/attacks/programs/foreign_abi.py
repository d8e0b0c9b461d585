"""Must not get round the filter by another numbering of the system calls (x32): the process dies of the attempt."""

import ctypes

print("tried", flush=True)
X32 = 0x40000000
result = ctypes.CDLL(None, use_errno=True).syscall(ctypes.c_long(X32 | 39))
if result > 0:
    print("BREACH getpid by x32", result)
