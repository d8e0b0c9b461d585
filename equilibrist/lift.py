"""What the search is worth: its best program less that of each control arm, at equal evaluations."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence

from rich.table import Table

from equilibrist.render import figure, safe
from memory.archive import Archive
from memory.records import SEARCH, Experiment
from sandbox.job import Record

RESAMPLES = 2000
CONFIDENCE = 0.95


class ArmRow(Record):
    """One arm of a session."""

    arm: str
    experiments: int
    evaluations: int
    best: float | None
    """Best score of the arm's own programs, over all of its evaluations."""
    equal: int | None = None
    """Evaluations at which the search is compared with this arm: what the smaller of the two had."""
    at_equal: float | None = None
    """Best score of the arm after so many."""
    lift: float | None = None
    """The search's best after so many, less this one; None for the search itself, or without a score."""
    low: float | None = None
    high: float | None = None
    """95 % interval of the lift, by resampling the experiments that are compared: how much of it their draw
    could make. Later experiments build on earlier ones, so several sessions say more
    (``equilibrist lift``)."""


def rows(archive: Archive) -> list[ArmRow]:
    """The arms of a session, the search first; empty for a session without control arms."""
    arms: dict[str, list[Experiment]] = {SEARCH: []}
    for experiment in archive.experiments:
        arms.setdefault(experiment.arm, []).append(experiment)
    if len(arms) < 2:
        return []
    search = _tried(arms.pop(SEARCH))
    spent = sum(cost for cost, _ in search)
    made = [ArmRow(arm=SEARCH, experiments=len(search), evaluations=spent, best=_best(search))]
    for name, own in arms.items():
        tried = _tried(own)
        row = ArmRow(
            arm=name,
            experiments=len(own),
            evaluations=sum(cost for cost, _ in tried),
            best=_best(tried),
        )
        equal = min(spent, row.evaluations)
        ours, theirs = _within(search, equal), _within(tried, equal)
        best, at_equal = _best(ours), _best(theirs)
        if best is not None and at_equal is not None:
            low, high = _interval(ours, theirs)
            compared = {
                "equal": equal,
                "at_equal": at_equal,
                "lift": best - at_equal,
                "low": low,
                "high": high,
            }
            row = row.model_copy(update=compared)
        made.append(row)
    return made


class Lift(Record):
    """The search against one arm over several sessions."""

    arm: str
    sessions: int
    mean: float
    low: float | None
    high: float | None
    """95 % interval by Student's t over sessions; None for a single one."""
    wins: int
    """Sessions in which the search was better."""


def over_sessions(archives: Sequence[Archive]) -> list[Lift]:
    """Lifts at equal evaluations, paired by session."""
    lifts: dict[str, list[float]] = {}
    for archive in archives:
        for row in rows(archive):
            if row.lift is not None:
                lifts.setdefault(row.arm, []).append(row.lift)
    return [_over(name, values) for name, values in lifts.items()]


def _over(name: str, values: Sequence[float]) -> Lift:
    mean, low, high = statistics.fmean(values), None, None
    if len(values) > 1:
        from scipy import stats  # a second or more to import

        error = statistics.stdev(values) / math.sqrt(len(values))
        reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * error
        low, high = mean - reach, mean + reach
    return Lift(
        arm=name, sessions=len(values), mean=mean, low=low, high=high, wins=sum(value > 0 for value in values)
    )


def table(found: Sequence[ArmRow]) -> Table:
    title = "Arms: what the search is worth at equal evaluations"
    made = Table("arm", title=title, title_justify="left")
    for column in (
        "experiments",
        "evaluations",
        "best",
        "compared at",
        "best then",
        "lift of the search",
        "95 %",
    ):
        made.add_column(column, justify="right")
    for row in found:
        lift = "" if row.lift is None else f"{row.lift:+.4f}"
        interval = "" if row.low is None or row.high is None else f"{row.low:+.4f} to {row.high:+.4f}"
        counts = (str(row.experiments), str(row.evaluations))
        then = ("", "") if row.equal is None else (str(row.equal), figure(row.at_equal))
        made.add_row(safe(row.arm), *counts, figure(row.best), *then, lift, interval)
    return made


def _tried(experiments: Sequence[Experiment]) -> list[tuple[int, float | None]]:
    """(evaluations, score) of each experiment; None for a program without a score over every game."""
    return [
        (e.evaluations, e.result.score if e.result.status == "ok" and not e.result.stopped_early else None)
        for e in experiments
    ]


def _within(tried: Sequence[tuple[int, float | None]], budget: float) -> list[tuple[int, float | None]]:
    """The first experiments that a budget of evaluations pays for; up to the first score in any case."""
    spent, scored = 0, False
    for at, (cost, score) in enumerate(tried):
        spent += cost
        if spent > budget and scored:
            return list(tried[:at])
        scored |= score is not None
    return list(tried)


def _best(tried: Sequence[tuple[int, float | None]]) -> float | None:
    return max((score for _, score in tried if score is not None), default=None)


def _interval(
    search: Sequence[tuple[int, float | None]], control: Sequence[tuple[int, float | None]]
) -> tuple[float, float]:
    """Of the difference of their bests; both have one."""
    dice = random.Random("lift")
    found = []
    for _ in range(RESAMPLES):
        ours, theirs = (_best(dice.choices(arm, k=len(arm))) for arm in (search, control))
        if ours is not None and theirs is not None:
            found.append(ours - theirs)
    found.sort()
    tail = (1 - CONFIDENCE) / 2
    return found[int(tail * len(found))], found[min(len(found) - 1, int((1 - tail) * len(found)))]
