"""The home folder: where sessions, memory and caches live, and how a session is named."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from equilibrist.errors import Usage

SESSIONS = "sessions"


def open_home(home: Path) -> Path:
    """Create the home folder if need be and prove that it can be written to.

    Raises:
        Usage: the folder cannot be created or written to.
    """
    try:
        (home / SESSIONS).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            pass
    except OSError as error:
        raise Usage(
            f"The home folder {home} cannot be used: {error.strerror or error}. Give a folder that you may "
            "write to with --home or the environment variable EQUILIBRIST_HOME."
        ) from error
    return home.resolve()


def new_session(home: Path, problem: str) -> Path:
    """Reserve the next free session folder, ``<problem>-<number>``; safe against a second process."""
    taken = [
        int(p.name.rpartition("-")[2])
        for p in (home / SESSIONS).glob(f"{problem}-*")
        if p.name[-1:].isdigit()
    ]
    number = max(taken, default=0) + 1
    while True:
        folder = home / SESSIONS / f"{problem}-{number:03d}"
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
        else:
            return folder


def session_folders(home: Path) -> list[Path]:
    """Every session's folder, oldest first."""
    folders = [p for p in (home / SESSIONS).glob("*") if (p / "session.json").exists()]
    return sorted(folders, key=lambda p: (p / "session.json").stat().st_mtime_ns)


def find_session(home: Path, name: str) -> Path:
    """The session called ``name``: its id, the start of exactly one id, or ``last``.

    Raises:
        Usage: there is no such session, or several.
    """
    folders = session_folders(home)
    if not folders:
        raise Usage(f"There is no session in {home / SESSIONS} yet. Start one with: equilibrist run regret")
    if name == "last":
        return folders[-1]
    exact = [p for p in folders if p.name == name]
    matches = exact or [p for p in folders if p.name.startswith(name)]
    if len(matches) == 1:
        return matches[0]
    known = ", ".join(p.name for p in folders[-8:])
    fault = "more than one session" if matches else "no session"
    raise Usage(f"'{name}' names {fault}. Known: {known} (or: last).")


def default_home() -> Path:
    """``EQUILIBRIST_HOME``, else ``./lab``."""
    return Path(os.environ.get("EQUILIBRIST_HOME", "lab"))
