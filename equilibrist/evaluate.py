"""One program judged outside a session, by the path that candidates take."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from equilibrist.errors import Usage
from equilibrist.home import find_session, open_home
from equilibrist.render import STATUS_STYLE, figure, log10, safe, span, sparkline
from memory.archive import Archive
from memory.events import JournalError
from memory.journal import Journal
from memory.records import Result
from problems import PROBLEMS
from problems.problem import Problem
from sandbox import open_sandbox
from tools.evaluation import Evaluator


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


def evaluate(
    home: Path, problem_name: str, program: str, wall: str, games: str | None, sandbox: str
) -> Result:
    """Judge ``program`` on a wall or on ``games`` (names separated by ``;``)."""
    problem = find_problem(problem_name)
    source = find_program(open_home(home), problem, program)
    if wall == "sealed":
        raise Usage("Sealed games are run by 'equilibrist confirm' alone, where their use is counted.")
    if wall not in problem.walls:
        raise Usage(f"There is no wall '{wall}'. Walls: {', '.join(problem.walls)}.")
    chosen = tuple(g.strip() for g in games.split(";") if g.strip()) if games else problem.walls[wall]  # type: ignore[index]
    errors = Console(stderr=True)
    with open_sandbox(sandbox, slots=1, say=errors.print) as box:
        return Evaluator(problem, box, _unrecorded).evaluate(source, chosen)


def _unrecorded(kind: str, key: str, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    return compute()


def render(console: Console, result: Result) -> None:
    console.print(Text(result.status, style=STATUS_STYLE[result.status]), Text(safe(result.message)))
    if result.games:
        table = Table("game")
        for column in ("score", "final exploitability"):
            table.add_column(column, justify="right")
        table.add_column("log10 exploitability")
        for game, score in result.games.items():
            curve = result.curves.get(game, {}).get("exploitability", [])
            final = f"{curve[-1]:.4g}" if curve else "-"
            table.add_row(safe(game), figure(score), final, sparkline([log10(v) for v in curve]))
        console.print(table)
    console.print(
        f"score {figure(result.score).strip()}   {span(result.seconds)} in the {result.sandbox} sandbox"
    )
    if result.output:
        console.print(Text("The program printed:\n" + safe(result.output), style="dim"))
