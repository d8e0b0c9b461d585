"""Exceptions of a user's environment, told to its author."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from problems.apart import patience
from problems.brought import BroughtError

ROOT = Path(__file__).resolve().parents[2]
RAISED = (Exception, SystemExit)
"""What a user's code may end with; a script that parses a command line exits."""
PATIENCE = 60.0
"""Seconds for import and PettingZoo's test, and for a step of all copies."""
_NOT_THEIRS = (sys.prefix, sys.base_prefix, str(ROOT / "problems"))


def told(error: BaseException) -> str:
    """The error, and the last line of it that is neither ours nor a library's; else the last of all."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "site-packages" not in f.filename and not f.filename.startswith(_NOT_THEIRS)]
    shown = own[-1] if own else frames[-1]
    text = str(error) or (frames[-1].line or "")
    return f"{type(error).__name__}: {text} ({Path(shown.filename).name}, line {shown.lineno}: {shown.line})"


def blamed(method: Callable[..., Any]) -> Callable[..., Any]:
    """A method of an environment, whose attribute ``entry`` names it, that calls the user's code: what is
    raised there, or does not end, is a fault of what was brought, not of the program that plays it nor of
    ours."""

    @wraps(method)
    def called(self: Any, *arguments: Any) -> Any:
        try:
            with patience(PATIENCE):
                return method(self, *arguments)
        except BroughtError:
            raise
        except RAISED as error:
            raise BroughtError(f"{self.entry} fails in play: {told(error)}") from None

    return called
