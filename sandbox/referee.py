"""The trusted half: plays the game, holds it, measures, and writes the outcome. Never executes a program.

``python -m sandbox.referee -- ARGV...`` starts the candidate zygote itself, as a child; ``FD`` in ARGV stands
for the descriptor of its socket. ``python -m sandbox.referee --listen NAME --candidate-uid N`` waits for a
zygote that was started elsewhere (in a container, by another user).

Jobs come on standard input, outcomes leave on what was standard output (see channel.send). Every job is
played in a fork, so that no job sees another's state. Ends when standard input does. May be process 1.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import time
import traceback
from typing import Any, NoReturn

from problems.apart import hung, tell_on
from problems.brought import BroughtError
from problems.problem import CandidateError
from sandbox import channel, forking
from sandbox.crossing import Candidate, ZygoteLost
from sandbox.harden import PR_SET_PDEATHSIG, prctl

GRACE_SECONDS = 5.0
"""What a rollout may take beyond the wall limit to save what it has."""
CHUNK = 1 << 16
MESSAGE_CHARACTERS = 6000


def main() -> None:
    options = _options()
    jobs, outcomes = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)  # whatever prints, prints to the log
    host = jobs.fileno()
    zygote = _accept(options.listen, options.candidate_uid, host) if options.listen else _spawn(options.argv)
    hello = _answer(zygote, host)
    if not hello:
        sys.exit("the candidate process ended before it was ready")
    channel.send(outcomes, {"ready": json.loads(hello)})
    games: dict[str, bytes] = {}
    while True:
        try:
            job, blob = channel.receive(jobs)
        except EOFError:
            sys.exit()
        channel.send(outcomes, {"taken": True})
        if "program" not in job:
            failure, compiled = _learn(job, blob, zygote, host)
            channel.send(outcomes, {"failure": failure}, compiled)
            continue
        outcome = _play(job, games.setdefault(job["game"], blob), zygote, host)
        channel.send(outcomes, outcome)
        if outcome["spoiled"]:
            sys.exit()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="sandbox.referee")
    parser.add_argument("--listen", metavar="NAME", help="wait for the zygote on this abstract unix socket")
    parser.add_argument("--candidate-uid", type=int, help="the only user who may connect to it")
    parser.add_argument("argv", nargs="*", help="or the command that starts the zygote")
    return parser.parse_args()


def _spawn(argv: list[str]) -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    fd = str(theirs.fileno())
    argv = [fd if word == "FD" else word for word in argv]
    subprocess.Popen(argv, pass_fds=[theirs.fileno()], preexec_fn=_die_with_parent)
    theirs.close()
    return ours


def _die_with_parent() -> None:
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _accept(name: str, uid: int, host: int) -> socket.socket:
    """The connection of a process of user ``uid``; nobody else gets one, and nobody a second."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(f"\0{name}")
        listener.listen()
        while True:
            _wait(listener.fileno(), host)
            connection, _ = listener.accept()
            _, peer, _ = struct.unpack(
                "iII", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            )
            if peer == uid:
                return connection
            connection.close()


def _answer(zygote: socket.socket, host: int) -> bytes:
    """What the zygote says next."""
    _wait(zygote.fileno(), host)
    return zygote.recv(CHUNK)


def _wait(fd: int, host: int) -> None:
    """Until there is something to read from ``fd``; exits when the host has gone."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    poll.register(host, 0)
    if host in (ready for ready, _ in poll.poll()):
        sys.exit()


def _learn(job: dict[str, Any], compiled: bytes, zygote: socket.socket, host: int) -> tuple[str, bytes]:
    """Load both halves of a problem where every later fork finds them.

    Returns what went wrong, and what the zygote compiled; both are mostly empty.
    """
    try:
        importlib.import_module(job["referee"])
        forking.settle()
    except Exception:
        return traceback.format_exc(), b""
    fds = [channel.seal(job["rule"].encode()), channel.seal(compiled)]
    socket.send_fds(zygote, [b"rule"], fds)
    for fd in fds:
        os.close(fd)
    _wait(zygote.fileno(), host)
    answer, received, _, _ = socket.recv_fds(zygote, CHUNK, 1)
    if answer == b"learnt":
        return "", bytes(channel.unseal(received[0]))
    return answer.decode() or "the zygote died while it loaded the problem's rule", b""


def _play(job: dict[str, Any], game: bytes, zygote: socket.socket, host: int) -> dict[str, Any]:
    """One job in a fork; drains the program's output meanwhile, so that it neither blocks nor floods."""
    cores = sorted(os.sched_getaffinity(0))
    job["core"] = cores[
        job["slot"] % len(cores)
    ]  # one core for both: they take turns, and a wake-up is cheap
    result_read, result_write = os.pipe()
    output_read, output_write = os.pipe()
    started = time.monotonic()
    pid = os.fork()
    if pid == 0:
        os.close(result_read)
        os.close(output_read)
        _child(job, game, zygote, result_write, output_write)
    os.close(result_write)
    os.close(output_write)
    limits = job["limits"]
    deadline = started + limits["wall_seconds"] + GRACE_SECONDS
    result, output = _watch(result_read, output_read, host, deadline, limits["output_kb"] << 10)
    seconds = time.monotonic() - started
    os.close(result_read)
    os.close(output_read)
    if not result:
        sys.exit("the process that plays the game died or did not end")
    os.waitpid(pid, 0)
    _reap_orphans()
    stubborn = hung(result)
    told = {"failure": stubborn, "brought": True, "spoiled": True} if stubborn else json.loads(result)
    return {**told, "output": printable(output.decode(errors="replace")), "seconds": seconds}


