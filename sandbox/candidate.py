"""The untrusted half: a zygote that has imported torch, and one fork of it per program.

``python -m sandbox.candidate --socket FD_OR_NAME [--uid N] [--own-pids] [--layers seccomp,landlock]``

The zygote never executes a program. It forks, the fork hardens itself, and only then runs the program's
source; when the referee says so, the zygote kills what is left and tells how the fork ended. It holds no
secret: no game, no environment, no file of ours. Imports nothing of ours but channel, forking,
harden and rules.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import io
import json
import linecache
import os
import random
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import llvmlite.binding as llvm
import numba
import numpy as np
import torch

from sandbox import channel, forking, harden, rules

Serve = Callable[[dict[str, Any], dict[str, Any], dict[str, np.ndarray]], list[Callable[[], object]]]
PROGRAM = "program.py"
REQUEST, REPLY, CONTROL = 3, 4, 5
"""Descriptors of a candidate. Besides them it has an empty standard input and its output pipe."""
PRELOADED = """
bisect collections copy dataclasses decimal encodings.idna enum fractions functools heapq itertools json
math numpy.fft numpy.linalg numpy.random operator random re statistics string time typing
""".split()
"""What a program may import although native code can no longer be loaded then."""
MESSAGE_CHARACTERS = 4000
FRAMES, LINE_CHARACTERS = 8, 200
DYING_SECONDS = 1.0
MEETING_SECONDS = 100.0


def main() -> None:
    options = _options()
    while os.open(os.devnull, os.O_RDONLY) < CONTROL:
        pass  # from here on no descriptor that matters has a number that a candidate's will take
    connection = _connect(options.socket)
    _forget_our_folder()
    _warm_up()
    shield = harden.Shield(filter(None, options.layers.split(",")), options.uid)
    harden.protect()
    connection.send(json.dumps(_versions()).encode())
    known: dict[str, Serve] = {}
    while True:
        word, fds, _, _ = socket.recv_fds(connection, 16, 8)
        if word == b"rule":
            _learn(known, connection, fds)
        elif word == b"run":
            job = json.loads(bytes(channel.unseal(fds[0])))
            ending = _run(job, known[job["rule"]], fds[1:], shield, connection, options.own_pids)
            connection.send(json.dumps(ending).encode())
        else:
            harden.sweep(options.own_pids)
            sys.exit()


def _versions() -> dict[str, str]:
    """What the machine code of this process depends on."""
    processor = f"{llvm.get_host_cpu_name()} {llvm.get_host_cpu_features().flatten()}"
    return {
        "python": sys.version.split()[0],
        "torch": torch.__version__,
        "numba": numba.__version__,
        "processor": hashlib.sha256(processor.encode()).hexdigest()[:16],
    }


def _learn(known: dict[str, Serve], connection: socket.socket, fds: list[int]) -> None:
    """Import a problem's half, once and before any fork that uses it, so that its forks find it compiled."""
    rule, compiled = (channel.unseal(fd) for fd in fds)
    digest = hashlib.sha256(rule).hexdigest()
    try:
        namespace, fresh = rules.learn(f"rule_{digest[:12]}", json.loads(bytes(rule)), compiled)
    except Exception:
        connection.send(traceback.format_exc().encode()[-MESSAGE_CHARACTERS:])
        return
    known[digest] = namespace["serve"]
    forking.settle()
    sealed = channel.seal(fresh)
    socket.send_fds(connection, [b"learnt"], [sealed])
    os.close(sealed)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="sandbox.candidate")
    parser.add_argument(
        "--socket", required=True, help="descriptor, or abstract name, of the referee's socket"
    )
    parser.add_argument("--uid", type=int, help="user that candidates become")
    parser.add_argument("--own-pids", action="store_true", help="every process of this user in sight is ours")
    parser.add_argument("--layers", default="", help="seccomp,landlock: what must work; empty for neither")
    return parser.parse_args()


def _connect(where: str) -> socket.socket:
    if where.isdigit():
        return socket.socket(fileno=int(where))
    deadline = time.monotonic() + MEETING_SECONDS
    while True:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            connection.connect(f"\0{where}")
            return connection
        except ConnectionRefusedError:  # the referee is not there yet
            connection.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _forget_our_folder() -> None:
    """From here on no import, not even one that a library makes on its own, can bring in a module of ours."""
    ours = ("", str(Path.cwd()), str(Path(__file__).resolve().parents[1]))
    sys.path[:] = [folder for folder in sys.path if folder not in ours]


def _warm_up() -> None:
    """Do once what every candidate would do at its start, and what it could not do once hardened."""
    for module in PRELOADED:
        importlib.import_module(module)
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    torch.set_flush_denormal(True)
    x = torch.ones(8, 8, requires_grad=True)
    (x @ x).softmax(-1).sum().backward()
    torch.from_numpy(np.zeros(8)).index_add_(0, torch.arange(8), torch.ones(8))
    forking.settle()


