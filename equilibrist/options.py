"""Options that every command shares."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from equilibrist.errors import Usage
from equilibrist.home import default_home

HOME = default_home()
Home = Annotated[Path, typer.Option("--home", help="Sessions, memory and caches (EQUILIBRIST_HOME).")]
Json = Annotated[bool, typer.Option("--json", help="For scripts: JSON on standard output.")]
SessionName = Annotated[str, typer.Argument(help="A session's id, the start of it, or 'last'.")]

_UNSEEN = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")

Evaluations = Annotated[
    int | None,
    typer.Option(min=1, help="Budget of programs judged on the train games.", rich_help_panel="Budgets"),
]
Minutes = Annotated[
    float | None, typer.Option(min=0.01, help="Budget of wall time, in minutes.", rich_help_panel="Budgets")
]
Usd = Annotated[
    float | None, typer.Option(min=0.0001, help="Budget in US dollars.", rich_help_panel="Budgets")
]
Tokens = Annotated[
    int | None, typer.Option(min=1, help="Budget of tokens, read and written.", rich_help_panel="Budgets")
]
GpuSeconds = Annotated[
    float | None,
    typer.Option(min=0.01, help="Budget of seconds that candidates hold a GPU.", rich_help_panel="Budgets"),
]
Model = Annotated[str, typer.Option(help="Chat model of all roles; 'genetic' needs no key.")]
ProposerModel = Annotated[
    str | None, typer.Option(help="Another model for the proposer, or several with weights: a:2,b:1.")
]
CriticModel = Annotated[str | None, typer.Option(help="Another model for the critic.")]
AnalystModel = Annotated[str | None, typer.Option(help="Another model for the analyst.")]
TextCalls = Annotated[
    bool, typer.Option("--text-calls", help="Tools are called in text: for models without native tool calls.")
]
ReplyTokens = Annotated[
    int | None, typer.Option(min=16, help="The most that a model may write in one reply.")
]
ReplySeconds = Annotated[
    float, typer.Option(min=1, help="How long a model may keep silent before it is asked again.")
]

Game = Annotated[
    list[str] | None,
    typer.Option("--game", help="A game of your own: OpenSpiel string or Gambit file (.efg). Repeatable."),
]
Env = Annotated[
    list[str] | None,
    typer.Option("--env", help="A PettingZoo environment of your own: package.module:function. Repeatable."),
]
Embeddings = Annotated[
    str,
    typer.Option(
        help="Embeddings model at OPENAI_BASE_URL; the built-in embedder if left out.",
        envvar="EQUILIBRIST_EMBEDDINGS",
        rich_help_panel="Memory",
    ),
]
MemoryUrl = Annotated[
    str | None,
    typer.Option(
        help="Chroma server to share lessons over, http://host:port.",
        envvar="EQUILIBRIST_MEMORY_URL",
        rich_help_panel="Memory",
    ),
]
WithoutMemory = Annotated[
    float,
    typer.Option(
        min=0,
        max=1,
        help="Share of experiments without lessons, for 'memory lift'.",
        rich_help_panel="Memory",
    ),
]

Device = Annotated[
    str,
    typer.Option(
        help="Where the referee computes (networks, sweeps of large games): cpu, cuda, or GPUs: cuda:0,1."
    ),
]

Executor = Annotated[
    str, typer.Option(help="local, or ray: judge on the nodes of a Ray cluster.", rich_help_panel="Cluster")
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        help="HOST:PORT of the cluster, or auto; without it one is started here.", rich_help_panel="Cluster"
    ),
]


def known_executor(name: str) -> Literal["local", "ray"]:
    """Raises Usage."""
    if name == "local" or name == "ray":
        return name  # type: ignore[return-value]
    raise Usage(f"There is no executor '{name}'. Known: local, ray.")


def roles(model: str | None, proposer: str | None, critic: str | None, analyst: str | None) -> dict[str, Any]:
    """The model of each role: its own, else everybody's."""
    return {"proposer": proposer or model, "critic": critic or model, "analyst": analyst or model}


def emit(value: Any) -> None:
    """JSON on standard output."""
    sys.stdout.write(_visible(strict_json(value, indent=2)) + "\n")


def emit_line(value: Any, flush: bool = False) -> None:
    """JSON on one line of standard output."""
    sys.stdout.write(_visible(strict_json(value)) + "\n")
    if flush:
        sys.stdout.flush()


def strict_json(value: Any, indent: int | None = None) -> str:
    """JSON as every reader takes it: null for NaN and infinities."""
    try:
        return json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    except ValueError:
        finite = json.loads(json.dumps(value), parse_constant=lambda name: None)
        return json.dumps(finite, indent=indent, ensure_ascii=False)


def _visible(text: str) -> str:
    """The same JSON, with what a terminal would obey and what has no bytes in UTF-8 written as escapes."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
