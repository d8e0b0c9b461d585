"""Games and environments of the user's own: validated before a session, kept in its folder, found again."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from equilibrist.errors import Failed, Usage
from equilibrist.render import span
from memory.files import write_atomically
from problems import brought
from problems.apart import apart
from problems.brought import Brought, BroughtError
from problems.problem import Problem

FOLDER = "games"
"""In a session's folder: what the names with ``@`` stand for, a file each."""


def bring(problem: Problem, texts: Sequence[str], say: Callable[[str], None]) -> tuple[Brought, ...]:
    """Validate what was typed after ``--game`` or ``--env``, and make it known to this process.

    Raises:
        Usage: the problem takes none, a game has a fault, or one is given twice.
    """
    games: list[Brought] = []
    make = problem.bring
    if make is None:
        if texts:
            raise Usage(f"Problem {problem.name} has no games of your own.")
        return ()
    for text in texts:
        try:
            game = apart(text, partial(make, text))
        except BroughtError as error:
            raise Usage(str(error)) from None
        if game.name in (known.name for known in games):
            raise Usage(f"{text} is given twice.")
        if game.data is not None:
            brought.keep(game.name, game.data)
        say(f"{game.name}: {game.about}; about {span(game.seconds)} per evaluation")
        games.append(game)
    return tuple(games)


def outlook(games: Sequence[Brought], programs: int, parallel: int) -> str:
    """Estimated time of all evaluations of a session, in a sentence."""
    seconds = sum(game.seconds for game in games) * programs / parallel
    return f"About {span(seconds)} for {programs} evaluations, {parallel} at a time, beside the agents' own."


def options(problem: str, games: Sequence[str]) -> str:
    """What stands for a session's games of the user's own on the command line of ``evaluate``, with a space
    before."""
    option = "--env" if problem == "learning" else "--game"
    return "".join(f" {option} {shlex.quote(game.rpartition('@')[0] or game)}" for game in games)


def store(session: Path, games: Sequence[Brought]) -> None:
    """Keep in the session's folder what the names alone do not say."""
    for game in games:
        if game.data is not None:
            (session / FOLDER).mkdir(exist_ok=True)
            write_atomically(_file(session, game.name), game.data)


def restore(session: Path, names: Sequence[str]) -> tuple[Brought, ...]:
    """Make a session's games known to this process.

    Raises:
        Failed: one is missing or damaged.
    """
    games = []
    for name in names:
        data = None
        if "@" in name:
            try:
                data = _file(session, name).read_bytes()
            except OSError as error:
                raise Failed(f"The session's game {name} cannot be read: {error}") from None
            brought.keep(name, data)
        games.append(Brought(name, data, "", 0.0))
    return tuple(games)


def _file(session: Path, name: str) -> Path:
    return session / FOLDER / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.bin"
