"""A session made again, continued otherwise, or reckoned before it starts."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from equilibrist.options import (
    HOME,
    AnalystModel,
    CriticModel,
    Evaluations,
    GpuSeconds,
    Home,
    Json,
    Minutes,
    Model,
    ProposerModel,
    SessionName,
    Tokens,
    Usd,
    emit,
    roles,
)

app = typer.Typer()


@app.command()
def replay(
    session: SessionName = "last",
    into: Annotated[Path | None, typer.Option(help="Where to; <home>/replays if left out.")] = None,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Make a session again from its record, with neither key nor container, and compare every byte."""
    from equilibrist.replay import replay as again

    made = again(home, session, into)
    if as_json:
        emit(asdict(made))
        return
    Console().print(
        f"{made.made} events and {made.programs} programs were made again, byte for byte; {made.taken} "
        f"events (replies, outcomes, what people said, marks) were taken from the record.\n{made.folder}",
        markup=False,
        soft_wrap=True,
    )


@app.command()
def fork(
    session: SessionName,
    at: Annotated[int, typer.Option(min=0, help="The last experiment that is kept; 0 keeps the baselines.")],
    seed: Annotated[int | None, typer.Option(help="Another seed.")] = None,
    experiments: Annotated[int | None, typer.Option(min=1, help="A new total of experiments.")] = None,
    evaluations: Evaluations = None,
    parallel: Annotated[int | None, typer.Option(min=1, max=64, help="Experiments in flight.")] = None,
    sandbox: Annotated[str | None, typer.Option(help="Another sandbox.")] = None,
    model: Annotated[str | None, typer.Option(help="Another chat model for all roles.")] = None,
    proposer_model: ProposerModel = None,
    critic_model: CriticModel = None,
    analyst_model: AnalystModel = None,
    minutes: Minutes = None,
    usd: Usd = None,
    tokens: Tokens = None,
    gpu_seconds: GpuSeconds = None,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Go on from any experiment of a session, with other settings, as a session of its own."""
    from equilibrist.ending import finish
    from equilibrist.fork import fork as branch
    from equilibrist.start import resume

    changes = {
        "seed": seed,
        "experiments": experiments,
        "evaluations": evaluations,
        "parallel": parallel,
        "sandbox": sandbox,
        **roles(model, proposer_model, critic_model, analyst_model),
        "usd": usd,
        "tokens": tokens,
        "gpu_seconds": gpu_seconds,
    }
    name = branch(home, session, at, changes)
    finish(resume(home, name, {"minutes": minutes}, salvage=False, quiet=as_json), home, as_json)


@app.command()
def estimate(
    problem: Annotated[str, typer.Argument(help="What to research, e.g. regret.")],
    experiments: Annotated[int, typer.Option(min=1, help="How many experiments.")] = 40,
    model: Model = "genetic",
    proposer_model: ProposerModel = None,
    critic_model: CriticModel = None,
    analyst_model: AnalystModel = None,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """What a session would cost, before it costs anything."""
    from equilibrist.config import Config
    from equilibrist.estimate import estimate as reckon
    from equilibrist.estimate import render

    config = Config(
        problem=problem,
        experiments=experiments,
        **roles(model, proposer_model, critic_model, analyst_model),
    )
    found = reckon(home, config)
    emit(asdict(found)) if as_json else render(Console(), found)
