"""Finalists of a session raced on the dev games: the best on the train games may only have been lucky there.

Each round adds one repeat (another order of infosets and actions) of every dev game. From the second on,
whoever is worse than the leader on these games, by a paired t-test over the rounds, is dropped. The tests are
many, so each is held to its share of the level (Bonferroni over rounds and rivals). Whether the winner is
better than the baselines on *other* games too is another question: there the games are the sample, however
often repeated, so it is tested over games, and corrected for the number of programs that were tried on them.
"""

from __future__ import annotations

import hashlib
import json
import statistics
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table
from scipy import stats

from equilibrist.cache import OutcomeCache
from equilibrist.errors import Failed
from equilibrist.evaluate import limits
from equilibrist.programs import Named, named
from equilibrist.render import figure, safe
from equilibrist.table import Cell, Progress
from memory.archive import Archive, Entry
from memory.journal import Journal
from memory.records import Result
from sandbox.job import Record, Sandbox
from tools.evaluation import Evaluator

KIND = "finalists"
LEVEL = 0.05
SAME = 1e-9
"""Differences of score below are rounding."""


class Finalist(Record):
    """One program of the race."""

    name: str
    program_id: str
    train: float
    dev: float | None
    """Mean score over the dev games and the rounds it took part in; None when it failed."""
    rounds: int
    dropped: str
    """Why it left the race; empty for those that stayed."""


class Race(Record):
    """The journal's event and what ``--json`` prints."""

    session: str
    problem: str
    games: tuple[str, ...]
    rounds: int
    tried: int
    """Programs of the session that were tried on the dev games."""
    finalists: tuple[Finalist, ...]
    """Best first."""
    winner: str
    winner_id: str
    baseline: str
    """The best baseline on the dev games, among those raced."""
    difference: float
    """Winner less that baseline, mean over dev games and rounds."""
    p_value: float
    """One-sided, paired over games (a game's mean over rounds), not corrected."""
    corrected: float
    """The same times the number of programs tried, at most 1."""
    better: bool
    """Whether the corrected value is below ``LEVEL``."""


def race(home: Path, session: str, box: Sandbox, count: int, rounds: int, progress: Progress) -> Race:
    """Race the ``count`` best programs of the session and as many baselines, for ``rounds`` at most.

    Raises:
        Usage: there is no such session, or it has no program of its own.
        Failed: no finalist, or no baseline, runs on the dev games.
        JournalError: the session is being written by another process.
    """
    program = named(home, session, "best")
    archive = Archive.of(Journal.view(program.folder))
    own = [entry for entry in archive.leaderboard if entry.number is not None][:count]
    known = [entry for entry in archive.leaderboard if entry.number is None][:count]
    entries = {entry.name: entry for entry in (*own, *known)}
    runner = _Runner(program, box, progress)
    scores: dict[str, list[list[float]]] = {name: [] for name in entries}
    dropped: dict[str, str] = {}
    with Journal.open(program.folder) as journal:
        for number in range(rounds):
            left = [name for name in entries if name not in dropped]
            for name, result in runner.round(number, {name: entries[name].source for name in left}).items():
                if result.status == "ok":
                    scores[name].append([result.games[game] for game in runner.games])
                else:
                    dropped[name] = f"{result.status}: {result.message}"
            level = LEVEL / (rounds * max(1, len(entries) - 1))
            dropped |= _worse(scores, [name for name in left if name not in dropped], level, number + 1)
            if sum(name not in dropped for name in entries) < 2:
                break
        made = _race(program, runner.games, entries, scores, dropped)
        asked = json.dumps([[entry.program_id for entry in entries.values()], runner.games, rounds])
        key = hashlib.sha256(asked.encode()).hexdigest()[:24]
        journal.append(KIND, key, **made.model_dump(mode="json"))
    return made


class _Runner:
    """Judges programs on the dev games."""

    def __init__(self, program: Named, box: Sandbox, progress: Progress) -> None:
        self.games = program.problem.walls["dev"]
        cache = OutcomeCache(program.home, program.problem, box.name)
        patience = limits(program.problem, self.games)
        self.evaluator = Evaluator(program.problem, box, cache.recorded, patience)
        self.box, self.progress = box, progress

    def round(self, number: int, sources: Mapping[str, str]) -> dict[str, Result]:
        evaluator = replace(self.evaluator, repeat=number)
        self.progress.begin(len(sources))

        def one(item: tuple[str, str]) -> Result:
            result = evaluator.evaluate(item[1], self.games)
            self.progress.done(Cell(program=item[0], game="dev games", repeat=number, result=result))
            return result

        with ThreadPoolExecutor(self.box.slots, thread_name_prefix="race") as pool:
            return dict(zip(sources, pool.map(one, sources.items()), strict=True))


