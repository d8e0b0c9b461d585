"""A program of a session, by any of the names that a person may use for it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from equilibrist.bring import restore
from equilibrist.errors import Usage
from equilibrist.evaluate import find_problem
from equilibrist.home import find_session, open_home
from memory.archive import Archive
from memory.events import JournalError
from memory.journal import Journal
from memory.records import program_id
from problems.problem import Problem, tailored


@dataclass(frozen=True)
class Named:
    """One program and the session that it is looked at for."""

    home: Path
    folder: Path
    """The session's."""
    problem: Problem
    name: str
    """A baseline's name, ``#7``, or a file's name."""
    source: str

    @property
    def program_id(self) -> str:
        return program_id(self.source)


def named(home: Path, session: str, program: str) -> Named:
    """A program by ``best`` (of the session's own), an id or its start, ``#7`` or ``7``, or the name of a
    baseline or a file.

    Raises:
        Usage: there is no such session or program.
    """
    home = open_home(home)
    folder = find_session(home, session)
    journal = Journal.view(folder)
    archive = Archive.of(journal)
    config = journal.session.get("config", {})
    games = tuple(config.get("games", ()))
    restore(folder, games)
    problem = tailored(find_problem(journal.session["problem"]), games, config.get("device", "cpu"))

    def made(name: str, source: str) -> Named:
        return Named(home, folder, problem, name, source)

    if program == "best":
        best = next((entry for entry in archive.leaderboard if entry.number is not None), None)
        if best is None:
            raise Usage(f"Session {folder.name} has no program of its own yet.")
        return made(best.name, best.source)
    entry = archive.named(program if not program.isdecimal() or len(program) > 6 else f"#{program}")
    if entry is not None:
        return made(entry.name, entry.source)
    if program in problem.baselines:
        return made(program, problem.baselines[program])
    if re.fullmatch(r"[0-9a-f]{4,12}", program):
        return made(*_by_id(journal, archive, program))
    path = Path(program)
    if path.is_file():
        try:
            return made(path.name, path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise Usage(f"{path} cannot be read as text: {error}") from None
    raise Usage(
        f"'{program}' is no program of session {folder.name}. Give 'best', an id, '#NUMBER' of an "
        "experiment, a baseline's name, or a file."
    )


def _by_id(journal: Journal, archive: Archive, start: str) -> tuple[str, str]:
    """Name and source. Raises Usage."""
    known = {path.stem for path in (journal.folder / "programs").glob(f"{start}*.py")} | {
        name for name in archive.entries if name.startswith(start)
    }
    if len(known) != 1:
        raise Usage(
            f"Session {journal.folder.name} has {'several programs' if known else 'no program'} whose id "
            f"starts with {start}."
        )
    found = known.pop()
    entry = archive.entries.get(found)
    if entry is not None:
        return entry.name, entry.source
    try:
        return found, journal.program(found)
    except JournalError as error:
        raise Usage(str(error)) from None
