"""Programs side by side on many games: exploitability or returns along the run, means, ranks, spread."""

from __future__ import annotations

import csv
import io
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from equilibrist.cache import OutcomeCache
from equilibrist.errors import Failed
from equilibrist.evaluate import at_horizon, choose_games, find_problem, find_program, limits
from equilibrist.home import open_home
from memory.records import Result
from problems.problem import Problem
from sandbox import AUTOMATIC, open_sandbox
from sandbox.job import Job, Outcome, Record, Sandbox
from tools.evaluation import Evaluator

Say = Callable[[str], None]
FLOOR = 1e-8
"""Exploitability at which a game counts as solved, in means and ranks; as in problem *regret*'s score."""


class Cell(Record):
    """One program on one game, once."""

    program: str
    game: str
    repeat: int
    result: Result

    @property
    def exploitability(self) -> list[float]:
        """At the checkpoints; empty when the run failed, or where it is not known."""
        return self.result.curves.get(self.game, {}).get("exploitability", [])

    @property
    def returns(self) -> list[float]:
        """Normalised, at the checkpoints; empty where exploitability is what counts."""
        return self.result.curves.get(self.game, {}).get("normalised", [])

    @property
    def iterations(self) -> list[float]:
        series = self.result.curves.get(self.game, {})
        return series.get("iterations") or series.get("steps", [])


class Standing(Record):
    """One program over all games."""

    program: str
    score: float | None
    """Mean over games and repeats; None when a run failed."""
    spread: float | None
    """Standard deviation of the score over repeats; None with a single one."""
    geometric_means: tuple[float, ...]
    """Of max(exploitability, ``FLOOR``) over games and repeats, one per checkpoint."""
    returns: tuple[float, ...] = ()
    """Instead, where returns are what counts: their mean over games and repeats, normalised."""
    rank: float | None
    """Mean over games of the rank at the end, 1 best; exploitabilities at or below ``FLOOR`` are equal."""
    seconds: float
    failed: tuple[str, ...]
    """Games on which a run did not end well, each with why."""


class Report(Record):
    """A finished table."""

    problem: str
    sandbox: str
    games: tuple[str, ...]
    programs: tuple[str, ...]
    repeats: int
    cells: tuple[Cell, ...]

    def of(self, program: str, game: str) -> list[Cell]:
        """The repeats, in order."""
        return [cell for cell in self.cells if (cell.program, cell.game) == (program, game)]

    @property
    def returned(self) -> bool:
        """Whether returns are what counts, and not exploitability."""
        return any(cell.returns for cell in self.cells)


class Progress:
    """Told of every cell; counts and times those that had to be run."""

    def begin(self, cells: int) -> None: ...

    def done(self, cell: Cell) -> None: ...


class _NotKept(Exception):
    """The cache lacks an outcome."""


class _Nothing:
    """A sandbox that runs nothing: what lies in the cache needs none."""

    slots, about = 1, "the cache"

    def __init__(self, name: str) -> None:
        self.name = name
        self.uncovered: tuple[str, ...] = ()

    def run(self, job: Job) -> Outcome:
        raise _NotKept

    def close(self) -> None: ...


@dataclass(frozen=True)
class Plan:
    """What a table is made of."""

    home: Path
    problem: Problem
    """With the settings of the horizon asked for."""
    sources: Mapping[str, str]
    """Program's name -> source."""
    games: tuple[str, ...]
    repeats: int

    def report(self, sandbox: str, cells: Sequence[Cell]) -> Report:
        return Report(
            problem=self.problem.name,
            sandbox=sandbox,
            games=self.games,
            programs=tuple(self.sources),
            repeats=self.repeats,
            cells=tuple(cells),
        )


