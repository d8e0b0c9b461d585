"""Vectors by the text they belong to, in one append-only file that several processes share.

First a line that names the format and the dimensions, then records: the text's hash (16 bytes), the vector
(float32), a check sum (4 bytes). Derived: the file may be deleted at any time.
"""

from __future__ import annotations

import os
import threading
import zlib
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np

from memory.files import append_whole, hold_lock

_FORMAT = b"equilibrist vectors 1, dimensions "


class Vectors:
    """What cannot be written (a full disk, a read-only home) is kept for this process only."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: dict[bytes, np.ndarray] = {}
        self._guard = threading.Lock()
        self._load()

    def __contains__(self, text: str) -> bool:
        return _key(text) in self._rows

    def rows(self, texts: Sequence[str]) -> np.ndarray:
        """float32 [texts, dimensions]. Raises KeyError for a text that was never added."""
        return np.stack([self._rows[_key(text)] for text in texts])

    def add(self, texts: Sequence[str], rows: np.ndarray) -> None:
        """rows: float32 [texts, dimensions]."""
        records = []
        for text, row in zip(texts, rows.astype("<f4"), strict=True):
            record = _key(text) + row.tobytes()
            records.append(record + zlib.crc32(record).to_bytes(4, "little"))
        with self._guard:
            self._rows.update(zip(map(_key, texts), rows.astype(np.float32), strict=True))
            try:
                self._write(b"".join(records), rows.shape[1])
            except OSError:
                return

    def _write(self, block: bytes, dimensions: int) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        lock = hold_lock(self._path.with_suffix(".lock"), wait=10.0)
        try:
            file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                first = _FORMAT + b"%d\n" % dimensions
                if os.pread(file, len(first), 0) != first:
                    os.ftruncate(file, 0)
                    append_whole(file, 0, first, sync=False)
                size = os.fstat(file).st_size
                whole = size - (size - len(first)) % _record(dimensions)
                if whole < size:  # a record that a killed process left half written
                    os.ftruncate(file, whole)
                append_whole(file, whole, block, sync=False)
            finally:
                os.close(file)
        finally:
            os.close(lock)

    def _load(self) -> None:
        """Take in what is whole; anything else will be embedded again."""
        try:
            content = self._path.read_bytes()
        except OSError:
            return
        first, _, body = content.partition(b"\n")
        if not first.startswith(_FORMAT) or not first[len(_FORMAT) :].isdigit():
            return
        size = _record(int(first[len(_FORMAT) :]))
        for start in range(0, len(body) - size + 1, size):
            record, checksum = body[start : start + size - 4], body[start + size - 4 : start + size]
            if zlib.crc32(record).to_bytes(4, "little") == checksum:
                self._rows[record[:16]] = np.frombuffer(record, "<f4", offset=16)


def _record(dimensions: int) -> int:
    return 16 + 4 * dimensions + 4


def _key(text: str) -> bytes:
    return blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()
