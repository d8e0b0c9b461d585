"""What a candidate gives up before it executes its program: limits, system calls, files, signals.

Prepared once in the zygote, raised in every fork of it. Not covered: bugs of the kernel in the system calls
that stay allowed, and whatever the processor leaks between processes.
"""

from __future__ import annotations

import ctypes
import errno
import importlib.metadata
import math
import os
import re
import resource
import signal
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 4, 36, 38
OPEN_FILES = 64
PACKAGES = ("torch", "numpy", "numba", "scipy", "pyseccomp", "landlock")
"""What candidate and zygote import, besides the standard library."""

# An allow-list: what is not named here fails with EPERM, system calls of future kernels included. No call
# that makes a process or a thread, sends a signal, names a socket or a key, changes a file, or maps code.
CALLS = """
access arch_prctl brk clock_getres clock_gettime clock_nanosleep close close_range dup exit exit_group
faccessat faccessat2 fstat fstatfs get_robust_list getcwd getdents64 getegid geteuid getgid getpid
getppid getrandom getresgid getresuid getrusage gettid gettimeofday getuid lseek lstat madvise membarrier
mincore mremap msync munmap nanosleep newfstatat pause poll ppoll pread64 preadv read readlink readlinkat
readv recvfrom recvmsg restart_syscall rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigreturn
rt_sigsuspend sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getparam
sched_getscheduler sched_yield select pselect6 sendmsg sendto set_robust_list set_tid_address sigaltstack
stat statfs statx sysinfo time times uname write writev
""".split()
ABSENT = ("clone3", "openat2", "futex_waitv", "map_shadow_stack")
"""The C library falls back to an older call when these do not exist (ENOSYS)."""
FCNTL_COMMANDS = (0, 1, 2, 3, 1030)
"""F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC: F_SETOWN and F_SETSIG would send signals."""
IOCTL_REQUESTS = (0x5401, 0x5451)
"""TCGETS and FIOCLEX, which Python calls when it opens a file."""
FUTEX_COMMANDS, FUTEX_MASK = (0, 1, 3, 4, 5, 9, 10), 0x7F
"""Waiting and waking; without the priority-inheriting locks, where the kernel's faults were."""
PROT_EXEC = 4


class Shield:
    """System call filter and landlock rules, built once; ``layers`` says which: ``seccomp``, ``landlock``, or
    ``landlock?``, which leaves it out where the kernel has none. Its forks become user ``uid`` if given.

    Raises OSError, ImportError or RuntimeError when a layer does not work.
    """

    def __init__(self, layers: Iterable[str], uid: int | None) -> None:
        builders = {"landlock": _landlock, "seccomp": _seccomp}
        self.built: dict[str, Any] = {}
        self._uid = uid
        for layer in layers:
            name = layer.removesuffix("?")
            if name == layer or has_landlock():
                self.built[name] = builders[name]()

    def raise_(self, first_free: int, memory_mb: int, cpu_seconds: float) -> None:
        """Confine the calling process for good; descriptors from ``first_free`` on are closed."""
        if self._uid is not None:
            os.setgroups([])
            os.setresgid(self._uid, self._uid, self._uid)
            os.setresuid(self._uid, self._uid, self._uid)
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        prctl(PR_SET_DUMPABLE, 1)  # or /proc/self would be root's
        Path("/proc/self/oom_score_adj").write_text("1000")
        prctl(PR_SET_DUMPABLE, 0)
        prctl(PR_SET_NO_NEW_PRIVS, 1)
        _limit(memory_mb, cpu_seconds)
        if landlock := self.built.get("landlock"):
            landlock.apply()
            _prove_blind()
        os.closerange(first_free, 1 << 16)
        if seccomp := self.built.get("seccomp"):
            seccomp.load()


def prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl({option}) failed")


