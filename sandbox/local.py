"""Sandboxes without Docker: the referee is a plain child process of ours, the candidate is confined in one of
three ways. Each says what it is and what it does not cover; none is chosen silently.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import BinaryIO, cast

from sandbox import harden
from sandbox.devices import gpu_of, require
from sandbox.job import Unavailable
from sandbox.pool import Pool

ROOT = Path(__file__).resolve().parent.parent
HALF = ("__init__.py", "candidate.py", "channel.py", "forking.py", "harden.py", "rules.py")
"""The files of ours that a zygote needs."""
NOBODY = 65534
CLEARED = {
    "LANG": "C.UTF-8",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
}
"""The environment of candidate and referee, besides the search path for modules and where a GPU is."""
NO_GPU = {"CUDA_VISIBLE_DEVICES": ""}
"""For zygotes: where torch finds a GPU its first backward pass starts a thread for it, which no fork has."""
SYSTEM = """
/usr/lib /usr/lib64 /lib /lib64 /etc/ld.so.cache /usr/bin/env /sbin/ldconfig /sbin/ldconfig.real /bin/sh
""".split()
"""Shared libraries, and what ctypes runs to find one; a candidate can start none of them."""
LOG_BYTES = 4000
KEPT = ("HOME", "NUMBA_CACHE_DIR", "CUDA_VISIBLE_DEVICES")
"""Variables of a session that its referees see; they reach a GPU as any process of yours does."""


class Process:
    """A referee on this machine, in a session of its own."""

    def __init__(self, name: str, zygote: list[str], gpu: str | None) -> None:
        self.name = name
        self._log = tempfile.TemporaryFile()
        path = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        kept |= {} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sandbox.referee", "--", *zygote],
            env={**kept, **CLEARED, "PYTHONPATH": path},
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,
        )
        self.stdin = cast(BinaryIO, self._process.stdin)
        self.stdout = cast(BinaryIO, self._process.stdout)

    def kill(self) -> None:
        """The referee's death takes the rest with it: all are bound to their parent's life."""
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait()

    def log(self) -> str:
        self._log.seek(max(0, self._log.seek(0, os.SEEK_END) - LOG_BYTES))
        return self._log.read().decode(errors="replace")


def bubblewrap_pool(slots: int, device: str = "cpu") -> Pool:
    """Own namespaces made by bubblewrap, as an unprivileged user. Raises Unavailable without bubblewrap."""
    require(device)
    program = shutil.which("bwrap")
    if program is None:
        raise Unavailable("bubblewrap is not installed (package bubblewrap, command bwrap)")
    command = [program, *_namespaces(), "--", *_python("/app", "seccomp,landlock?"), "--own-pids"]
    return Pool(
        "bubblewrap",
        "own network, process and file system namespaces, system call filter, unprivileged user",
        (
            "A fault of the kernel in the system calls that stay allowed would let a program out.",
            "Memory is limited per program, not for the sandbox as a whole.",
        ),
        slots,
        lambda number: Process(f"bubblewrap-{number}", command, gpu_of(device, number)),
    )


def landlock_pool(slots: int, device: str = "cpu") -> Pool:
    """For a machine with neither Docker nor bubblewrap nor a privileged user."""
    require(device)
    command = _python(str(ROOT), "seccomp,landlock")
    return Pool(
        "landlock",
        "system call filter and read-only view of Python's own files, as an ordinary process",
        (
            "A fault of the kernel in the system calls that stay allowed would let a program out.",
            "Memory is limited per program, not for the sandbox as a whole.",
            "A program can see which files and processes exist, though not what is in them.",
            "It runs as the same user as the session unless that is root.",
        ),
        slots,
        lambda number: Process(f"landlock-{number}", command, gpu_of(device, number)),
    )


def unconfined_pool(slots: int, device: str = "cpu") -> Pool:
    """For tests, and for whoever asks for it by name."""
    require(device)
    command = _python(str(ROOT), "")
    return Pool(
        "unconfined",
        "NOTHING BUT RESOURCE LIMITS: a program can do whatever you can",
        ("A program can read your files and secrets, use the network, and signal and trace your processes.",),
        slots,
        lambda number: Process(f"unconfined-{number}", command, gpu_of(device, number)),
    )


def _python(root: str, layers: str) -> list[str]:
    """The zygote's command, in a cleared environment; ``root`` holds the package sandbox."""
    folders = sorted({str(path.parent) for path in harden.site_packages()})
    environment = {**CLEARED, **NO_GPU, "PYTHONPATH": os.pathsep.join([root, *folders])}
    command = ["/usr/bin/env", "-i", *[f"{name}={value}" for name, value in environment.items()]]
    command += [_interpreter(), "-s", "-S", "-m", "sandbox.candidate", "--socket", "FD"]
    command += ["--layers", layers] if layers else []
    return command + (["--uid", str(NOBODY)] if layers and os.geteuid() == 0 else [])


def _interpreter() -> str:
    return os.path.realpath(sys.executable)


def _namespaces() -> list[str]:
    """Bubblewrap's options: all namespaces, nothing of the host but Python and its libraries, read-only."""
    words = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
    words += ["--as-pid-1", "--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL"]
    if os.geteuid() == 0:  # to become nobody: a real one, whom the limits bind, unlike root in a namespace
        words += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_KILL"]
    else:
        words += ["--unshare-user"]
    stdlib = sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix, "base": sys.base_prefix})
    library = Path(sysconfig.get_config_var("LIBDIR") or "", str(sysconfig.get_config_var("LDLIBRARY")))
    before = [*SYSTEM, stdlib, _interpreter(), *([str(library)] if library.suffix != ".a" else [])]
    packages = [str(path) for path in harden.site_packages()]
    parents = {parent for path in (*before, *packages, "/app/sandbox/x") for parent in Path(path).parents}
    for parent in sorted(parents)[1:]:
        words += ["--dir", str(parent)]  # or bubblewrap would make them unreadable to any other user
    for path in before:
        words += ["--ro-bind-try", path, path]
    for name in ("site-packages", "dist-packages"):
        if Path(stdlib, name).is_dir():
            words += ["--tmpfs", f"{stdlib}/{name}"]
    for path in packages:
        words += ["--ro-bind", path, path]
    for name in HALF:
        words += ["--ro-bind", str(ROOT / "sandbox" / name), f"/app/sandbox/{name}"]
    words += ["--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev", "--remount-ro", "/"]
    return [*words, "--chdir", "/"]
