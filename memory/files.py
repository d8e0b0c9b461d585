"""Files that survive a kill: whole or not at all, one writer at a time."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from contextlib import suppress
from pathlib import Path


def write_atomically(path: Path, content: bytes) -> None:
    """The file holds either what it held or all of ``content``, also after a kill or a power cut."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def append_whole(file: int, size: int, block: bytes, sync: bool) -> None:
    """Add a block to a file of ``size`` bytes. Raises OSError and leaves no part of the block behind."""
    rest = memoryview(block)
    try:
        while rest:
            rest = rest[os.write(file, rest) :]
        if sync:
            os.fsync(file)
    except BaseException:
        os.ftruncate(file, size)
        raise


def hold_lock(path: Path, wait: float = 0.0) -> int:
    """Hold the lock file until the returned descriptor is closed or this process ends.

    Raises BlockingIOError, with the owner's process id as its text, after ``wait`` seconds.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    deadline = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError as error:
            if time.monotonic() >= deadline:
                owner = os.pread(file, 20, 0).decode(errors="replace").strip()
                os.close(file)
                raise BlockingIOError(error.errno, owner or "unknown") from None
            time.sleep(0.02)
        except OSError:
            os.close(file)
            raise
    with suppress(OSError):  # the process id is only for the message; a full disk must not cost the lock
        os.ftruncate(file, 0)
        os.pwrite(file, str(os.getpid()).encode(), 0)
    return file


def is_held(path: Path) -> bool:
    """Whether a live process holds the lock file. Never creates it."""
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False
