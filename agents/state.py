"""What flows through one experiment (State) and what it may use (Bench)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from langchain_core.language_models import BaseChatModel
from typing_extensions import TypedDict

from agents.brief import Brief
from agents.conversation import Pay, unmetered
from memory.archive import Archive
from memory.records import Analysis, Experiment, Lesson, Proposal, Result, Verdict
from problems.problem import Problem
from tools.desk import Desk, Draft, Turn
from tools.evaluation import Recorded

REVISIONS = 2
"""How often the critic may send a program back."""


class State(TypedDict, total=False):
    number: int
    given: Proposal | None
    """A program that a person handed in as this experiment."""
    brief: Brief
    proposal: Proposal | None
    verdicts: tuple[Verdict, ...]
    result: Result
    analysis: Analysis | None
    experiment: Experiment


def _unwatched(number: int, stage: str) -> None:
    pass


@dataclass(frozen=True)
class Bench:
    """Everything that an experiment needs. Shared by threads; nothing in it changes during an experiment."""

    problem: Problem
    archive: Archive
    """What the experiment may know: the session as it was when the experiment was due."""
    models: Mapping[str, BaseChatModel]
    """By role: proposer, critic, analyst."""
    recorded: Recorded
    """``Journal.recorded``."""
    recall: Callable[[str, int], Sequence[Lesson]]
    """(query, limit) -> lessons, best first."""
    smoke: Callable[[str], Result]
    evaluate: Callable[[str], Result]
    """Source -> what the train games say."""
    seed: int
    pay: Pay = unmetered
    steering: tuple[str, ...] = ()
    """What the people who run the session want the proposer and the critic to heed."""
    approve: Callable[[int, Proposal], Verdict] | None = None
    """Waits for a person's verdict on a program before it is evaluated; None: nobody is asked."""
    arm: str = "search"
    """How the experiment comes by its parent: ``search``, or one of the control arms of ``agents.brief``."""
    islands: int = 1
    """Parts of the archive that evolve apart."""
    hand: str = "human"
    """Who handed in the program that an experiment is given."""
    stage: Callable[[int, str], None] = _unwatched
    """Told the number of the experiment and the node that begins."""

    def desk(self, state: State, draft: Draft | None = None) -> Desk:
        """A fresh turn's desk. What was recalled once in an experiment is recalled the same again."""
        number = state["number"]

        def recall(query: str, limit: int) -> list[Lesson]:
            return recorded_lessons(self, number, query, limit)

        memory_is_used = "brief" not in state or state["brief"].memory
        return Desk(
            problem=self.problem,
            archive=self.archive,
            recall=recall if memory_is_used else _nothing,
            smoke=self.smoke,
            evaluate=self.evaluate,
            experiment=number,
            turn=Turn(drafts={draft.program_id: draft} if draft else {}),
        )


def recorded_lessons(bench: Bench, number: int, query: str, limit: int) -> list[Lesson]:
    """Recall through the journal: the memory may have grown when an experiment is resumed."""
    asked = hashlib.sha256(query.encode(errors="surrogatepass")).hexdigest()[:24]
    found = bench.recorded(
        "recall",
        f"{number} {limit} {asked}",
        lambda: {
            "experiment": number,
            "query": query,
            "lessons": [lesson.model_dump(mode="json") for lesson in bench.recall(query, limit)],
        },
    )
    return [Lesson.model_validate(lesson) for lesson in found["lessons"]]


def draft_of(proposal: Proposal, result: Result | None = None) -> Draft:
    """The program under discussion, which tools find by its id."""
    return Draft(
        program_id=proposal.program_id,
        source=proposal.source,
        result=result,
        parent_id=proposal.parent_id,
        hypothesis=proposal.hypothesis,
        operator=proposal.operator,
    )


def _nothing(query: str, limit: int) -> list[Lesson]:
    return []
