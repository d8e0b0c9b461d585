"""Must not signal the referee, the session or any other process (signal 0 here, which only asks for leave)."""

import fcntl
import os
import signal

others = {os.getppid(), 1, FACTS["session"], *range(2, 200)} - {os.getpid()}
attempt("kill", lambda: [os.kill(pid, 0) for pid in sorted(others, reverse=True)])
attempt("kill the parent", lambda: os.kill(os.getppid(), 0))
attempt("kill the session", lambda: os.kill(FACTS["session"], 0))
attempt("kill the group", lambda: os.killpg(os.getpgid(os.getppid()), 0))
attempt("pidfd", lambda: signal.pidfd_send_signal(os.pidfd_open(os.getppid()), 0))
attempt("tgkill", lambda: succeeded(syscall("tgkill", os.getppid(), os.getppid(), 0)))
attempt("owner of a pipe", lambda: fcntl.fcntl(3, fcntl.F_SETOWN, os.getppid()))
attempt("queue", lambda: succeeded(syscall("rt_sigqueueinfo", os.getppid(), 0, b"\0" * 128)))