def protect() -> None:
    """Make the zygote safe from its forks: it dies with its parent, inherits their orphans, and cannot be
    read or traced by a process of its own user."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    prctl(PR_SET_DUMPABLE, 0)


def sweep(own_pids: bool) -> int:
    """Kill and reap every process that is left of a candidate; returns how many there were.

    ``own_pids`` must only be true where this process can see no other process of its user.
    """
    count = 0
    while True:
        if own_pids:
            _kill(-1)
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return count
        if pid:
            count += 1
        else:
            for child in _children():
                _kill(child)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _children() -> list[int]:
    me = os.getpid()
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == me:
            found.append(int(stat.parent.name))
    return found


def _limit(memory_mb: int, cpu_seconds: float) -> None:
    """Memory counts from what the process has now, so that the imports are free."""
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    cpu = max(1, math.ceil(cpu_seconds))
    for kind, soft, hard in (
        (resource.RLIMIT_AS, in_use + (memory_mb << 20), in_use + (memory_mb << 20)),
        (resource.RLIMIT_CPU, cpu, cpu + 1),
        (resource.RLIMIT_FSIZE, 0, 0),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_NOFILE, OPEN_FILES, OPEN_FILES),
        (resource.RLIMIT_NPROC, 0, 0),
        (resource.RLIMIT_MEMLOCK, 0, 0),
        (resource.RLIMIT_MSGQUEUE, 0, 0),
    ):
        resource.setrlimit(kind, (soft, hard))


def _seccomp() -> Any:
    import pyseccomp as seccomp

    rules = seccomp.SyscallFilter(seccomp.ERRNO(errno.EPERM))

    def allow(call: str, *conditions: Any) -> None:
        try:
            rules.add_rule(seccomp.ALLOW, call, *conditions)
        except (OSError, ValueError):
            pass  # a call that this architecture, or this old libseccomp, does not have

    for call in CALLS:
        allow(call)
    for call in ABSENT:
        try:
            rules.add_rule(seccomp.ERRNO(errno.ENOSYS), call)
        except (OSError, ValueError):
            pass
    writing = (
        os.O_ACCMODE | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_PATH | (os.O_TMPFILE & ~os.O_DIRECTORY)
    )
    allow("open", seccomp.Arg(1, seccomp.MASKED_EQ, writing, os.O_RDONLY))
    allow("openat", seccomp.Arg(2, seccomp.MASKED_EQ, writing, os.O_RDONLY))
    for call in ("mmap", "mprotect"):
        allow(call, seccomp.Arg(2, seccomp.MASKED_EQ, PROT_EXEC, 0))
    allow("prlimit64", seccomp.Arg(2, seccomp.EQ, 0))
    for command in FUTEX_COMMANDS:
        allow("futex", seccomp.Arg(1, seccomp.MASKED_EQ, FUTEX_MASK, command))
    for command in FCNTL_COMMANDS:
        allow("fcntl", seccomp.Arg(1, seccomp.EQ, command))
    for request in IOCTL_REQUESTS:
        allow("ioctl", seccomp.Arg(1, seccomp.EQ, request))
    return rules


def has_landlock() -> bool:
    """Whether the kernel has landlock, switched on."""
    import landlock

    try:
        return bool(landlock.landlock_abi_version())
    except OSError:
        return False


def _landlock() -> Any:
    import landlock

    rules = landlock.Ruleset()
    reading = landlock.FSAccess.READ_FILE
    for path in importable():
        rules.allow(path, rules=reading | landlock.FSAccess.READ_DIR if path.is_dir() else reading)
    return rules


def _prove_blind() -> None:
    """Raises RuntimeError where the rules do not hold: this very file is none that a candidate may read."""
    try:
        Path(__file__).open().close()
    except PermissionError:
        return
    raise RuntimeError("landlock is in force, and yet a file outside its rules can be read")


def importable() -> list[Path]:
    """Files and folders that an import of :data:`PACKAGES` or of the standard library may read."""
    stdlib = {Path(sysconfig.get_path(kind)) for kind in ("stdlib", "platstdlib")}
    files = [path for folder in stdlib for path in folder.iterdir()]
    files = [path for path in files if path.exists() and path.name not in ("site-packages", "dist-packages")]
    return files + site_packages()


def site_packages() -> list[Path]:
    """What :data:`PACKAGES` and their requirements installed into ``site-packages``, top level only."""
    found: set[Path] = set()
    seen: set[str] = set()
    waiting = list(PACKAGES)
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        try:
            package = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        root = Path(str(package.locate_file("")))
        found |= {root / file.parts[0] for file in package.files or () if file.parts[0] != ".."}
        needed = [line for line in package.requires or () if "extra ==" not in line]
        waiting += [re.split(r"[^\w.-]", line)[0].lower().replace("_", "-") for line in needed]
    return sorted(path for path in found if path.exists() and path.name != "__pycache__")
