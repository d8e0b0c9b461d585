"""What is done with a program once it was found: confirm, distil, export."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from equilibrist.options import HOME, Home, Json, emit

app = typer.Typer()

Session = Annotated[str, typer.Argument(help="A session's id, the start of it, or 'last'.")]
Program = Annotated[str, typer.Argument(help="'best', an id, '#7', a baseline's name, or a file.")]
SandboxName = Annotated[str, typer.Option(help="auto, docker, bubblewrap, landlock or unconfined.")]
Parallel = Annotated[int, typer.Option(min=1, max=64, help="Runs at a time.")]
Repeats = Annotated[
    int, typer.Option(min=1, help="Other orders of infosets and actions (learning: seeds), for the spread.")
]


@app.command()
def confirm(
    session: Session,
    program: Program,
    games: Annotated[
        str | None, typer.Option(help="Instead of the walls: game names, separated by ';'.")
    ] = None,
    horizons: Annotated[
        str | None, typer.Option(help="Other lengths of runs, separated by ','; 'none' leaves them out.")
    ] = None,
    repeats: Repeats = 3,
    again: Annotated[bool, typer.Option(help="Confirm once more what was confirmed; it is counted.")] = False,
    parallel: Parallel = 2,
    sandbox: SandboxName = "auto",
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Judge a program on sealed games and at other horizons, against every baseline; once, and counted."""
    from equilibrist import confirm as work
    from equilibrist.confirmed import render
    from equilibrist.evaluate import choose_games
    from equilibrist.programs import named
    from equilibrist.tables import Shown
    from sandbox import open_sandbox

    errors = Console(stderr=True, highlight=False)
    chosen = named(home, session, program)
    lengths = None if horizons is None else [h.strip() for h in horizons.split(",") if h.strip() != "none"]
    wanted = choose_games(chosen.problem, "train", games) if games else None
    asked = work.plan(chosen.problem, wanted, lengths, repeats)
    made = None if again else work.earlier(chosen, asked)
    if made is not None:
        errors.print(
            "Confirmed before; this is what the journal says. Once more, counted: --again", markup=False
        )
    else:
        with Shown(errors) as progress:
            with open_sandbox(sandbox, slots=parallel, say=errors.print, device=chosen.problem.device) as box:
                made = work.confirm(chosen, asked, box, progress)
    if as_json:
        emit(made.model_dump(mode="json"))
    else:
        render(Console(), made)


@app.command()
def export(
    session: Session,
    program: Program,
    path: Annotated[
        Path | None, typer.Argument(help="Where to; rule_<id>.py in this folder if left out.")
    ] = None,
    games: Annotated[
        str | None,
        typer.Option(
            help="Games or environments to check the file on, separated by ';'; small ones if left out."
        ),
    ] = None,
    sandbox: SandboxName = "auto",
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Write a program as one file for OpenSpiel or PettingZoo, and check it by running it there."""
    from equilibrist.evaluate import brought, named_games
    from equilibrist.export import export as work
    from equilibrist.programs import named
    from sandbox import open_sandbox

    chosen = named(home, session, program)
    errors = Console(stderr=True, highlight=False)
    wanted = brought(chosen.problem, named_games(games)) if games else None
    with open_sandbox(sandbox, slots=1, say=errors.print, device=chosen.problem.device) as box:
        made = work(chosen, path or Path(f"rule_{chosen.program_id}.py"), box, wanted)
    if as_json:
        emit(made.model_dump(mode="json"))
        return
    exporting = chosen.problem.export
    assert exporting is not None
    say = partial(Console(highlight=False).print, markup=False, soft_wrap=True)
    say(f"{made.path}: {exporting.offers}.")
    shown = ", ".join(f"{name} within {off:.1g}" for name, off in made.differences.items())
    where = f"inside {exporting.framework} and by our referee, on {', '.join(made.games)}"
    say(f"Run {where}, {exporting.when}: {shown}.")
    for game, why in made.left_out.items():
        say(f"Not checked on {game}, where the program does not run: {why}")
    say(f"Try it: python {made.path} {exporting.hint}")


@app.command()
def distill(
    session: Session,
    program: Program,
    games: Annotated[
        str | None, typer.Option(help="Instead of the dev games: names, separated by ';'.")
    ] = None,
    repeats: Repeats = 3,
    limit: Annotated[int, typer.Option(min=1, help="Ablations judged at most.")] = 400,
    parallel: Parallel = 2,
    sandbox: SandboxName = "auto",
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Take out of a program what does nothing, and say what the rest does."""
    from equilibrist.distill import distill as work
    from equilibrist.distilled import render
    from equilibrist.evaluate import choose_games
    from equilibrist.programs import named
    from equilibrist.tables import Shown
    from sandbox import open_sandbox

    chosen = named(home, session, program)
    errors = Console(stderr=True, highlight=False)
    wanted = choose_games(chosen.problem, "dev", games) if games else None
    with (
        Shown(errors) as progress,
        open_sandbox(sandbox, slots=parallel, say=errors.print, device=chosen.problem.device) as box,
    ):
        made = work(chosen, box, wanted, repeats, limit, progress)
    if as_json:
        emit(made.model_dump(mode="json"))
    else:
        render(Console(), made)


@app.command()
def finalists(
    session: Session,
    count: Annotated[int, typer.Option(min=1, help="Programs raced, and as many baselines.")] = 6,
    rounds: Annotated[int, typer.Option(min=1, help="Repeats of every dev game at most.")] = 5,
    parallel: Parallel = 2,
    sandbox: SandboxName = "auto",
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Race a session's best programs on the dev games: luck on the train games does not carry over."""
    from equilibrist import finalists as work
    from equilibrist.programs import named
    from equilibrist.tables import Shown
    from sandbox import open_sandbox

    errors = Console(stderr=True, highlight=False)
    device = named(home, session, "best").problem.device
    with (
        Shown(errors) as progress,
        open_sandbox(sandbox, slots=parallel, say=errors.print, device=device) as box,
    ):
        made = work.race(home, session, box, count, rounds, progress)
    if as_json:
        emit(made.model_dump(mode="json"))
    else:
        work.render(Console(), made)


@app.command()
def lift(
    sessions: Annotated[list[str], typer.Argument(help="Sessions with control arms, of several seeds.")],
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """What the search is worth over its control arms, with an interval over sessions."""
    from equilibrist.errors import Usage
    from equilibrist.home import find_session
    from equilibrist.lift import over_sessions
    from memory.archive import Archive
    from memory.journal import Journal

    archives = [Archive.of(Journal.view(find_session(home, name))) for name in sessions]
    found = over_sessions(archives)
    if not found:
        raise Usage("None of these sessions has control arms with a score. See: equilibrist run --arms")
    if as_json:
        emit([row.model_dump(mode="json") for row in found])
        return
    for row in found:
        interval = "" if row.low is None else f", 95 % from {row.low:+.4f} to {row.high:+.4f}"
        won = f"better in {row.wins} of {row.sessions} sessions"
        Console().print(f"search over {row.arm}: {row.mean:+.4f}{interval}, {won}", markup=False)