def _watch(result_fd: int, output_fd: int, host: int, deadline: float, cap: int) -> tuple[bytes, bytes]:
    """Read both pipes until the first ends; of the second keep ``cap`` bytes. Exits when the host does."""
    poll = select.poll()
    for fd, events in ((result_fd, select.POLLIN), (output_fd, select.POLLIN), (host, 0)):
        poll.register(fd, events)
    kept = {result_fd: bytearray(), output_fd: bytearray()}
    ended = False
    while not ended and time.monotonic() < deadline:
        for fd, _ in poll.poll(1000):
            if fd == host:
                sys.exit()
            data = os.read(fd, CHUNK)
            kept[fd] += data if fd == result_fd else data[: cap - len(kept[output_fd])]
            if not data:
                poll.unregister(fd)
                ended = ended or fd == result_fd
    while ended and select.select([output_fd], [], [], 0)[0] and (data := os.read(output_fd, CHUNK)):
        kept[output_fd] += data[: cap - len(kept[output_fd])]
    return bytes(kept[result_fd]) if ended else b"", bytes(kept[output_fd])


def _reap_orphans() -> None:
    """Process 1 of a container inherits them."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _child(job: dict[str, Any], game: bytes, zygote: socket.socket, result: int, output: int) -> NoReturn:
    _die_with_parent()
    os.sched_setaffinity(0, {job["core"]})
    tell_on(result)
    try:
        outcome = _evaluate(job, game, Candidate(zygote, job, output))
    except ZygoteLost:
        os._exit(1)  # without a result: the worker is given up, and the host tries the job in another one
    except BroughtError as error:
        outcome = {"failure": str(error), "brought": True, "spoiled": True}
    except BaseException:
        outcome = {"failure": traceback.format_exc(), "spoiled": True}
    with os.fdopen(result, "wb") as file:
        file.write(json.dumps(outcome).encode())
    os._exit(0)


def _evaluate(job: dict[str, Any], game: bytes, candidate: Candidate) -> dict[str, Any]:
    rollout = importlib.import_module(job["referee"]).rollout
    artifact: dict[str, Any] = {}
    failure = None
    try:
        candidate.start()
        artifact = rollout(candidate, game, {**job["settings"], "seed": job["seed"]})
        failure = candidate.failure
    except CandidateError as error:
        failure, artifact = error, error.artifact
    ending = candidate.finish()
    status = failure.status if failure else "ok"
    return {
        "status": status,
        "message": printable(without_host_paths(str(failure or "")))[:MESSAGE_CHARACTERS],
        "artifact": artifact,
        "spoiled": status == "timeout" or ending["ended_itself"] or ending["leftovers"] > 0,
    }


def printable(text: str) -> str:
    """Text without terminal sequences, control characters and direction overrides."""
    text = re.sub(
        r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)?", "", text.replace("\r\n", "\n")
    )
    return re.sub(r"[^\S\n\t ]|[\x00-\x08\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]", "", text)


def without_host_paths(text: str) -> str:
    """``/home/me/.venv/lib/python3.11/site-packages/torch/x.py`` becomes ``torch/x.py``."""
    return re.sub(r"(/[^\s/'\"():]+)+/(site-packages|python3\.\d+)/", "", text)


if __name__ == "__main__":
    main()
