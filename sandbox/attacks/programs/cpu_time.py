"""Must not outlive its CPU time by ignoring, blocking or raising what would end it."""

import resource
import signal

signal.signal(signal.SIGXCPU, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGXCPU})
attempt("more time", lambda: resource.setrlimit(resource.RLIMIT_CPU, (100, 100)))
attempt("time of another", lambda: resource.prlimit(1, resource.RLIMIT_CPU, (1, 1)))
while True:
    pass
