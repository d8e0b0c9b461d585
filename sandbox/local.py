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
from sandbox.job import Unavailable
from sandbox.pool import Pool

ROOT = Path(__file__).resolve().parent.parent
HALF = ("__init__.py", "candidate.py", "channel.py", "harden.py")
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
"""The whole environment of a candidate, and with the search path for modules that of a referee."""
LOG_BYTES = 4000


class Process:
    """A referee on this machine, in a session of its own."""

    def __init__(self, name: str, zygote: list[str]) -> None:
        self.name = name
        self._log = tempfile.TemporaryFile()
        path = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
        kept = {name: os.environ[name] for name in ("HOME", "NUMBA_CACHE_DIR") if name in os.environ}
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


def unconfined(slots: int) -> Pool:
    """Resource limits only. For tests, and for whoever asks for it by name."""
    return Pool(
        "unconfined",
        "resource limits only: the program runs as you, with your files and your network",
        ("It can read your files, use the network, start processes and signal them.",),
        slots,
        lambda number: Process(f"unconfined-{number}", [*_python(ROOT), "--socket", "FD"]),
    )


def _python(root: Path) -> list[str]:
    """The zygote's command, in a cleared environment."""
    packages = sorted({str(path.parent) for path in harden.site_packages()})
    path = os.pathsep.join([str(root), *packages])
    env = [f"{name}={value}" for name, value in {**CLEARED, "PYTHONPATH": path}.items()]
    return ["/usr/bin/env", "-i", *env, os.path.realpath(sys.executable), "-s", "-S", "-m", "sandbox.candidate"]
