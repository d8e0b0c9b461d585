"""The command line. Heavy imports wait for the command that needs them, so that ``--help`` is instant."""

from __future__ import annotations

import sys
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from equilibrist.cli_again import app as again_app
from equilibrist.cli_discovery import app as discovery_app
from equilibrist.cli_look import app as look_app
from equilibrist.cli_memory import app as memory_app
from equilibrist.cli_reproduce import app as reproduce_app
from equilibrist.cli_results import app as results_app
from equilibrist.cli_steer import app as steer_app
from equilibrist.ending import finish, leave, show_session
from equilibrist.errors import Failed, Interrupted, Usage
from equilibrist.options import (
    HOME,
    AnalystModel,
    CriticModel,
    Device,
    Embeddings,
    Env,
    Evaluations,
    Executor,
    Game,
    GpuSeconds,
    Home,
    Json,
    MemoryUrl,
    Minutes,
    Model,
    ProposerModel,
    RayAddress,
    ReplySeconds,
    ReplyTokens,
    SessionName,
    TextCalls,
    Tokens,
    Usd,
    WithoutMemory,
    emit,
    known_executor,
    roles,
)
from equilibrist.terminal import reading_console

app = typer.Typer(
    help="An autonomous research team that discovers learning rules for many agents, and proves them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.add_typer(steer_app)
app.add_typer(again_app)
app.add_typer(reproduce_app)
app.add_typer(results_app)
app.add_typer(discovery_app)
app.add_typer(look_app)
app.add_typer(memory_app, name="memory")


def main() -> None:
    """Entry point. Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    from memory.events import JournalError
    from problems.brought import BroughtError
    from sandbox.job import SandboxError

    try:
        app()
    except (Usage, BroughtError) as error:
        _fail(str(error), 2)
    except (Failed, JournalError, SandboxError, ConnectionError) as error:
        _fail(str(error), 1)
    except Interrupted as error:
        _fail(str(error), 130)
    except KeyboardInterrupt:
        _fail("Interrupted.", 130)
    except SystemExit as ended:
        leave(ended.code if isinstance(ended.code, int) else 1)


def _fail(message: str, code: int) -> NoReturn:
    Console(stderr=True, highlight=False).print(f"equilibrist: {message}", markup=False, soft_wrap=True)
    leave(code)


@app.command()
def run(
    problem: Annotated[str, typer.Argument(help="What to research, e.g. regret.")],
    game: Game = None,
    env: Env = None,
    device: Device = "cpu",
    seed: Annotated[
        int, typer.Option(help="Same seed, same machine, embedded researcher: same session.")
    ] = 0,
    experiments: Annotated[int, typer.Option(min=1, help="How many experiments.")] = 40,
    minutes: Minutes = None,
    usd: Usd = None,
    tokens: Tokens = None,
    evaluations: Evaluations = None,
    arms: Annotated[
        str,
        typer.Option(help="Control arms that share the budget: sampling,climbing,tuning; with weights: a:2."),
    ] = "search",
    islands: Annotated[int, typer.Option(min=1, max=16, help="Parts of the archive that evolve apart.")] = 3,
    tune: Annotated[
        int, typer.Option(min=0, help="Evaluations spent on the constants of each promising program.")
    ] = 0,
    gpu_seconds: GpuSeconds = None,
    parallel: Annotated[int, typer.Option(min=1, max=64, help="Experiments in flight.")] = 2,
    sandbox: Annotated[
        str, typer.Option(help="auto, gvisor, docker, bubblewrap, landlock or unconfined.")
    ] = "auto",
    executor: Executor = "local",
    ray_address: RayAddress = None,
    model: Model = "genetic",
    proposer_model: ProposerModel = None,
    critic_model: CriticModel = None,
    analyst_model: AnalystModel = None,
    reply_tokens: ReplyTokens = None,
    reply_seconds: ReplySeconds = 300.0,
    text_calls: TextCalls = False,
    approve: Annotated[bool, typer.Option(help="Ask a person before each evaluation.")] = False,
    without_memory: WithoutMemory = 0.2,
    memory_url: MemoryUrl = None,
    embeddings: Embeddings = "",
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Start a research session. Ctrl-C leaves it resumable."""
    from equilibrist.config import Config
    from equilibrist.start import start

    config = Config(
        problem=problem,
        device=device,
        seed=seed,
        experiments=experiments,
        minutes=minutes,
        usd=usd,
        tokens=tokens,
        evaluations=evaluations,
        arms=arms,
        islands=islands,
        tune=tune,
        parallel=parallel,
        sandbox=sandbox,
        executor=known_executor(executor),
        ray_address=ray_address,
        approve=approve,
        without_memory=without_memory,
        memory_url=memory_url,
        embeddings=embeddings,
        reply_tokens=reply_tokens,
        reply_seconds=reply_seconds,
        gpu_seconds=gpu_seconds,
        text_calls=text_calls,
        **roles(model, proposer_model, critic_model, analyst_model),
    )
    finish(start(home, config, as_json, [*(game or ()), *(env or ())]), home, as_json)


@app.command()
def resume(
    session: SessionName = "last",
    experiments: Annotated[int | None, typer.Option(min=1, help="A new total of experiments.")] = None,
    evaluations: Evaluations = None,
    minutes: Minutes = None,
    usd: Usd = None,
    tokens: Tokens = None,
    gpu_seconds: GpuSeconds = None,
    salvage: Annotated[bool, typer.Option(help="Set damaged journal lines aside and go on.")] = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Go on with a session: nothing is evaluated or asked twice."""
    from equilibrist.start import resume as go_on

    budgets = {
        "experiments": experiments,
        "evaluations": evaluations,
        "minutes": minutes,
        "usd": usd,
        "tokens": tokens,
        "gpu_seconds": gpu_seconds,
    }
    finish(go_on(home, session, budgets, salvage, quiet=as_json), home, as_json)


@app.command()
def show(
    session: SessionName = "last",
    all_of_it: Annotated[bool, typer.Option("--all", help="Every experiment and lesson.")] = False,
    experiment: Annotated[
        int | None, typer.Option(help="Only this one: hypothesis, critic, difference, run, curves, lessons.")
    ] = None,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Leaderboard, best program, lineage, curves and lessons of a session."""
    if experiment is None:
        show_session(home, session, all_of_it, as_json, paging=True)
    else:
        from equilibrist.show_experiment import show_experiment

        show_experiment(reading_console(), home, session, experiment, as_json)


@app.command()
def doctor(
    attack: Annotated[bool, typer.Option(help="Run the whole attack set in each sandbox found.")] = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """What works on this machine, and how to mend what does not."""
    from equilibrist.doctor import examine, render

    findings = examine(home, attack)
    if as_json:
        emit([finding.model_dump(mode="json") for finding in findings])
    else:
        render(Console(), findings)
    if any(finding.verdict == "broken" for finding in findings):
        sys.exit(1)
