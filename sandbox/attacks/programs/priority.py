"""Must not get more of the machine than its share: another core, a higher priority, locked memory, a safer life."""

import ctypes
import os

attempt("all cores", lambda: os.sched_setaffinity(0, range(os.cpu_count())))
attempt("cores of the parent", lambda: os.sched_setaffinity(os.getppid(), os.sched_getaffinity(os.getppid())))
attempt("real time", lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)))
attempt("batch", lambda: os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0)))
attempt("nice", lambda: os.nice(-5))
attempt("nice of the parent", lambda: os.setpriority(0, os.getppid(), os.getpriority(0, os.getppid())))
attempt("disk priority", lambda: refused(syscall("ioprio_set", 1, 0, 0)))
attempt("locked memory", lambda: refused(syscall("mlockall", 1)))
attempt("memory policy", lambda: refused(syscall("set_mempolicy", 0, 0, 0)))
attempt("other's pages", lambda: refused(syscall("migrate_pages", os.getppid(), 0, 0, 0)))
for name in (
    "oom_score_adj",
    "oom_adj",
    "autogroup",
    "timerslack_ns",
    "coredump_filter",
    "comm",
    "clear_refs",
):
    attempt(name, lambda name=name: os.open(f"/proc/self/{name}", os.O_WRONLY))
for path in ("/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/pids/tasks", "/proc/sys/kernel/core_pattern"):
    attempt(path, lambda path=path: os.open(path, os.O_WRONLY))
attempt("lock of the kernel", lambda: refused(syscall("futex", ctypes.c_uint(0), 6, 0, 0, 0, 0)))
