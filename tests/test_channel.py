import fcntl
import io
import mmap
import os

import numpy as np
import pytest

from sandbox import channel
from sandbox.channel import ArraySpec
from sandbox.referee import printable, without_host_paths


def test_messages_keep_header_and_bytes():
    stream = io.BytesIO()
    channel.send(stream, {"a": [1, "ü"]}, b"\0\xff" * 1000)
    channel.send(stream, {})
    stream.seek(0)
    assert channel.receive(stream) == ({"a": [1, "ü"]}, b"\0\xff" * 1000)
    assert channel.receive(stream) == ({}, b"")
    with pytest.raises(EOFError):
        channel.receive(stream)


def test_a_cut_message_is_no_message():
    stream = io.BytesIO()
    channel.send(stream, {"a": 1}, b"abc")
    with pytest.raises(EOFError):
        channel.receive(io.BytesIO(stream.getvalue()[:-1]))


def test_setup_carries_json_and_arrays_at_any_depth():
    setup = {"n": 3, "list": [{"a": np.arange(5)}, None, "x"], "empty": np.zeros((0, 2), np.float32)}
    specs = [ArraySpec("x", "float64", (2, 3)), ArraySpec("y", "int8", ())]
    got, got_specs = channel.unpack_setup(channel.unseal(channel.seal(channel.pack_setup(setup, specs))))
    assert got_specs == specs
    assert got["n"] == 3
    np.testing.assert_array_equal(got["list"][0]["a"], np.arange(5))
    assert got["list"][0]["a"].dtype == np.int64
    assert got["list"][1:] == [None, "x"]
    assert got["empty"].shape == (0, 2)


def test_setup_refuses_objects():
    with pytest.raises(TypeError, match="arrays of numbers"):
        channel.pack_setup({"x": np.array([object()])}, [])
    with pytest.raises(TypeError, match="not set"):
        channel.pack_setup({"x": {1}}, [])


def test_sealed_memory_is_copied_on_write():
    fd = channel.seal(b"before")
    with pytest.raises(PermissionError):
        os.pwrite(fd, b"x", 0)
    mine, other = channel.unseal(os.dup(fd)), channel.unseal(fd)
    mine[:3] = b"xxx"
    assert (mine[:], other[:]) == (b"xxxore", b"before")


def test_shared_arrays_are_live_aligned_and_cannot_be_cut_off():
    specs = [ArraySpec("a", "int8", (3,)), ArraySpec("b", "float64", (2, 2))]
    fd = channel.shared_memory(specs)
    for size in (0, 1 << 20):
        with pytest.raises(PermissionError):
            os.ftruncate(fd, size)
    with pytest.raises(PermissionError):
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)
    ours, theirs = channel.map_arrays(os.dup(fd), specs), channel.map_arrays(fd, specs)
    theirs["b"][1, 0] = 2.5
    assert ours["b"].tolist() == [[0.0, 0.0], [2.5, 0.0]]
    assert ours["b"].ctypes.data % channel.ALIGNMENT == ours["a"].ctypes.data % mmap.PAGESIZE == 0


def test_shared_arrays_hold_no_objects():
    with pytest.raises(TypeError, match="Python objects"):
        channel.shared_memory([ArraySpec("a", "O", (1,))])


@pytest.mark.parametrize(
    ("dirty", "clean"),
    [
        ("a\x1b[31mred\x1b[0m\tb\n", "ared\tb\n"),
        ("\x1b]0;title\x07x\x1b]8;;http://x\x1b\\y", "xy"),
        ("one\rtwo\x08\x00\x9b\r\nthree", "onetwo\nthree"),
        ("\u202eevil\u2066", "evil"),
        ("ünïcödé ok", "ünïcödé ok"),
        ("\x1b", ""),
    ],
)
def test_printable(dirty, clean):
    assert printable(dirty) == clean


def test_host_paths_are_cut():
    text = "cannot import x from 'torch' (/home/me/.venv/lib/python3.11/site-packages/torch/__init__.py)"
    assert without_host_paths(text) == "cannot import x from 'torch' (torch/__init__.py)"
