"""What a user brought is first touched in a child process: it may hang, crash the interpreter or leave it."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from problems.brought import Brought, BroughtError


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
    told = json.loads(said)
    if "fault" in told:
        raise BroughtError(told["fault"])
    if "ours" in told:
        raise RuntimeError(told["ours"])
    data = None if told["data"] is None else base64.b64decode(told["data"])
    return Brought(told["name"], data, told["about"], told["seconds"])


def _answer(pipe: int, make: Callable[[], Brought]) -> NoReturn:
    """The child's whole life. Nothing is cleaned up that belongs to the parent."""
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
    second, should somebody catch it. Only the main thread can be interrupted."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def late(number: int, frame: object) -> None:
        raise TimeoutError(f"not done after {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, late)
    rest = signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *rest)
