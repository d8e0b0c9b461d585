"""When do two programs behave alike? Their policies' trajectories on the smoke games, not their text."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from memory.archive import Archive
from memory.records import Result, program_id

DIGITS = 9
"""Decimals compared: far above rounding, far below what any other rule would give."""
Smoke = Callable[[str], Result]
Behaviour = tuple[tuple[str, str, tuple[float, ...]], ...]


def behaviour(result: Result) -> Behaviour | None:
    """All series of a smoke run, rounded; None when it failed or measured nothing."""
    if result.status != "ok" or not any(result.curves.values()):
        return None
    return tuple(
        (game, name, tuple(round(value, DIGITS) for value in values))
        for game, series in sorted(result.curves.items())
        for name, values in sorted(series.items())
    )


class Known:
    """Evaluated programs by how they behave; grows with the archive, like ``novelty.Kin``."""

    def __init__(self) -> None:
        self.count = 0
        self.places: dict[Behaviour, list[tuple[int, str]]] = {}
        self.guard = Lock()

    def grow(self, archive: Archive, smoke: Smoke) -> None:
        """Take in what is new. Smoke runs were recorded when the programs were judged: none is run again."""
        with self.guard:
            for entry in archive.since(self.count):
                self.count += 1
                if entry.result.status == "ok" and (shown := behaviour(smoke(entry.source))) is not None:
                    self.places.setdefault(shown, []).append((self.count, entry.program_id))


def behaves_like(archive: Archive, smoke: Smoke, source: str, result: Result) -> str | None:
    """Id of an evaluated program of another text that plays the same policies on the smoke games."""
    shown = behaviour(result)
    if shown is None:
        return None
    known: Known = archive.shared.setdefault("behaviours", Known())
    known.grow(archive, smoke)
    own = program_id(source)
    alike = (name for _, name in known.places.get(shown, ()) if name != own and name in archive.entries)
    return next(alike, None)
