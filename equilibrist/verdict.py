"""A program against baselines on several games: wins, ratios or gains, worst case, and what chance may
explain.

A *loss* is log10 of exploitability at the end. Where returns are what counts it is the normalised return at
the end, negated: above the reference, which in an environment of the user's own is no more than a guess,
returns differ as much as below it, and a ratio of what they lack would be noise.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from equilibrist.table import FLOOR, Report
from sandbox.job import Record

ALONE = math.log10(2.0)
"""Difference of log10 exploitability that counts where nothing was repeated: late iterates are chaotic, and
less than a factor of two is no evidence (``docs/scores.md``). Of a normalised return as much is asked for."""


class Duel(Record):
    """The program and one baseline on one game; losses are log10 of exploitability at the end."""

    game: str
    difference: float
    """Mean loss of the program less the baseline's; negative is better."""
    spread: float
    """What chance can make of that difference: two standard errors over repeats."""

    @property
    def outcome(self) -> str:
        if abs(self.difference) <= self.spread:
            return "tie"
        return "win" if self.difference < 0 else "loss"


class Against(Record):
    """The program and one baseline over all games."""

    baseline: str
    wins: int
    ties: int
    losses: int
    ratio: float | None
    """Geometric mean over games of exploitability, program to baseline; below 1 is better. None: a run
    failed, or returns are what counts."""
    gain: float | None = None
    """Then: the program's normalised return less the baseline's, mean over games; above 0 is better."""
    spread: float
    """Two standard deviations over repeats of log10 of the ratio, or of the gain."""
    worst: float | None
    """The largest ratio of one game, or the smallest gain."""
    worst_game: str
    duels: tuple[Duel, ...]
    failed: bool = False
    """Whether the program or the baseline did not end its run on ``worst_game``. Then nothing else counts."""

    @property
    def margin(self) -> float | None:
        """By how much the program is better, in the unit of the spread. None: a run failed."""
        return self.gain if self.ratio is None else -math.log10(self.ratio)

    @property
    def beaten(self) -> bool:
        """By more than the spread."""
        return self.margin is not None and self.margin > self.spread


def losses(report: Report, program: str, game: str) -> list[float] | None:
    """One per repeat: log10 max(exploitability, ``FLOOR``) at the end, or the negative normalised return; the
    negative score where a problem measures neither. None when a run failed."""
    found = []
    for cell in report.of(program, game):
        if cell.result.status != "ok" or cell.result.score is None:
            return None
        curve = cell.exploitability
        if cell.returns:
            found.append(-cell.returns[-1])
        else:
            found.append(math.log10(max(curve[-1], FLOOR)) if curve else -cell.result.score)
    return found


def against(report: Report, program: str, baseline: str) -> Against:
    """The verdict of one report."""
    pairs = [(g, losses(report, program, g), losses(report, baseline, g)) for g in report.games]
    good = [(game, own, other) for game, own, other in pairs if own is not None and other is not None]
    if len(good) < len(pairs):
        return Against(
            baseline=baseline,
            wins=0,
            ties=0,
            losses=len(pairs),
            ratio=None,
            spread=0.0,
            worst=None,
            worst_game=next(game for game, own, other in pairs if own is None or other is None),
            duels=(),
            failed=True,
        )
    solved = -math.inf if report.returned else math.log10(FLOOR) + 1e-9
    duels = tuple(_duel(*pair, solved) for pair in good)
    outcomes = [duel.outcome for duel in duels]
    worst = max(duels, key=lambda duel: duel.difference)
    means = [statistics.fmean(own[i] - other[i] for _, own, other in good) for i in range(report.repeats)]
    return Against(
        baseline=baseline,
        wins=outcomes.count("win"),
        ties=outcomes.count("tie"),
        losses=outcomes.count("loss"),
        ratio=None if report.returned else 10 ** statistics.fmean(means),
        gain=-statistics.fmean(means) if report.returned else None,
        spread=2.0 * statistics.stdev(means) if len(means) > 1 else ALONE,
        worst=-worst.difference if report.returned else 10**worst.difference,
        worst_game=worst.game,
        duels=duels,
    )


def _duel(game: str, own: Sequence[float], other: Sequence[float], solved: float) -> Duel:
    """``solved``: the loss at or below which nothing is left to chance."""
    difference = statistics.fmean(own) - statistics.fmean(other)
    if len(own) < 2:
        spread = 0.0 if max(*own, *other) <= solved else ALONE
        return Duel(game=game, difference=difference, spread=spread)
    error = math.sqrt((statistics.variance(own) + statistics.variance(other)) / len(own))
    return Duel(game=game, difference=difference, spread=2.0 * error)
