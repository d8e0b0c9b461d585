"""What racing spared a session: environment steps that hopeless programs did not take."""

from __future__ import annotations

from dataclasses import dataclass

from memory.archive import Archive
from memory.records import Result


@dataclass(frozen=True)
class Spared:
    within: float
    """Steps left out inside an environment, by the test over seeds."""
    later: float
    """Steps of environments that were not begun, for the program lost to every baseline on each before."""
    taken: float
    """Steps that were taken, baselines included."""
    programs: int
    """How many were stopped."""

    def __str__(self) -> str:
        whole = self.within + self.later
        part = whole / max(1.0, whole + self.taken)
        return (
            f"Racing spared {whole:,.0f} environment steps ({part:.0%} of all): {self.programs} programs "
            f"were stopped, {self.within:,.0f} steps within an environment, {self.later:,.0f} before one"
        )


def spared(archive: Archive) -> Spared | None:
    """None where a problem does not count environment steps."""
    results = [entry.result for entry in archive.entries.values()]
    planned = {game: _number(r, game, "planned") for r in results for game in r.curves}
    if not any(planned.values()):
        return None
    within = sum(_number(r, game, "spared") for r in results for game in r.curves)
    begun = sum(_number(r, game, "planned") for r in results for game in r.curves)
    stopped = [r for r in results if r.stopped_early]
    later = sum(sum(planned.values()) - sum(planned.get(game, 0.0) for game in r.curves) for r in stopped)
    halted = [r for r in results if r.stopped_early or any(_number(r, g, "spared") for g in r.curves)]
    return Spared(within, later, begun - within, len(halted))


def _number(result: Result, game: str, name: str) -> float:
    return (result.curves.get(game, {}).get(name) or [0.0])[0]
