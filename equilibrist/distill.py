"""Distillation: the smallest program that is as good, found by taking mechanisms out one after another.

What the authors of the 2026 paper did by hand (arXiv 2602.16928v3): each mechanism is ablated, then, from the
largest saving on, every harmless ablation is applied to what is left of the program and judged again, so that
combinations are tried where single ablations say that they may hold.
"""

from __future__ import annotations

import hashlib
import json
import statistics
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Literal

from agents.genetic.ablation import Ablation, ablations, simplified, size
from equilibrist.cache import OutcomeCache
from equilibrist.errors import Failed, Usage
from equilibrist.evaluate import limits
from equilibrist.programs import Named
from equilibrist.table import Cell, Progress
from memory.journal import Journal
from memory.records import Result, program_id
from sandbox.job import Record, Sandbox
from tools.evaluation import Bar, Evaluator, Patience

KIND = "distillation"
LEAST = 0.01
"""Difference of score that counts as none even where nothing is chaotic: 2 % of exploitability."""
HOPELESS = 1.0
"""Sum over games of lost score at which an ablation is given up."""


class Row(Record):
    """One ablation, judged."""

    step: int
    """0: of the whole program; n: of what n removals left."""
    kind: str
    what: str
    saves: int
    """Syntax nodes."""
    score: float | None
    """On the dev games; None when it failed."""
    difference: float | None
    """From the whole program."""
    verdict: Literal["inert", "helps", "harms", "fails"]
    """What the mechanism does: ``inert`` within the tolerance; ``harms``: the program is better without."""
    removed: bool = False


class Distillation(Record):
    """The journal's event and what ``--json`` prints."""

    session: str
    program: str
    program_id: str
    problem: str
    games: tuple[str, ...]
    repeats: int
    tolerance: float
    """Loss of score that counts as none: two standard deviations over repeats, at least ``LEAST``."""
    score: float
    """Of the whole program on these games, mean over repeats."""
    size: int
    table: tuple[Row, ...]
    distilled_id: str
    distilled_score: float
    distilled_size: int
    train: tuple[float | None, float | None]
    """Scores on the train games, whole and distilled: for a look, unless they were asked for as ``games``."""
    evaluations: int
    complete: bool
    """Whether every mechanism of the distilled program was tried; else the limit ended the work."""
    latex: str
    unicode: str
    source: str


@dataclass
class _Work:
    """One distillation under way."""

    program: Named
    games: tuple[str, ...]
    repeats: int
    evaluator: Evaluator
    slots: int
    limit: int
    progress: Progress
    evaluations: int = 0

    def scores(self, source: str) -> list[Result]:
        return [
            replace(self.evaluator, repeat=repeat).evaluate(source, self.games)
            for repeat in range(self.repeats)
        ]

    def judge(self, cuts: Sequence[Ablation], bar: Bar) -> list[Result]:
        """One repeat each."""
        where = self.games[0] if len(self.games) == 1 else f"{len(self.games)} games"
        cuts = cuts[: max(0, self.limit - self.evaluations)]
        self.evaluations += len(cuts)
        self.progress.begin(len(cuts))

        def one(cut: Ablation) -> Result:
            result = self.evaluator.evaluate(cut.source, self.games, bar)
            self.progress.done(Cell(program=cut.what, game=where, repeat=0, result=result))
            return result

        with ThreadPoolExecutor(self.slots, thread_name_prefix="ablation") as pool:
            return list(pool.map(one, cuts))


def distill(
    program: Named,
    box: Sandbox,
    games: Sequence[str] | None = None,
    repeats: int = 3,
    limit: int = 400,
    progress: Progress | None = None,
) -> Distillation:
    """Distil, write it down, and keep the distilled program's file in the session.

    Args:
        games: instead of the dev games.
        limit: ablations judged at most.

    Raises:
        Usage: the program cannot be parsed.
        Failed: it does not run on these games.
        JournalError: the session is being written by another process.
    """
    problem = program.problem
    chosen = tuple(games or problem.walls["dev"])
    if faults := problem.check(program.source):
        raise Usage(f"The program does not fit the problem: {' '.join(faults)}")
    cache = OutcomeCache(program.home, problem, box.name)
    evaluator = Evaluator(problem, box, cache.recorded, limits(problem, chosen))
    work = _Work(program, chosen, repeats, evaluator, box.slots, limit, progress or Progress())
    with Journal.open(program.folder) as journal:
        made = _distilled(work)
        journal.save_program(program.source)
        journal.save_program(made.source)
        asked = json.dumps([made.program_id, chosen, repeats, limit])
        journal.append(KIND, hashlib.sha256(asked.encode()).hexdigest()[:24], **made.model_dump(mode="json"))
    return made


