"""``equilibrist evaluate`` and ``equilibrist table``: programs judged outside a session."""

from __future__ import annotations

import statistics
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from equilibrist.options import HOME, Device, Env, Game, Home, Json, emit

app = typer.Typer()

ProblemName = Annotated[str, typer.Argument(help="E.g. regret.")]
Games = Annotated[str | None, typer.Option(help="Instead of a wall: game names, separated by ';'.")]
Horizon = Annotated[str | None, typer.Option(help="Another length of runs; regret has 250 and 4000.")]
Repeats = Annotated[
    int, typer.Option(min=1, help="Other orders of infosets and actions (learning: seeds), for the spread.")
]
SandboxName = Annotated[str, typer.Option(help="auto, docker, bubblewrap, landlock or unconfined.")]


@app.command()
def evaluate(
    problem: ProblemName,
    program: Annotated[str, typer.Argument(help="A file, a baseline's name, or SESSION/PROGRAM_ID.")],
    wall: Annotated[str, typer.Option(help="train or dev.")] = "train",
    games: Games = None,
    game: Game = None,
    env: Env = None,
    device: Device = "cpu",
    horizon: Horizon = None,
    repeats: Repeats = 1,
    sandbox: SandboxName = "auto",
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Judge one program by the path that candidates take."""
    from equilibrist import evaluate as work

    chosen = work.on_device(work.at_horizon(work.find_problem(problem), horizon), device)
    own = [*(game or ()), *(env or ())]
    names = work.brought(chosen, own) if own else work.choose_games(chosen, wall, games)
    judged = work.evaluate(home, chosen, program, names, sandbox, repeats)
    if as_json:
        scores = judged.scores
        spread = statistics.stdev(scores) if len(scores) > 1 else None
        emit({**judged.first.model_dump(mode="json"), "scores": scores, "spread": spread})
    else:
        work.render(Console(), judged)
    if judged.first.status != "ok":
        sys.exit(1)


@app.command()
def table(
    problem: ProblemName,
    programs: Annotated[
        list[str] | None,
        typer.Argument(help="Baselines, files or SESSION/PROGRAM_ID; all baselines when none is named."),
    ] = None,
    wall: Annotated[str, typer.Option(help="train or dev; sealed or all for baselines alone.")] = "train",
    games: Games = None,
    game: Game = None,
    env: Env = None,
    device: Device = "cpu",
    horizon: Horizon = None,
    repeats: Repeats = 1,
    plot: Annotated[
        list[Path] | None, typer.Option(help="Convergence plots: a file ending in .png, .svg or .pdf.")
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Every checkpoint of every run.")] = None,
    parallel: Annotated[int, typer.Option(min=1, max=64, help="Runs at a time.")] = 2,
    sandbox: SandboxName = "auto",
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Programs side by side on many games. What was run before is read back; Ctrl-C loses nothing."""
    from equilibrist import curves
    from equilibrist import table as work
    from equilibrist.evaluate import brought, on_device
    from equilibrist.tables import Shown, render

    for path in plot or ():
        curves.check(path)
    errors = Console(stderr=True, highlight=False)
    made = work.plan(home, problem, programs or (), wall, games, horizon, repeats)
    made = replace(made, problem=on_device(made.problem, device))
    if own := [*(game or ()), *(env or ())]:
        made = replace(made, games=brought(made.problem, own))
    with Shown(errors) as progress:
        report = work.tabulate(made, sandbox, parallel, progress, errors.print)
    if csv is not None:
        csv.write_text(work.as_csv(report), encoding="utf-8")
    for path in plot or ():
        curves.draw(report, path)
    if as_json:
        emit(work.as_json(report))
    else:
        Console().print(render(report))
    if any(cell.result.status != "ok" for cell in report.cells):
        sys.exit(1)
