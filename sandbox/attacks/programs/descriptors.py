"""Must not come by its own descriptors to what lies behind them: a program to run, a file to write, both ends."""

import os

EMPTY_PATH = 0x1000
for fd in range(7):
    for name, flags in (("read", os.O_RDONLY), ("written", os.O_WRONLY), ("both", os.O_RDWR)):
        attempt(f"{fd} anew, to be {name}", lambda fd=fd, flags=flags: os.open(f"/proc/self/fd/{fd}", flags))
    attempt(f"{fd} as a program", lambda fd=fd: refused(syscall("execveat", fd, b"", 0, 0, EMPTY_PATH)))
    attempt(f"{fd} by a name", lambda fd=fd: refused(syscall("linkat", fd, b"", -100, b"/tmp/x", EMPTY_PATH)))
    attempt(f"{fd} for all", lambda fd=fd: refused(syscall("fchmod", fd, 0o777)))
    attempt(f"{fd} without waiting", lambda fd=fd: os.set_blocking(fd, False))
    attempt(f"{fd} with signals", lambda fd=fd: refused(syscall("fcntl", fd, 8, os.getppid())))
