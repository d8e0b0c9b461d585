"""The host's store of what zygotes compiled: bytes that the host never looks into.

Kept in memory and in the user's cache folder, one file per rule, processor and versions. A file that is
damaged, or that another user could have written, counts as absent.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

FORMAT = 1
DIGEST_BYTES = hashlib.sha256().digest_size


class Turn:
    """One worker's loading of one rule: ``found`` is what there is, or empty; ``keep`` adds what it made."""

    def __init__(self, key: str) -> None:
        self._path = folder() / key
        self.found = _KEPT.get(key) or _read(self._path)
        self._key = key

    def keep(self, compiled: bytes) -> None:
        _KEPT[self._key] = compiled
        with contextlib.suppress(OSError):  # without a cache the next session only starts later
            _write(self._path, compiled)


_KEPT: dict[str, bytes] = {}
_TURNS: dict[str, threading.Lock] = {}
_LOCK = threading.Lock()


@contextlib.contextmanager
def turn(rule: str, machine: str) -> Iterator[Turn]:
    """The turn of a worker at a rule, by its digest; ``machine`` is what its zygote told of itself.

    While nothing is kept the others wait, so that one compiles for all.
    """
    key = hashlib.sha256(f"{FORMAT} {rule} {machine}".encode()).hexdigest()[:32]
    with _LOCK:
        lock = _TURNS.setdefault(key, threading.Lock())
    with lock:
        mine = Turn(key)
        if not mine.found:
            yield mine
            return
    yield mine


def folder() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "equilibrist" / "compiled"


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            state = os.fstat(file.fileno())
            others_may_write = state.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
            data = b"" if others_may_write or state.st_uid != os.geteuid() else file.read()
    except OSError:
        return b""
    digest, compiled = data[:DIGEST_BYTES], data[DIGEST_BYTES:]
    return compiled if hashlib.sha256(compiled).digest() == digest else b""


def _write(path: Path, compiled: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:  # mode 0600
        try:
            file.write(hashlib.sha256(compiled).digest() + compiled)
            file.flush()
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink()
            raise