def _distilled(work: _Work) -> Distillation:
    program = work.program
    whole = work.scores(program.source)
    base, spread = _mean(whole)
    if base is None:
        bad = next(result for result in whole if result.status != "ok")
        raise Failed(f"The program does not run on these games: {bad.status}, {bad.message}")
    tolerance = max(2.0 * spread, LEAST)
    own = {game: statistics.fmean(r.games[game] for r in whole) for game in work.games}
    bar = Patience(own, HOPELESS)
    current, table = simplified(program.source), list[Row]()
    harmful: set[tuple[str, str]] = set()
    step, complete = 0, False
    while True:
        cuts = [cut for cut in ablations(current) if (cut.kind, cut.what) not in harmful]
        results = work.judge(cuts, bar)
        rows = [
            _row(step, cut, result, size(current), base, tolerance)
            for cut, result in zip(cuts, results, strict=False)
        ]
        harmful |= {(row.kind, row.what) for row in rows if row.verdict in ("helps", "fails")}
        place = _best(work, rows, cuts, base - tolerance, harmful)
        if place is not None:
            rows[place] = rows[place].model_copy(update={"removed": True})
            current, step = cuts[place].source, step + 1
        table += rows
        complete = len(rows) == len(cuts)
        if place is None or not complete:
            break
    final, _ = _mean(work.scores(current))
    notation = program.problem.notation(current) if program.problem.notation else None
    return Distillation(
        session=program.folder.name,
        program=program.name,
        program_id=program.program_id,
        problem=program.problem.name,
        games=work.games,
        repeats=work.repeats,
        tolerance=tolerance,
        score=base,
        size=size(program.source),
        table=tuple(table),
        distilled_id=program_id(current),
        distilled_score=base if final is None else final,
        distilled_size=size(current),
        train=(_train(work, program.source), _train(work, current)),
        evaluations=work.evaluations,
        complete=complete,
        latex=notation.latex if notation else "",
        unicode=notation.unicode if notation else "",
        source=current,
    )


def _best(
    work: _Work, rows: Sequence[Row], cuts: Sequence[Ablation], least: float, harmful: set[tuple[str, str]]
) -> int | None:
    """The harmless ablation that saves most, over all repeats."""
    for place, row in enumerate(rows):
        if row.verdict in ("inert", "harms"):
            mean, _ = _mean(work.scores(cuts[place].source))
            if mean is not None and mean >= least:
                return place
            harmful.add((row.kind, row.what))
    return None


def _row(step: int, cut: Ablation, result: Result, whole: int, base: float, tolerance: float) -> Row:
    score = result.score if result.status == "ok" else None
    difference = None if score is None else score - base
    verdict: Literal["inert", "helps", "harms", "fails"] = "fails"
    if difference is not None:
        verdict = "inert" if abs(difference) <= tolerance else "helps" if difference < 0 else "harms"
    if result.stopped_early:
        verdict = "helps"
    return Row(
        step=step,
        kind=cut.kind,
        what=cut.what,
        saves=whole - cut.size,
        score=score,
        difference=difference,
        verdict=verdict,
    )


def _train(work: _Work, source: str) -> float | None:
    evaluator = replace(work.evaluator, limits=type(work.evaluator.limits)())
    result = evaluator.evaluate(source, work.program.problem.walls["train"])
    return result.score if result.status == "ok" else None


def _mean(results: Sequence[Result]) -> tuple[float | None, float]:
    """Mean score over repeats and its standard deviation; None when one failed."""
    scores = [result.score for result in results if result.score is not None and result.status == "ok"]
    if len(scores) < len(results):
        return None, 0.0
    return statistics.fmean(scores), statistics.stdev(scores) if len(scores) > 1 else 0.0
