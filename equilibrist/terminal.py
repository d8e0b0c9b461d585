"""Long output on a terminal: through a pager that keeps colours; in a pipe, as it is."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal, NoReturn

from rich.console import Console

WIDE = 140
"""Columns of a table in a pipe."""


class _Pages(Console):
    def on_broken_pipe(self) -> NoReturn:  # Rich would end the process
        raise BrokenPipeError


def reading_console() -> Console:
    """Standard output; in a pipe, where nothing says how wide it is, wide enough for tables."""
    console = Console()
    return console if console.is_terminal else Console(width=max(console.width, WIDE))


@contextmanager
def paged(console: Console) -> Iterator[Console]:
    """The console to print to: a pager that shows the first page while the rest is being made, where a
    person can turn the pages; ``console`` itself elsewhere. What fits the screen is left there."""
    command = os.environ.get("PAGER") or next(filter(None, map(shutil.which, ("less", "more"))), None)
    if command is None or console.is_dumb_terminal or not (console.is_terminal and sys.stdin.isatty()):
        yield console
        return
    pager = subprocess.Popen(
        command,
        shell=True,
        stdin=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        env={"LESS": "-FRX", **os.environ},
    )
    colours: Literal["auto"] | None = None if console.no_color else "auto"
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the pager's
    try:
        with suppress(BrokenPipeError), pager:  # whoever has seen enough quits
            yield _Pages(file=pager.stdin, width=console.width, force_terminal=True, color_system=colours)
    finally:
        signal.signal(signal.SIGINT, before)
