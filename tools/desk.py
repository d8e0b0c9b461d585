"""What a role may use during one turn of one experiment, and what the turn has produced so far."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from memory.archive import Archive, Entry
from memory.records import Ablation, Analysis, Lesson, Proposal, Result, Verdict, program_id
from problems.problem import Problem

Submission = Proposal | Verdict | Analysis
"""What the last tool of a turn hands in."""

LONGEST = 100_000
"""Characters of a program that anybody will look at; a problem's own check allows far fewer."""
ID = re.compile(r"[0-9a-f]{12}")
FENCED = re.compile(r"\s*(`{3,}|~{3,})[\w+-]*[ \t]*\n(.*?)\n?\1\s*", re.DOTALL)
"""A program that its author put into a Markdown fence out of habit."""


class Refusal(Exception):
    """A tool call that cannot be done; the text tells the caller what was wrong and what to do."""


@dataclass(frozen=True)
class Draft:
    """A program of this experiment that has not been evaluated; reads like an Entry of the archive."""

    program_id: str
    source: str
    result: Result | None = None
    number: int | None = None
    name: str | None = None
    parent_id: str | None = None
    hypothesis: str = ""
    operator: str = ""
    improved_by: tuple[str, ...] = ()


Program = Entry | Draft


def _nowhere(source: str) -> Result:
    raise Refusal("Nothing can be evaluated here.")


@dataclass
class Turn:
    """Mutable, of one thread."""

    drafts: dict[str, Program] = field(default_factory=dict)
    """Programs of this experiment by id."""
    submission: Submission | None = None
    ablation: Ablation | None = None
    """The one that the analyst asked for."""
    recalled: list[str] = field(default_factory=list)
    """Ids of the lessons that the role asked for and was given, in order."""


def _unknown(name: str) -> Entry | None:
    return None


@dataclass(frozen=True)
class Desk:
    problem: Problem
    archive: Archive
    """What was known when the experiment began; does not change during it."""
    recall: Callable[[str, int], Sequence[Lesson]]
    """(query, limit) -> lessons, best first."""
    smoke: Callable[[str], Result]
    experiment: int
    turn: Turn
    evaluate: Callable[[str], Result] = _nowhere
    """Source -> what the train games say; for the analyst's ablation."""
    earlier: Callable[[str], Entry | None] = _unknown
    """The program of an earlier session's experiment, named as lessons name their evidence."""

    def find(self, name: str) -> Program:
        """A program by its id or, a baseline or experiment, by its name. Raises Refusal."""
        archive = self.archive
        program = self.turn.drafts.get(name) or archive.entries.get(name) or archive.named(name)
        if program is None and "/" in name:
            program = self.earlier(name)
        if program is None:
            raise Refusal(
                f"There is no program {name!r}. Ids are 12 hex digits, as the brief and the tools give them; "
                "an experiment behind a lesson is named as the lesson names it."
            )
        return program

    def source(self, text: str) -> str:
        """A program's source, given itself or its id. Raises Refusal."""
        if ID.fullmatch(text.strip()):
            return self.find(text.strip()).source
        if fence := FENCED.fullmatch(text):
            text = f"{fence[2]}\n"
        if not text.strip():
            raise Refusal("The program is empty. Give its full source text, or the id of a program.")
        if len(text) > LONGEST:
            raise Refusal(f"The program has {len(text)} characters; {LONGEST} is far too long for any rule.")
        return text

    def draft(self, source: str) -> str:
        """Keep a program of this experiment; returns its id."""
        name = program_id(source)
        self.turn.drafts.setdefault(name, Draft(name, source))
        return name


def summary(program: Program) -> dict[str, Any]:
    result = program.result
    return {
        "program_id": program.program_id,
        "name": program.name,
        "experiment": program.number,
        "parent_id": program.parent_id,
        "hypothesis": program.hypothesis,
        "operator": program.operator,
        "status": result.status if result else "draft",
        "score": result.score if result else None,
        "stopped_early": result.stopped_early if result else False,
        "games": dict(result.games) if result else {},
    }
