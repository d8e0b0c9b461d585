"""Long output on a terminal: through a pager that keeps colours; in a pipe, as it is."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console


@contextmanager
def paged(console: Console) -> Iterator[None]:
    """Page what is printed inside, where a person can turn the pages. What fits the screen is left there."""
    if not (console.is_terminal and sys.stdin.isatty()):
        yield
        return
    os.environ.setdefault("LESS", "-FRX")
    with console.pager(styles=not console.no_color):
        yield
