"""Must not read or change another process: ptrace, process_vm_readv, /proc/PID/mem and what lies beside it."""

import ctypes
import glob
import os

PTRACE_SEIZE = 0x4206
own = str(os.getpid())
others = [os.getppid(), FACTS["session"]]
for pid in others:
    attempt(f"ptrace {pid}", lambda pid=pid: succeeded(syscall("ptrace", PTRACE_SEIZE, pid, 0, 0)))
    vector = (ctypes.c_size_t * 2)(0, 8)
    attempt(
        f"read {pid}", lambda pid=pid: succeeded(syscall("process_vm_readv", pid, vector, 1, vector, 1, 0))
    )
for name in ("mem", "maps", "fd", "cwd", "auxv"):
    for path in glob.glob(f"/proc/[0-9]*/{name}"):
        if path.split("/")[2] != own:
            attempt(path, lambda path=path: os.listdir(path) if os.path.isdir(path) else open(path, "rb"))
attempt("own memory by file", lambda: open("/proc/self/mem", "r+b"))