def _worse(
    scores: Mapping[str, list[list[float]]], left: Sequence[str], level: float, rounds: int
) -> dict[str, str]:
    """Who is worse than the leader, and why that is no chance."""
    if not left or rounds < 2:
        return {}
    leader = max(left, key=lambda name: _mean(scores[name]))
    found = {}
    for name in left:
        p = over_rounds(scores[leader], scores[name])
        if name != leader and p < level:
            found[name] = f"worse than {leader} after {rounds} rounds (p = {p:.2g} < {level:.2g})"
    return found


def over_rounds(first: Sequence[Sequence[float]], second: Sequence[Sequence[float]]) -> float:
    """One-sided p-value that ``first`` [rounds][games] is not better on these games: paired t over rounds."""
    differences = [
        statistics.fmean(one) - statistics.fmean(other) for one, other in zip(first, second, strict=False)
    ]
    if max(differences) - min(differences) < SAME:
        return 0.0 if differences[0] > SAME else 1.0
    return float(stats.ttest_1samp(differences, 0.0, alternative="greater").pvalue)


def over_games(first: Sequence[Sequence[float]], second: Sequence[Sequence[float]]) -> float:
    """One-sided p-value that ``first`` [rounds][games] is not better on games like these: Wilcoxon's signed
    ranks over games, a game's difference being its mean over rounds."""
    rounds = min(len(first), len(second))
    differences = [
        statistics.fmean(first[r][game] - second[r][game] for r in range(rounds))
        for game in range(len(first[0]))
    ]
    differences = [0.0 if abs(difference) < SAME else difference for difference in differences]
    if not any(differences):
        return 1.0
    return float(stats.wilcoxon(differences, alternative="greater", zero_method="pratt").pvalue)


def _race(
    program: Named,
    games: tuple[str, ...],
    entries: Mapping[str, Entry],
    scores: Mapping[str, list[list[float]]],
    dropped: Mapping[str, str],
) -> Race:
    ran = [name for name in entries if scores[name]]
    ranked = sorted(ran, key=lambda name: (name in dropped, -_mean(scores[name])))
    winner = next((name for name in ranked if entries[name].number is not None), None)
    rivals = [name for name in ran if entries[name].number is None]
    if winner is None or not rivals:
        raise Failed("No program of the session, or no baseline, runs on the dev games.")
    baseline = max(rivals, key=lambda name: _mean(scores[name]))
    rounds = min(len(scores[winner]), len(scores[baseline]))
    p = over_games(scores[winner], scores[baseline])
    tried = sum(entries[name].number is not None for name in ran)
    corrected = min(1.0, p * max(1, tried))
    return Race(
        session=program.folder.name,
        problem=program.problem.name,
        games=games,
        rounds=max(map(len, scores.values())),
        tried=tried,
        finalists=tuple(
            Finalist(
                name=name,
                program_id=entries[name].program_id,
                train=entries[name].result.score or 0.0,
                dev=_mean(scores[name]) if scores[name] else None,
                rounds=len(scores[name]),
                dropped=dropped.get(name, ""),
            )
            for name in (*ranked, *(name for name in entries if not scores[name]))
        ),
        winner=winner,
        winner_id=entries[winner].program_id,
        baseline=baseline,
        difference=_mean(scores[winner][:rounds]) - _mean(scores[baseline][:rounds]),
        p_value=p,
        corrected=corrected,
        better=corrected < LEVEL,
    )


def _mean(scores: Sequence[Sequence[float]]) -> float:
    return statistics.fmean(statistics.fmean(games) for games in scores)


def render(console: Console, made: Race) -> None:
    table = Table("program", title="Race on the dev games: best first", title_justify="left")
    for column in ("train", "dev", "rounds"):
        table.add_column(column, justify="right")
    table.add_column("dropped")
    for row in made.finalists:
        table.add_row(safe(row.name), figure(row.train), figure(row.dev), str(row.rounds), safe(row.dropped))
    console.print(table)
    verdict = "is better than" if made.better else "is not shown to be better than"
    told = f"{made.winner} {made.winner_id} {verdict} {made.baseline}, the best baseline here"
    corrected = f"corrected for {made.tried} programs tried {made.corrected:.3g}"
    line = f"{told}: {made.difference:+.4f}, p = {made.p_value:.3g}, {corrected}."
    console.print(line, markup=False, soft_wrap=True)
