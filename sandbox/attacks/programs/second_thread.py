"""Must not answer for itself while it still computes: from a thread, a signal handler, or a kernel's queue."""

import _thread
import os
import signal
import threading


def answer(*_):
    os.write(4, b".")


attempt("thread", lambda: threading.Thread(target=answer).start())
attempt("bare thread", lambda: _thread.start_new_thread(answer, ()))
signal.signal(signal.SIGALRM, answer)
attempt("timer", lambda: signal.setitimer(signal.ITIMER_REAL, 0.001))
attempt("timer of the kernel", lambda: refused(syscall("timer_create", 1, 0, b"\0" * 8)))
attempt("write by a ring", lambda: refused(syscall("io_uring_setup", 1, b"\0" * 120)))
attempt("write by a queue", lambda: refused(syscall("io_setup", 1, b"\0" * 8)))
attempt("signal when readable", lambda: refused(syscall("fcntl", 3, 4, 0x2000)))
