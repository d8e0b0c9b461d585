"""Must not start a process, let alone bomb with them (no more than 8 here)."""

import os
import subprocess


def bomb():
    children = []
    for _ in range(8):
        child = os.fork()
        if child == 0:
            os._exit(0)
        children.append(child)
    return len([os.waitpid(child, 0) for child in children])


attempt("fork", bomb)
attempt("spawn", lambda: subprocess.run(["/usr/bin/env"], capture_output=True).returncode)
attempt("exec", lambda: os.execve("/usr/bin/env", ["env"], {"breached": "BREACH exec"}))
attempt("vfork", lambda: succeeded(syscall("clone", 0x4111, 0, 0, 0, 0)) or os._exit(0))
