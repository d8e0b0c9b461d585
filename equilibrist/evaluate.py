"""One program judged outside a session, by the path that candidates take."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from equilibrist.bring import bring
from equilibrist.errors import Usage
from equilibrist.home import find_session, open_home
from equilibrist.render import STATUS_STYLE, curve_of, figure, safe, span
from memory.archive import Archive
from memory.events import JournalError
from memory.journal import Journal
from memory.records import Result
from problems import PROBLEMS
from problems.problem import Problem, tailored
from sandbox import open_sandbox
from sandbox.job import Limits, Record
from sandbox.pool import packed_game
from tools.evaluation import Evaluator

PATIENT = Limits(wall_seconds=3600.0, cpu_seconds=3600.0)


def find_problem(name: str) -> Problem:
    """Raises Usage for a name that is no problem's."""
    if name not in PROBLEMS:
        raise Usage(f"There is no problem '{name}'. Known: {', '.join(PROBLEMS)}.")
    return PROBLEMS[name]


def find_program(home: Path, problem: Problem, name: str) -> str:
    """Source of a file, a baseline, or ``SESSION/PROGRAM_ID`` (also ``SESSION/best``). Raises Usage."""
    if name in problem.baselines:
        return problem.baselines[name]
    path = Path(name)
    if path.is_file():
        try:
            return path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise Usage(f"{path} cannot be read as text: {error}") from None
    session, slash, program = name.rpartition("/")
    if slash and not path.suffix:
        return _of_session(home, session, program)
    raise Usage(
        f"'{name}' is neither a file, nor a baseline ({', '.join(problem.baselines)}), "
        "nor SESSION/PROGRAM_ID."
    )


def _of_session(home: Path, session: str, program: str) -> str:
    journal = Journal.view(find_session(home, session))
    if program == "best":
        best = next((e for e in Archive.of(journal).leaderboard if e.number is not None), None)
        if best is None:
            raise Usage(f"Session {journal.folder.name} has no program of its own yet.")
        return best.source
    try:
        return journal.program(program)
    except JournalError as error:
        raise Usage(f"Session {journal.folder.name} has no program {program}: {error}") from None


def choose_games(problem: Problem, wall: str, games: str | None, sealed: bool = False) -> tuple[str, ...]:
    """The games of a wall, or ``games`` (names separated by ``;``); ``all`` means every wall. A game of the
    user's own that a session trains on may be named as it was typed then, without its hash.

    Raises:
        Usage: an unknown wall, or the sealed one where it is not allowed.
        BroughtError: one of ``games`` is none; found out before anything is run on the games before it.
    """
    if games is not None:
        own = {game.rpartition("@")[0]: game for game in problem.walls["train"]}
        named = tuple(own.get(game, game) for game in named_games(games))
        for game in named:
            packed_game(problem.name, game)
        return named
    if wall not in (*problem.walls, "all"):
        raise Usage(f"There is no wall '{wall}'. Walls: {', '.join(problem.walls)}.")
    if wall in ("sealed", "all") and not sealed:
        raise Usage("Sealed games are run by 'equilibrist confirm' alone, where their use is counted.")
    walls = problem.walls if wall == "all" else (wall,)
    return tuple(game for name in walls for game in problem.walls[name])  # type: ignore[index]


def named_games(games: str) -> tuple[str, ...]:
    """Names separated by ``;``. Raises Usage when there is none."""
    named = tuple(game.strip() for game in games.split(";") if game.strip())
    if not named:
        raise Usage("No game was named. Separate names by ';'.")
    return named


def brought(problem: Problem, texts: Sequence[str]) -> tuple[str, ...]:
    """Names of games of the user's own, validated. Raises Usage."""
    say = Console(stderr=True, highlight=False, markup=False, soft_wrap=True).print
    return tuple(game.name for game in bring(problem, texts, say))


def on_device(problem: Problem, device: str) -> Problem:
    """The problem with its referee on a device. Raises Usage where its referee cannot compute there; whether
    there is such a device, the sandbox says."""
    if not re.fullmatch(r"cpu|cuda(:\d+(,\d+)*)?", device):
        raise Usage(f"'{device}' is no device; one looks like cpu, cuda, cuda:1 or cuda:0,1.")
    if device.partition(":")[0] not in problem.devices:
        raise Usage(f"Problem {problem.name} computes on {' or '.join(problem.devices)}, not on '{device}'.")
    return tailored(problem, device=device)


def at_horizon(problem: Problem, horizon: str | None) -> Problem:
    """The problem with the settings of another horizon for its own. Raises Usage for an unknown one."""
    if horizon is None:
        return problem
    if horizon not in problem.horizons:
        known = ", ".join(problem.horizons) or "none"
        raise Usage(f"Problem {problem.name} has no horizon '{horizon}'. Besides its own it has: {known}.")
    return replace(problem, settings=problem.horizons[horizon])


def limits(problem: Problem, games: Sequence[str]) -> Limits:
    """A candidate's own on the train games; elsewhere runs take minutes."""
    if not set(games) <= set(problem.walls["train"]):
        return PATIENT
    return Limits(wall_seconds=problem.seconds, cpu_seconds=problem.seconds)


class Evaluation(Record):
    """A program's result, and those of perturbed repeats."""

    results: tuple[Result, ...]

    @property
    def first(self) -> Result:
        return self.results[0]

    @property
    def scores(self) -> list[float]:
        """Of all repeats; empty when one failed."""
        scores = [result.score for result in self.results if result.score is not None]
        return scores if len(scores) == len(self.results) else []


def evaluate(
    home: Path,
    problem: Problem,
    program: str,
    games: Sequence[str],
    sandbox: str,
    repeats: int = 1,
) -> Evaluation:
    """Judge ``program`` on ``games``, each repeat in another order of infosets and actions, or under other
    seeds."""
    source = find_program(open_home(home), problem, program)
    errors = Console(stderr=True)
    with open_sandbox(sandbox, slots=1, say=errors.print, device=problem.device) as box:
        evaluator = Evaluator(problem, box, _unrecorded, limits(problem, games))
        results = (replace(evaluator, repeat=repeat).evaluate(source, games) for repeat in range(repeats))
        return Evaluation(results=tuple(results))


def _unrecorded(kind: str, key: str, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    return compute()


def render(console: Console, evaluation: Evaluation) -> None:
    result = evaluation.first
    console.print(Text(result.status, style=STATUS_STYLE[result.status]), Text(safe(result.message)))
    if result.games:
        table = Table("game")
        for column in ("score", "at the end"):
            table.add_column(column, justify="right")
        table.add_column("curve")
        for game, score in result.games.items():
            name, final, line = curve_of(result.curves.get(game, {}))
            table.add_row(safe(game), figure(score), f"{name} {final}", line)
        console.print(table)
        for name, value in result.details.items():
            if not name.startswith(("exploitability ", "final ")):
                console.print(Text(f"{name}: {value:.4g}", style="dim"))
    console.print(
        f"score {figure(result.score).strip()}   {span(result.seconds)} in the {result.sandbox} sandbox"
    )
    if len(evaluation.scores) > 1:
        spread = statistics.stdev(evaluation.scores)
        mean = figure(statistics.fmean(evaluation.scores)).strip()
        console.print(f"over {len(evaluation.scores)} repeats {mean} ± {spread:.4f}")
    if result.output:
        console.print(Text("The program printed:\n" + safe(result.output), style="dim"))
