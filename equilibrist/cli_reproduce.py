"""``equilibrist reproduce``: a published result beside ours."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from equilibrist.errors import Usage
from equilibrist.options import HOME, Home, Json, emit

app = typer.Typer()

QUICK = "kuhn2,kuhn3,kuhn4,leduc2,goofspiel3,goofspiel4,liars_dice4,liars_dice5"
"""The games that take seconds each; the other three of the paper take minutes to an hour."""
QUICK_PSRO = "kuhn2,kuhn3,leduc2,goofspiel3,goofspiel4,liars_dice4"
"""The same for populations: up to a minute a solver."""


@app.command()
def reproduce(
    paper: Annotated[str, typer.Argument(help="li2026: arXiv 2602.16928.")],
    problem: Annotated[str, typer.Option(help="regret (Figure 3) or metasolver (Figure 4).")] = "regret",
    games: Annotated[
        str | None,
        typer.Option(help="Separated by commas, or 'all'.", show_default="those that take seconds each"),
    ] = None,
    algorithms: Annotated[str, typer.Option(help="By the paper's names, separated by commas.")] = "all",
    semantics: Annotated[
        str, typer.Option(help="paper, textbook, or both, separated by a comma.")
    ] = "paper,textbook",
    updates: Annotated[
        int | None,
        typer.Option(
            min=1, help="Stop after so many updates or best responses.", show_default="the figure's end"
        ),
    ] = None,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """A published result beside ours, in the paper's own loop and as in the textbook."""
    from equilibrist import reproduce as work

    if paper != "li2026":
        raise Usage(f"'{paper}' is not known. Known: li2026.")
    if games is None:
        games = QUICK_PSRO if problem == "metasolver" else QUICK
    errors = Console(stderr=True, highlight=False)
    curves = work.reproduce(
        home,
        None if games == "all" else _names(games),
        None if algorithms == "all" else _names(algorithms),
        _names(semantics),  # type: ignore[arg-type]
        updates,
        say=errors.print,
        problem=problem,
    )
    if as_json:
        emit([curve.model_dump(mode="json") for curve in curves])
    else:
        Console().print(work.render(curves))


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())
