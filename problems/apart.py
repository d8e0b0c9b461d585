"""What a user brought is touched in child processes alone: it may hang, crash the interpreter or leave it."""

from __future__ import annotations

import base64
import contextlib
import faulthandler
import json
import os
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from problems.brought import Brought, BroughtError

STUBBORN = 5.0
"""Seconds that a child which catches what interrupts it is borne with beyond ``patience``."""
FRAME = re.compile(r'File "(.+)", line (\d+) in (\S+)')
_told_on: int | None = None
"""In a child: the pipe on which it is told where it hangs."""


def apart(text: str, make: Callable[[], Brought]) -> Brought:
    """What ``make`` gives, or the fault that it tells, from a child of this process.

    Raises:
        BroughtError: ``make`` did, or the child was ended by what it read.
    """
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ours)
        _answer(theirs, make)
    os.close(theirs)
    try:
        with os.fdopen(ours, "rb") as pipe:
            said = pipe.read()
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        raise
    finally:
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if not said:
        how = f"crashed ({signal.Signals(-status).name})" if status < 0 else f"was left (exit code {status})"
        raise BroughtError(f"{text}: Python {how} while this was read and tried; no session can run on it.")
    if stubborn := hung(said):
        raise BroughtError(f"{text} {stubborn}.")
    told = json.loads(said)
    if "fault" in told:
        raise BroughtError(told["fault"])
    if "ours" in told:
        raise RuntimeError(told["ours"])
    data = None if told["data"] is None else base64.b64decode(told["data"])
    return Brought(told["name"], data, told["about"], told["seconds"])


def tell_on(pipe: int) -> None:
    """In a child, before it touches what was brought: where :func:`hung` will find what it did not get out
    of."""
    global _told_on
    _told_on = pipe


def hung(said: bytes) -> str:
    """What a child says that :func:`patience` has ended: what it did, and where. Empty for another answer."""
    if not said.startswith(b"Timeout"):
        return ""
    return f"does not end and catches what interrupts it ({_where(said.decode(errors='replace'))})"


def _where(dumped: str) -> str:
    """The innermost line of a traceback of ``faulthandler`` that is neither ours nor a library's (main thread
    last)."""
    frames = FRAME.findall(dumped.rpartition("Thread ")[2])
    others = (sys.prefix, sys.base_prefix, str(Path(__file__).parent))
    own = [frame for frame in frames if not frame[0].startswith(others)]
    path, line, function = (own or frames)[0]
    return f"{Path(path).name}, line {line}, in {function}"


def _answer(pipe: int, make: Callable[[], Brought]) -> NoReturn:
    """The child's whole life. Nothing is cleaned up that belongs to the parent."""
    tell_on(pipe)
    told: dict[str, Any] = {}
    try:
        made = make()
        data = None if made.data is None else base64.b64encode(made.data).decode()
        told = {"name": made.name, "data": data, "about": made.about, "seconds": made.seconds}
    except BroughtError as error:
        told = {"fault": str(error)}
    except KeyboardInterrupt:
        os._exit(130)
    except BaseException:
        told = {"ours": traceback.format_exc()}
    with os.fdopen(pipe, "wb") as out:
        out.write(json.dumps(told).encode())
    os._exit(0)


@contextlib.contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Raise TimeoutError, in the very line that is being executed, when it takes longer; and once more every
    second, should somebody catch it. A child that catches all of them, or is in code that is not Python's,
    is ended. Only the main thread can be interrupted; who waits already, and less patiently, goes on to."""
    rest, interval = signal.getitimer(signal.ITIMER_REAL)
    if threading.current_thread() is not threading.main_thread() or 0.0 < rest < seconds:
        yield
        return

    def late(number: int, frame: object) -> None:
        raise TimeoutError(f"not done after {seconds:.0f} s")

    began, before = time.monotonic(), signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    if _told_on is not None:
        faulthandler.dump_traceback_later(seconds + STUBBORN, exit=True, file=_told_on)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        if _told_on is not None:
            faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGALRM, before)
        if rest:
            signal.setitimer(signal.ITIMER_REAL, max(rest - time.monotonic() + began, 1e-3), interval)