def _run(
    job: dict[str, Any],
    serve: Serve,
    fds: list[int],
    shield: harden.Shield,
    connection: socket.socket,
    own_pids: bool,
) -> dict[str, Any]:
    """Fork a candidate, bury it when the referee says so, return how it ended."""
    pid = os.fork()
    if pid == 0:
        _serve(job["program"], serve, _become_candidate(job, fds, shield))
    for fd in fds:
        os.close(fd)
    return _bury(connection, pid, own_pids)


def _execute(source: str, name: str, namespace: dict[str, Any]) -> dict[str, Any]:
    namespace.update(__name__=name.removesuffix(".py"), __file__=name)
    exec(compile(source, name, "exec"), namespace)  # the only place where a program comes alive
    return namespace


def _become_candidate(job: dict[str, Any], fds: list[int], shield: harden.Shield) -> socket.socket:
    """Keep three descriptors and the output, seed every generator alike, and give up the rest.

    Returns the socket of the third descriptor.
    """
    request, reply, control, output = fds
    null = os.open(os.devnull, os.O_RDONLY)
    for target, fd in enumerate((null, output, output, request, reply, control)):
        os.dup2(fd, target)
    sys.stdout = sys.stderr = io.TextIOWrapper(
        io.FileIO(1, "w", closefd=False), encoding="utf-8", errors="backslashreplace", write_through=True
    )
    connection = socket.socket(fileno=CONTROL)
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    os.sched_setaffinity(0, {job["core"]})
    shield.raise_(CONTROL + 1, job["memory_mb"], job["cpu_seconds"])
    os.write(REPLY, channel.DONE)
    return connection


def _serve(source: str, serve: Serve, control: socket.socket) -> NoReturn:
    """Execute the program, then answer crossings until it fails; ends by being killed."""
    ballast = bytearray(1 << 20)
    linecache.cache[PROGRAM] = (len(source), None, source.splitlines(True), PROGRAM)
    calls: list[Callable[[], object]] = []
    try:
        program = _execute(source, PROGRAM, {})
        os.write(REPLY, channel.DONE)
        while word := os.read(REQUEST, 1):
            if word[0] == channel.OPEN:
                _, (setup_fd, arrays_fd), _, _ = socket.recv_fds(control, 16, 2)
                setup, specs = channel.unpack_setup(channel.unseal(setup_fd))
                calls = serve(program, setup, channel.map_arrays(arrays_fd, specs))
            else:
                calls[word[0]]()
            os.write(REPLY, channel.DONE)
    except BaseException as error:
        del ballast  # so that there is room to say that there is no room
        control.send(json.dumps(_report(error)).encode())
        os.write(REPLY, channel.FAILED)
    while True:
        signal.pause()


def _report(error: BaseException) -> dict[str, str]:
    """What the program's author needs: the error and the program's own lines, nothing of the host."""
    try:
        return _described(error)
    except BaseException:  # the error is the program's own, and so is what describes it
        return {"status": "error", "message": f"{type(error).__name__}, which cannot be described"}


def _described(error: BaseException) -> dict[str, str]:
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
        return {"status": "out_of_memory", "message": f"out of memory{_where(error)}"}
    if isinstance(error, SyntaxError) and error.filename == PROGRAM:
        text = f"SyntaxError: {error.msg} (line {error.lineno}: {error.text})"
        return {"status": "error", "message": text[:MESSAGE_CHARACTERS]}
    text = f"{type(error).__name__}: {error}"[:MESSAGE_CHARACTERS]
    status = "invalid" if getattr(error, "status", "") == "invalid" else "error"
    return {"status": status, "message": f"{text}{_where(error)}"}


def _where(error: BaseException) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == PROGRAM]
    lines = (f"\n  line {x.lineno}, in {x.name}: {x.line}"[:LINE_CHARACTERS] for x in frames[-FRAMES:])
    return "".join(lines)


def _bury(connection: socket.socket, pid: int, own_pids: bool) -> dict[str, Any]:
    """Wait for the referee's word, end the fork and all it left, tell how it ended.

    On ``died`` the fork is given a moment to become reapable: its pipe closes a little earlier.
    """
    patience = DYING_SECONDS if connection.recv(16) == b"died" else 0.0
    deadline = time.monotonic() + patience
    done, status, usage = os.wait4(pid, os.WNOHANG)
    while not done and time.monotonic() < deadline:
        time.sleep(0.001)
        done, status, usage = os.wait4(pid, os.WNOHANG)
    if not done:
        os.kill(pid, signal.SIGKILL)
        _, status, usage = os.wait4(pid, 0)
    return {
        "ended_itself": bool(done),
        "exit_code": os.waitstatus_to_exitcode(status),
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "leftovers": harden.sweep(own_pids),
    }


if __name__ == "__main__":
    main()
