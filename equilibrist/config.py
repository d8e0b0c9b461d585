"""What a session is asked to do: one record, stored in its ``session.json``."""

from __future__ import annotations

import importlib.metadata
import platform
from typing import Any, Literal

from pydantic import Field

from agents.brief import WITHOUT_MEMORY
from problems import PROBLEMS
from sandbox.job import Record

VERSIONED = (
    "equilibrist",
    "torch",
    "numpy",
    "numba",
    "open_spiel",
    "pettingzoo",
    "langgraph",
    "langchain-openai",
    "chromadb",
)


BUDGETS = ("experiments", "evaluations", "minutes", "usd", "tokens", "gpu_seconds")
"""They end a session and decide nothing in it; a resumed session may have others."""
PLACES = ("sandbox", "executor", "ray_address")
"""Where programs run, which decides nothing in a session either."""


class Config(Record):
    """The whole configuration of a session. With the same configuration, memory and machine, and the
    embedded researcher, a session repeats itself exactly."""

    problem: str
    games: tuple[str, ...] = ()
    """Games of the user's own to train on, as ``problems.brought`` names them; empty for the problem's."""
    device: str = "cpu"
    """Where the referee computes."""
    seed: int = 0
    experiments: int = Field(default=40, ge=1)
    """Experiments in all; a resumed session counts those it has."""
    evaluations: int | None = Field(default=None, gt=0)
    """Programs judged on the train games, those of tuning included, after which no experiment is started."""
    arms: str = "search"
    """Control arms beside the search, with weights: ``search:2,sampling:1`` (``equilibrist.arms``)."""
    islands: int = Field(default=1, ge=1, le=16)
    """Parts of the archive that evolve apart, with some migration."""
    tune: int = Field(default=0, ge=0)
    """Evaluations spent on the constants of each promising program; 0 for none."""
    parallel: int = Field(default=2, ge=1, le=64)
    """Experiments in flight. Experiment n sees the records of experiments up to n - parallel, whatever
    the order in which they finish, so that the result does not depend on speed."""
    sandbox: str = "auto"
    executor: Literal["local", "ray"] = "local"
    """Where programs are judged: in sandboxes of this machine, or in those of a Ray cluster's nodes."""
    ray_address: str | None = None
    """``HOST:PORT`` or ``auto``; None starts a cluster of this machine alone."""
    proposer: str = "genetic"
    """A model, or several with weights: ``a:2,b:1``."""
    critic: str = "genetic"
    analyst: str = "genetic"
    without_memory: float = Field(default=WITHOUT_MEMORY, ge=0, le=1)
    """Share of the experiments that see no lessons, so that the effect of memory can be measured."""
    embeddings: str = ""
    """Embeddings model at the environment's endpoint; the built-in embedder if empty."""
    memory_url: str | None = None
    """Chroma server by which a team shares lessons: taken in before a session begins, given when it ends."""
    approve: bool = False
    """Whether a person decides on every program before it is evaluated."""
    minutes: float | None = Field(default=None, gt=0)
    """Wall time after which no experiment is started and no reply asked for."""
    usd: float | None = Field(default=None, gt=0)
    """What all replies of the session together may cost, in US dollars."""
    tokens: int | None = Field(default=None, gt=0)
    """How many tokens all replies may take, read and written."""
    gpu_seconds: float | None = Field(default=None, gt=0)
    """How long candidates may hold a GPU, all together."""
    text_calls: bool = False
    """Whether tools are called in text, for models whose endpoint drops them without a word."""
    reply_tokens: int | None = Field(default=None, gt=0)
    """The most that a model is asked to write in one reply."""
    reply_seconds: float = Field(default=300.0, gt=0)
    """How long a model may keep silent before it is asked again."""

    def _chosen(self) -> set[str]:
        """Fields that differ from their defaults; sessions from before a field came keep their identity."""
        return {
            name for name, field in type(self).model_fields.items() if getattr(self, name) != field.default
        }

    def identity(self) -> dict[str, Any]:
        """What decides the outcome of a session, whatever the machine and however long it runs."""
        later = {"games", "device", "arms", "islands", "tune", "text_calls", "without_memory", "embeddings"}
        unset = later - self._chosen()
        left_out = {*BUDGETS, *PLACES, "reply_seconds", "memory_url", *unset}
        return self.model_dump(mode="json", exclude=left_out)


def versions() -> dict[str, str]:
    """Versions of what a result depends on."""
    found: dict[str, str] = {"python": platform.python_version(), "machine": platform.machine()}
    for name in VERSIONED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def session_record(config: Config, **more: Any) -> dict[str, Any]:
    """What goes into ``session.json``."""
    return {
        "problem": config.problem,
        "config": config.model_dump(mode="json"),
        "baselines": list(PROBLEMS[config.problem].baselines),
        "versions": versions(),
        **more,
    }
