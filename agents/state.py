"""What flows through one experiment (State) and what it may use (Bench)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from langchain_core.language_models import BaseChatModel
from typing_extensions import TypedDict

from agents.brief import WITHOUT_MEMORY, Brief
from agents.conversation import Pay, unmetered
from memory.archive import Archive, Entry
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


def _unknown(name: str) -> Entry | None:
    return None


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
    without_memory: float = WITHOUT_MEMORY
    """Share of the experiments that see no lessons, so that the effect of memory can be measured."""
    earlier: Callable[[str], Entry | None] = _unknown
    """The program of an earlier session's experiment, named as lessons name their evidence."""
    stage: Callable[[int, str], None] = _unwatched
    """Told the number of the experiment and the node that begins."""

    def desk(self, state: State, role: str, draft: Draft | None = None) -> Desk:
        """A fresh turn's desk. What was recalled once in an experiment is recalled the same again."""
        number = state["number"]

        def recall(query: str, limit: int) -> list[Lesson]:
            return recorded_lessons(self, number, role, query, limit)

        memory_is_used = "brief" not in state or state["brief"].memory
        return Desk(
            problem=self.problem,
            archive=self.archive,
            recall=recall if memory_is_used else _nothing,
            smoke=self.smoke,
            evaluate=self.evaluate,
            experiment=number,
            turn=Turn(drafts={draft.program_id: draft} if draft else {}),
            earlier=partial(recorded_program, self, number) if memory_is_used else _unknown,
        )


def recorded_program(bench: Bench, number: int, name: str) -> Entry | None:
    """A program of an earlier session through the journal: that session may be gone on resume."""
    found = bench.recorded("opened", f"{number} {name}", lambda: opened(number, name, bench.earlier(name)))
    program = found["program"]
    if not program:
        return None
    result, better = Result.model_validate(program["result"]), tuple(program["improved_by"])
    return Entry(**{**program, "result": result, "improved_by": better})


def opened(number: int, name: str, entry: Entry | None) -> dict[str, Any]:
    if entry is None:
        return {"experiment": number, "name": name, "program": None}
    shown = {**vars(entry), "result": entry.result.model_dump(mode="json")}
    return {"experiment": number, "name": name, "program": shown}


def recorded_lessons(bench: Bench, number: int, role: str, query: str, limit: int) -> list[Lesson]:
    """Recall through the journal: the memory may have grown when an experiment is resumed. The event says
    which role was shown which lessons (``brief``: those that the proposer's brief holds)."""
    asked = hashlib.sha256(query.encode(errors="surrogatepass")).hexdigest()[:24]
    found = bench.recorded(
        "recall",
        f"{number} {role} {limit} {asked}",
        lambda: {
            "experiment": number,
            "role": role,
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
