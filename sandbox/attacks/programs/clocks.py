"""Must not change a clock, an alarm or its own limits, nor have time seem to stand still for who judges it."""

import resource
import signal
import time

# Times that no kernel takes, and adjustments that adjust nothing: no clock moves where this is not held.
attempt("set the clock", lambda: refused(syscall("clock_settime", 0, b"\xff" * 16)))
attempt("settimeofday", lambda: refused(syscall("settimeofday", b"\xff" * 16, 0)))
attempt("adjust the clock", lambda: refused(syscall("clock_adjtime", 0, b"\0" * 208)))
attempt("adjtimex", lambda: refused(syscall("adjtimex", b"\0" * 208)))
attempt("own alarm", lambda: signal.setitimer(signal.ITIMER_REAL, 1000))
attempt("alarm", lambda: refused(syscall("alarm", 0)))
attempt("timer file", lambda: refused(syscall("timerfd_create", 0, 0)))
attempt("time namespace", lambda: refused(syscall("unshare", 0x80)))
for name in ("RLIMIT_CPU", "RLIMIT_AS", "RLIMIT_FSIZE", "RLIMIT_NPROC", "RLIMIT_NOFILE"):
    kind = getattr(resource, name)
    attempt(f"raise {name}", lambda kind=kind: resource.setrlimit(kind, resource.getrlimit(kind)))
attempt("raise by prlimit", lambda: resource.prlimit(0, resource.RLIMIT_CPU, (1 << 20, 1 << 20)))
time.time = time.monotonic = time.perf_counter = time.process_time = lambda: 0.0
time.sleep = lambda seconds: None
signal.signal(signal.SIGXCPU, signal.SIG_IGN)
