"""What referee and candidate share: messages, sealed memory, arrays. Imports nothing of ours.

Three carriers. The host talks to the referee in length-prefixed messages over two byte streams.
Descriptors go over a unix socket, and whatever is longer than a word lies in sealed memory behind one. A
crossing is one byte each way over two pipes. Nothing is ever pickled.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import struct
from collections.abc import Sequence
from typing import Any, BinaryIO, NamedTuple

import numpy as np

PREFIX = struct.Struct(">IQ")
OPEN = 255
"""The operation that makes the candidate take new arrays; the problem's own are 0 to 254."""
DONE, FAILED = b".", b"!"
ALIGNMENT = 64
Buffer = mmap.mmap | bytes
SIZE_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
"""Without them a candidate could cut the memory off and kill the referee with SIGBUS."""


class ArraySpec(NamedTuple):
    """One array in shared memory: C order, starts as zeros."""

    name: str
    dtype: str
    """As numpy writes it, e.g. ``float64``, ``int64``; no objects."""
    shape: tuple[int, ...]


def send(stream: BinaryIO, header: dict[str, Any], blob: bytes = b"") -> None:
    """Write one message: lengths, JSON header, raw bytes."""
    text = json.dumps(header).encode()
    stream.write(PREFIX.pack(len(text), len(blob)) + text)
    stream.write(blob)
    stream.flush()


def receive(stream: BinaryIO) -> tuple[dict[str, Any], bytes]:
    """Read one message. Raises EOFError when the other side has gone."""
    header_size, blob_size = PREFIX.unpack(_exactly(stream, PREFIX.size))
    header = json.loads(_exactly(stream, header_size))
    return header, _exactly(stream, blob_size)


def _exactly(stream: BinaryIO, size: int) -> bytes:
    parts = []
    while size:
        part = stream.read(size)
        if not part:
            raise EOFError("the other side closed the stream")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def seal(data: bytes) -> int:
    """A descriptor of anonymous memory that holds ``data`` and that nobody can change any more."""
    fd = os.memfd_create("sealed", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
    with open(fd, "wb", closefd=False) as file:
        file.write(data)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, SIZE_SEALS | fcntl.F_SEAL_WRITE)
    return fd


def unseal(fd: int) -> Buffer:
    """The memory behind ``fd`` as a private copy-on-write mapping, or empty; closes ``fd``."""
    size = os.fstat(fd).st_size
    mapping = mmap.mmap(fd, size, access=mmap.ACCESS_COPY) if size else b""
    os.close(fd)
    return mapping


def pack_setup(setup: dict[str, Any], specs: Sequence[ArraySpec]) -> bytes:
    """JSON first, then the setup's arrays, to which it refers as ``{"$array": [offset, dtype, shape]}``.

    Raises TypeError when the setup holds anything but JSON values and numpy arrays of numbers.
    """
    arrays: list[bytes] = []
    end = 0

    def refer(value: Any) -> dict[str, Any]:
        nonlocal end
        if not isinstance(value, np.ndarray) or value.dtype.hasobject:
            raise TypeError(f"a setup holds JSON values and arrays of numbers, not {type(value).__name__}")
        data = np.ascontiguousarray(value).tobytes()
        start, end = end, end + _aligned(len(data))
        arrays.append(data.ljust(_aligned(len(data)), b"\0"))
        return {"$array": [start, value.dtype.str, value.shape]}

    text = json.dumps({"setup": setup, "specs": specs}, default=refer).encode()
    head = PREFIX.pack(len(text), end) + text
    return b"".join([head.ljust(_aligned(len(head)), b"\0"), *arrays])


def unpack_setup(memory: Buffer) -> tuple[dict[str, Any], list[ArraySpec]]:
    """The inverse of :func:`pack_setup`; its arrays are views of ``memory``."""
    size, _ = PREFIX.unpack(memory[: PREFIX.size])
    start = _aligned(PREFIX.size + size)

    def resolve(value: dict[str, Any]) -> Any:
        if "$array" not in value:
            return value
        offset, dtype, shape = value["$array"]
        return np.ndarray(shape, dtype, memory, start + offset)

    head = json.loads(memory[PREFIX.size : PREFIX.size + size], object_hook=resolve)
    return head["setup"], [ArraySpec(name, dtype, tuple(shape)) for name, dtype, shape in head["specs"]]


def shared_memory(specs: Sequence[ArraySpec]) -> int:
    """A descriptor of zeroed memory for the arrays, of a size that nobody can change any more."""
    fd = os.memfd_create("arrays", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
    os.ftruncate(fd, max(1, sum(_aligned(_nbytes(spec)) for spec in specs)))
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, SIZE_SEALS)
    return fd


def map_arrays(fd: int, specs: Sequence[ArraySpec]) -> dict[str, np.ndarray]:
    """The arrays in the memory behind ``fd``, live in every process that maps it; closes ``fd``."""
    memory = mmap.mmap(fd, os.fstat(fd).st_size)
    os.close(fd)
    arrays, offset = {}, 0
    for spec in specs:
        arrays[spec.name] = np.ndarray(spec.shape, spec.dtype, memory, offset)
        offset += _aligned(_nbytes(spec))
    return arrays


def _nbytes(spec: ArraySpec) -> int:
    dtype = np.dtype(spec.dtype)
    if dtype.hasobject:
        raise TypeError(f"array {spec.name!r} cannot be shared: {spec.dtype} holds Python objects")
    size: int = dtype.itemsize
    for length in spec.shape:
        size *= length
    return size


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
