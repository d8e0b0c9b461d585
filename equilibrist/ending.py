"""What a command shows when a session has ended, and how its process ends."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import nullcontext
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from equilibrist.errors import Interrupted
from equilibrist.options import emit
from equilibrist.terminal import paged, reading_console


def show_session(home: Path, session: str, all_of_it: bool, as_json: bool, paging: bool = False) -> None:
    """A session as ``equilibrist show`` prints it."""
    from equilibrist import show as view
    from equilibrist.home import find_session
    from equilibrist.reading.lines import Lines
    from memory.gathering import gather
    from memory.lessons import fold

    folder = find_session(home, session)
    lines = Lines(folder)
    lines.refresh()
    known = fold(gather(home))
    if as_json:
        emit(view.summary(lines, view.lessons_of(folder.name, known)))
    else:
        console = reading_console()
        with paged(console) if paging else nullcontext(console) as shown:
            view.show(shown, lines, known, all_of_it)


def finish(ended: tuple[str, str], home: Path, as_json: bool) -> None:
    """Show the session that just ended. Raises Interrupted when a person ended it."""
    session, reason = ended
    show_session(home, session, False, as_json)
    if reason == "interrupted":
        raise Interrupted(f"Interrupted. Go on with: equilibrist resume {session}")
    if reason == "budget":
        told = f"The budget is used up. Go on with: equilibrist resume {session} with a larger one"
        Console(stderr=True).print(told, markup=False)


def leave(code: int) -> NoReturn:
    """End the process. After a second Ctrl-C an experiment that still waits for a reply does not hold it."""
    if any(thread.name.startswith("experiment") for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
