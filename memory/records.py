"""The records of a session. Frozen; text, numbers, lists and other records; JSON on disk."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Literal

from pydantic import Field

from sandbox.job import Record, Status

LessonKind = Literal["insight", "success", "failure", "open_question"]
LessonStatus = Literal["quarantined", "supported", "contradicted", "retired"]
Decision = Literal["approve", "revise", "reject"]
SEARCH = "search"
"""The arm of a session that is no control."""


def program_id(source: str) -> str:
    """First 12 hex digits of the source's sha256."""
    return sha256(source.encode(errors="surrogatepass")).hexdigest()[:12]


class Proposal(Record):
    """A program and why it should be better."""

    program_id: str
    """First 12 hex digits of the sha256 of the source."""
    source: str
    hypothesis: str
    parent_id: str | None = None
    inspiration_ids: tuple[str, ...] = ()
    lesson_ids: tuple[str, ...] = ()
    """Lessons that were shown to the proposer."""
    operator: str = ""
    """What made the program, if its author says so (a mutation's name, a model's name)."""


class Verdict(Record):
    decision: Decision
    reasons: str
    by: Literal["critic", "human"] = "critic"


class Result(Record):
    """What the sandbox measured."""

    status: Status
    message: str = ""
    score: float | None = None
    """None unless every game was played or the evaluation was stopped as hopeless."""
    stopped_early: bool = False
    games: dict[str, float] = {}
    details: dict[str, float] = {}
    curves: dict[str, dict[str, list[float]]] = {}
    """Per game: named series, e.g. ``iterations`` and ``exploitability``."""
    output: str = ""
    seconds: float = 0.0
    sandbox: str = ""


class LessonDraft(Record):
    """A lesson as an analyst writes it."""

    text: str
    kind: LessonKind
    observation: str = ""
    """What was measured, apart from why."""
    games: tuple[str, ...] = ()
    effect: float | None = Field(default=None, allow_inf_nan=False)
    """Difference of score that the lesson is about."""
    contradicts: tuple[str, ...] = ()
    """Ids of lessons that this result speaks against."""
    supports: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    """Ids of the lessons that this one generalises, for a principle."""


class Lesson(Record):
    id: str
    text: str
    kind: LessonKind
    status: LessonStatus = "quarantined"
    problem: str
    games: tuple[str, ...] = ()
    observation: str = ""
    effect: float | None = None
    """Mean effect over the experiments that support it."""
    spread: float | None = None
    """Sample standard deviation of those effects; None for fewer than two."""
    supported_by: tuple[str, ...] = ()
    """Independent experiments, as ``session/number``."""
    contradicted_by: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    """Ids of lessons that say the opposite."""
    sources: tuple[str, ...] = ()
    """Ids of the lessons that this one generalises."""
    reason: str = ""
    """Why it has its status."""
    shown: int = 0
    """Scored proposals that were shown it."""
    helped: int = 0
    """How many of those improved on their parent."""
    session: str = ""
    created: str = ""
    """ISO date and time, UTC."""


class Ablation(Record):
    """A program with one thing taken out or changed, evaluated to tell what caused a result."""

    program_id: str
    source: str
    question: str
    """What the difference is to decide."""
    result: Result


class Analysis(Record):
    explanation: str
    lessons: tuple[LessonDraft, ...] = ()
    ablation: Ablation | None = None


class Experiment(Record):
    """One iteration of research, complete."""

    number: int
    """From 1. Baselines have no number."""
    proposal: Proposal | None
    """None when the proposer never submitted anything usable."""
    verdicts: tuple[Verdict, ...] = ()
    result: Result
    analysis: Analysis | None = None
    lesson_ids: tuple[str, ...] = ()
    """Lessons that came out."""
    brief: dict[str, Any] = {}
    """What the proposer was given: parent, inspirations, lessons, and why these."""

    @property
    def arm(self) -> str:
        """``SEARCH``, or the control arm that it belongs to."""
        return str(self.brief.get("arm", SEARCH))

    @property
    def evaluations(self) -> int:
        """Programs judged on the train games for it."""
        return int(self.brief.get("evaluations", 1))


class Baseline(Record):
    """A known rule, judged by the same path as candidates."""

    name: str
    program_id: str
    source: str
    result: Result