def plan(
    home: Path,
    problem_name: str,
    programs: Sequence[str] = (),
    wall: str = "train",
    games: str | None = None,
    horizon: str | None = None,
    repeats: int = 1,
) -> Plan:
    """Programs are named as for ``evaluate``; none stands for all baselines.

    Args:
        wall: a wall, or ``all``; ``sealed`` and ``all`` for baselines only.
        games: instead of a wall, names separated by ``;``.
        horizon: one of the problem's other horizons; None for its default settings.

    Raises:
        Usage: an unknown name, or a program of one's own on the sealed wall.
    """
    home, problem = open_home(home), at_horizon(find_problem(problem_name), horizon)
    sources = {name: find_program(home, problem, name) for name in programs or problem.baselines}
    chosen = choose_games(problem, wall, games, sealed=set(sources) <= set(problem.baselines))
    return Plan(home, problem, sources, chosen, repeats)


def tabulate(
    made: Plan, sandbox: str = "auto", parallel: int = 2, progress: Progress | None = None, say: Say = print
) -> Report:
    """Every program on every game, by the path that candidates take; what was run before is read back.

    Raises:
        SandboxError: no sandbox works here.
    """
    for tier in AUTOMATIC if sandbox == "auto" else (sandbox,):
        try:
            return made.report(tier, run(made, _Nothing(tier), Progress()))
        except _NotKept:
            continue
    with open_sandbox(sandbox, slots=parallel, say=say, device=made.problem.device) as box:
        return made.report(box.name, run(made, box, progress or Progress()))


def run(made: Plan, box: Sandbox, progress: Progress) -> list[Cell]:
    """The cells of a plan, from the cache or from an open sandbox."""
    cache = OutcomeCache(made.home, made.problem, box.name)
    evaluator = Evaluator(made.problem, box, cache.recorded)
    todo = [(p, game, repeat) for game in made.games for p in made.sources for repeat in range(made.repeats)]
    progress.begin(len(todo))

    def one(item: tuple[str, str, int]) -> Cell:
        name, game, repeat = item
        judge = replace(evaluator, repeat=repeat, limits=limits(made.problem, [game]))
        result = judge.evaluate(made.sources[name], [game])
        cell = Cell(program=name, game=game, repeat=repeat, result=result)
        progress.done(cell)
        return cell

    with ThreadPoolExecutor(box.slots, thread_name_prefix="cell") as pool:
        futures = [pool.submit(one, item) for item in todo]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def standings(report: Report) -> list[Standing]:
    """Best first: by the mean at the end; programs that failed somewhere come last."""
    ranks = {game: _ranks({p: _final(report.of(p, game)) for p in report.programs}) for game in report.games}
    rows = [_standing(report, program, ranks) for program in report.programs]
    return sorted(rows, key=lambda row: (bool(row.failed), *_order(row)))


def _order(row: Standing) -> tuple[float, float]:
    end = [-value for value in row.returns[-1:]] or list(row.geometric_means[-1:]) or [math.inf]
    return end[0], -(row.score or 0.0)


def _standing(report: Report, program: str, ranks: Mapping[str, Mapping[str, float]]) -> Standing:
    cells = [cell for cell in report.cells if cell.program == program]
    failed = [f"{cell.game}: {cell.result.status}" for cell in cells if cell.result.status != "ok"]
    scores = [] if failed else [_score(cells, repeat) for repeat in range(report.repeats)]
    returns = [cell.returns for cell in cells if cell.returns and not failed]
    curves = [cell.exploitability for cell in cells if cell.exploitability and not failed]
    whole = bool(returns or curves)
    return Standing(
        program=program,
        score=statistics.fmean(scores) if scores else None,
        spread=statistics.stdev(scores) if len(scores) > 1 else None,
        geometric_means=() if returns or not whole else tuple(map(geometric_mean, zip(*curves, strict=True))),
        returns=tuple(map(statistics.fmean, zip(*returns, strict=True))),
        rank=statistics.fmean(ranks[game][program] for game in report.games) if whole else None,
        seconds=math.fsum(cell.result.seconds for cell in cells),
        failed=tuple(dict.fromkeys(failed)),
    )


