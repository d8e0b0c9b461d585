"""What memory is worth: experiments that were shown lessons beside those that, by lot, were not.

Every session leaves a share of its experiments without memory (``without_memory``, drawn by seed and number).
The two groups are compared as drawn, whether or not memory had anything to show (intention to treat).
Intervals are at 95 %: of a difference of shares by Newcombe 1998 (method 10, from Wilson's), of one of
means by the bootstrap within sessions (Efron 1979).
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from equilibrist.home import session_folders
from memory.archive import Archive
from memory.journal import Journal, JournalError
from sandbox.job import Record

RESAMPLES = 4_000
_Z = 1.959964


class Trial(Record):
    """One experiment of a session that drew by lot."""

    session: str
    memory: bool
    shown: int
    """Lessons that its proposer was shown."""
    accepted: bool
    """The critic let it pass and it was scored on every game."""
    gain: float | None
    """Score less the parent's, where both were scored."""


class Difference(Record):
    """One measure with memory, without, and the difference with its interval; None where nothing was
    measured."""

    measure: str
    with_memory: float | None
    without: float | None
    difference: float | None
    low: float | None
    high: float | None
    counts: tuple[int, int]
    """Experiments with memory and without that it is measured on."""

    @property
    def verdict(self) -> str:
        if self.difference is None or self.low is None or self.high is None:
            return "not measured"
        return "helps" if self.low > 0 else "hurts" if self.high < 0 else "not told from chance"


def trials(home: Path, problem: str = "") -> list[Trial]:
    """Every experiment of the home's sessions whose proposer was given, or by lot not given, lessons."""
    found: list[Trial] = []
    seen: set[str] = set()
    for folder in session_folders(home):
        try:
            journal = Journal.view(folder)
            session = journal.session
            if (problem and session.get("problem") != problem) or session.get("run") in seen:
                continue
            seen.add(str(session.get("run", folder.name)))  # a rerun repeats its experiments: no new evidence
            archive = Archive.of(journal)
        except JournalError:
            continue
        share = session.get("config", {}).get("without_memory", 0.2)
        if 0.0 < share < 1.0:
            found += _of_session(folder.name, archive)
    return found


def _of_session(name: str, archive: Archive) -> list[Trial]:
    return [
        Trial(
            session=name,
            memory=bool(experiment.brief["memory"]),
            shown=len(experiment.proposal.lesson_ids) if experiment.proposal else 0,
            accepted=experiment.result.status == "ok" and not experiment.result.stopped_early,
            gain=archive.improvement(experiment),
        )
        for experiment in archive.experiments
        if "memory" in experiment.brief and experiment.brief.get("author") != "human"
    ]


def compare(found: Sequence[Trial]) -> list[Difference]:
    """Acceptance, improvement and gain with memory and without."""
    arms = {arm: [x for x in found if x.memory is arm] for arm in (True, False)}
    scored = {arm: [x for x in arms[arm] if x.gain is not None] for arm in arms}
    return [
        _of_shares("accepted: passed the critic and scored on every game", *(
            [x.accepted for x in arms[arm]] for arm in (True, False)
        )),
        _of_shares("improved: better than its parent, of all proposals", *(
            [(x.gain or 0.0) > 0 for x in arms[arm]] for arm in (True, False)
        )),
        _of_means("gain: score less the parent's, of those scored", scored[True], scored[False]),
    ]  # fmt: skip


def _of_shares(measure: str, having: Sequence[bool], lacking: Sequence[bool]) -> Difference:
    counts = (len(having), len(lacking))
    if not all(counts):
        return _unmeasured(measure, counts)
    one, other = sum(having) / len(having), sum(lacking) / len(lacking)
    low_one, high_one = wilson(sum(having), len(having))
    low_other, high_other = wilson(sum(lacking), len(lacking))
    difference = one - other
    return Difference(
        measure=measure,
        with_memory=one,
        without=other,
        difference=difference,
        low=difference - math.hypot(one - low_one, high_other - other),
        high=difference + math.hypot(high_one - one, other - low_other),
        counts=counts,
    )


def _of_means(measure: str, having: Sequence[Trial], lacking: Sequence[Trial]) -> Difference:
    counts = (len(having), len(lacking))
    if min(counts) < 2:
        return _unmeasured(measure, counts)
    one, other = (statistics.fmean(x.gain or 0.0 for x in arm) for arm in (having, lacking))
    groups = [_by_session(having), _by_session(lacking)]
    dice = random.Random(0)
    drawn = sorted(_redrawn(groups[0], dice) - _redrawn(groups[1], dice) for _ in range(RESAMPLES))
    low, high = drawn[int(0.025 * RESAMPLES)], drawn[int(0.975 * RESAMPLES)]
    return Difference(
        measure=measure,
        with_memory=one,
        without=other,
        difference=one - other,
        low=low,
        high=high,
        counts=counts,
    )


def _unmeasured(measure: str, counts: tuple[int, int]) -> Difference:
    return Difference(
        measure=measure, with_memory=None, without=None, difference=None, low=None, high=None, counts=counts
    )


def _by_session(arm: Sequence[Trial]) -> list[list[float]]:
    groups: dict[str, list[float]] = {}
    for trial in arm:
        groups.setdefault(trial.session, []).append(trial.gain or 0.0)
    return list(groups.values())


def _redrawn(groups: Sequence[Sequence[float]], dice: random.Random) -> float:
    return statistics.fmean(gain for group in groups for gain in dice.choices(group, k=len(group)))


def wilson(successes: int, count: int) -> tuple[float, float]:
    """Wilson's interval of a share at 95 % (Wilson 1927)."""
    share, z2 = successes / count, _Z * _Z
    centre = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = _Z / (1 + z2 / count) * math.sqrt(share * (1 - share) / count + z2 / (4 * count * count))
    return max(0.0, centre - half), min(1.0, centre + half)


def interval(values: Sequence[float]) -> tuple[float, float]:
    """95 % bootstrap interval of a mean (percentiles). Same values, same interval."""
    dice = random.Random(0)
    means = sorted(statistics.fmean(dice.choices(values, k=len(values))) for _ in range(RESAMPLES))
    return means[int(0.025 * RESAMPLES)], means[int(0.975 * RESAMPLES)]


def sign_test(values: Sequence[float]) -> float:
    """Exact two-sided p: how often chance splits the signs as unevenly; zeros are left out."""
    plus, n = sum(v > 0 for v in values), sum(v != 0 for v in values)
    few = min(plus, n - plus)
    return min(1.0, 2 * sum(math.comb(n, i) for i in range(few + 1)) / 2**n)


def summary(found: Sequence[Trial]) -> dict[str, Any]:
    """The report as JSON."""
    return {
        "sessions": len({x.session for x in found}),
        "experiments": {
            "with_memory": sum(x.memory for x in found),
            "without": sum(not x.memory for x in found),
        },
        "shown_lessons": sum(x.shown > 0 for x in found),
        "differences": [{**d.model_dump(mode="json"), "verdict": d.verdict} for d in compare(found)],
    }


def table(report: Mapping[str, Any]) -> Table:
    """The report for reading."""
    drawn = Table(
        "measure", "with memory", "without", "difference [95 %]", "memory", title="What memory is worth"
    )
    for row in report["differences"]:
        n, m = row["counts"]
        if row["difference"] is None:
            cells = [f"n={n}", f"n={m}", ""]
        else:
            told = f"{row['difference']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"
            cells = [f"{row['with_memory']:.3f} (n={n})", f"{row['without']:.3f} (n={m})", told]
        drawn.add_row(row["measure"], *cells, row["verdict"])
    return drawn
