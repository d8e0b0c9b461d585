"""The tools that end a turn: a proposal, a verdict, an analysis."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from memory.records import Analysis, Decision, LessonDraft, Proposal, Verdict, program_id
from tools.desk import Desk, Draft, Refusal
from tools.programs import Source, duplicate

Prose = Annotated[str, StringConstraints(max_length=4000)]
"""It is shown again in later messages."""
LESSONS = 20
"""Of one experiment; each is compared with all that are known, and nobody learns more from one program."""
Short = Annotated[str, StringConstraints(max_length=200)]


def submit_program(
    desk: Desk,
    source: Source,
    hypothesis: Annotated[Prose, "One paragraph: what changes, why it should help, what would refute it."],
    operator: Annotated[Short, "What made the program, e.g. the name of the change; may be empty."] = "",
) -> dict[str, Any]:
    """Hand in the program of this experiment with its hypothesis. Ends your turn."""
    text = desk.source(source)
    if not hypothesis.strip():
        raise Refusal(
            "The hypothesis is empty. Say why the program should do better and what would refute it."
        )
    faults = desk.problem.check(text)
    if faults:
        raise Refusal("The program fails the static check: " + " ".join(faults))
    twin = duplicate(desk, text)
    if twin:
        raise Refusal(
            f"The program is the same as {twin}, which was tried already (names and layout apart). "
            "Change what it computes."
        )
    name = program_id(text)
    desk.turn.drafts[name] = Draft(name, text, hypothesis=hypothesis.strip(), operator=operator)
    desk.turn.submission = Proposal(
        program_id=name, source=text, hypothesis=hypothesis.strip(), operator=operator
    )
    return {"program_id": name}


def give_verdict(
    desk: Desk,
    decision: Annotated[Decision, "approve: evaluate it; revise: back to the proposer; reject: drop it."],
    reasons: Annotated[Prose, "Why, and for `revise` what to change."],
) -> dict[str, Any]:
    """Decide on the program under review. Ends your turn."""
    if not reasons.strip():
        raise Refusal("The reasons are empty. The proposer and the record need them.")
    desk.turn.submission = Verdict(decision=decision, reasons=reasons.strip())
    return {"decision": decision}


def submit_analysis(
    desk: Desk,
    explanation: Annotated[Prose, "Did the hypothesis hold? What in the figures says so?"],
    lessons: Annotated[
        list[LessonDraft], Field(max_length=LESSONS), "What a researcher should know next time; may be empty."
    ],
) -> dict[str, Any]:
    """Hand in the explanation of the result and the lessons from it. Ends your turn."""
    if not explanation.strip():
        raise Refusal("The explanation is empty. Say whether the hypothesis held, and which figures say so.")
    kept = tuple(lesson for lesson in lessons if lesson.text.strip())
    desk.turn.submission = Analysis(
        explanation=explanation.strip(), lessons=kept, ablation=desk.turn.ablation
    )
    return {"lessons": len(kept)}