def _score(cells: Sequence[Cell], repeat: int) -> float:
    """Mean over games of one repeat."""
    return statistics.fmean(cell.result.score or 0.0 for cell in cells if cell.repeat == repeat)


def geometric_mean(values: Sequence[float]) -> float:
    """Of max(value, ``FLOOR``)."""
    return math.exp(math.fsum(math.log(max(value, FLOOR)) for value in values) / len(values))


def _final(cells: Sequence[Cell]) -> float:
    """Exploitability at the end over repeats, or the negative normalised return; infinite when a run
    failed."""
    if any(cell.result.status != "ok" for cell in cells):
        return math.inf
    if all(cell.returns for cell in cells):
        return -statistics.fmean(cell.returns[-1] for cell in cells)
    return geometric_mean([cell.exploitability[-1] for cell in cells])


def _ranks(values: Mapping[str, float]) -> dict[str, float]:
    """1 is best; ties share the mean of their ranks."""
    every = list(values.values())
    return {
        name: sum(other < value for other in every) + (sum(other == value for other in every) + 1) / 2
        for name, value in values.items()
    }


class Discrimination(Record):
    """What a game can tell apart."""

    game: str
    solved: int
    """Programs that end at or below ``FLOOR``; where returns count, at the reference or above."""
    best: float
    median: float
    """Exploitability, or normalised return, at the end over programs."""
    noise: float | None
    """Factor between largest and smallest repeat, floored, median over programs; of returns the difference.
    None with one repeat."""


def discrimination(report: Report) -> list[Discrimination]:
    """Which games still tell programs apart, in the order of the games; failed runs left out."""
    rows = []
    for game in report.games:
        finals = {p: _final(report.of(p, game)) for p in report.programs}
        values = sorted(value for value in finals.values() if math.isfinite(value))
        if not values:
            raise Failed(f"No program ended its run on {game}.")
        noise = [_noise(report.of(p, game)) for p, value in finals.items() if math.isfinite(value)]
        solved, sign = (-1.0, -1.0) if report.returned else (FLOOR * (1 + 1e-9), 1.0)
        rows.append(
            Discrimination(
                game=game,
                solved=sum(value <= solved for value in values),
                best=sign * values[0],
                median=sign * statistics.median(values),
                noise=statistics.median(noise) if report.repeats > 1 else None,
            )
        )
    return rows


def _noise(cells: Sequence[Cell]) -> float:
    if returns := [cell.returns[-1] for cell in cells if cell.returns]:
        return max(returns) - min(returns)
    finals = [max(cell.exploitability[-1], FLOOR) for cell in cells]
    return max(finals) / min(finals)


def as_csv(report: Report) -> str:
    """One line per program, game, repeat and checkpoint; a failed run has one line with its status."""
    stream = io.StringIO()
    writer = csv.writer(stream)
    titles = ["program", "game", "repeat", "status", "iteration", "exploitability", "last_iterate"]
    if report.returned:
        titles = [*titles[:4], "steps", "normalised", "return", "exploitability"]
    writer.writerow(titles)
    for cell in report.cells:
        series = cell.result.curves.get(cell.game, {})
        head = [cell.program, cell.game, cell.repeat, cell.result.status]
        for i, iteration in enumerate(cell.iterations):
            values = [repr(series[name][i]) if series.get(name) else "" for name in titles[5:]]
            writer.writerow([*head, int(iteration), *values])
        if not cell.iterations:
            writer.writerow([*head, *[""] * len(titles[4:])])
    return stream.getvalue()


def as_json(report: Report) -> dict[str, Any]:
    """Standings, what the games tell apart, and every cell."""
    return {
        **report.model_dump(mode="json", exclude={"cells"}),
        "standings": [row.model_dump(mode="json") for row in standings(report)],
        "discrimination": [row.model_dump(mode="json") for row in discrimination(report)],
        "cells": [cell.model_dump(mode="json") for cell in report.cells],
    }
