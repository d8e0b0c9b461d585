"""One experiment of the analyst's own: what happens without the mechanism that is said to be the cause?"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import StringConstraints

from memory.records import Ablation
from tools.desk import Desk, Refusal, summary
from tools.programs import Edit, duplicate, edited

Question = Annotated[str, StringConstraints(max_length=1000)]


def run_ablation(
    desk: Desk,
    program_id: Annotated[str, "The program of this experiment, or its parent."],
    edits: Annotated[list[Edit], "What to take out or change; each `search` occurs exactly once."],
    question: Annotated[Question, "What the difference is to decide, e.g. 'is it the floor or the weights?'"],
) -> dict[str, Any]:
    """Evaluate a variant of the program on the train games, to tell which change caused the result. Once per
    experiment: choose the variant whose score separates the explanations."""
    if desk.turn.ablation is not None:
        raise Refusal("You have had your ablation. Finish with submit_analysis.")
    if not question.strip():
        raise Refusal("The question is empty. Say what the difference is to decide.")
    base = desk.find(program_id)
    text = edited(base.source, edits)
    faults = desk.problem.check(text)
    if faults:
        raise Refusal("The variant fails the static check: " + " ".join(faults))
    known = duplicate(desk, text)
    result = desk.find(known).result if known else desk.evaluate(text)
    assert result is not None
    name = desk.draft(text)
    desk.turn.ablation = Ablation(program_id=name, source=text, question=question.strip(), result=result)
    scores = summary(base)
    both = [game for game in result.games if game in scores["games"]]
    compared = result.score is not None and scores["score"] is not None
    return {
        "program_id": name,
        "status": result.status,
        "message": result.message,
        "score": result.score,
        "games": dict(result.games),
        "score_difference": result.score - scores["score"] if compared and result.score is not None else None,
        "game_differences": {game: result.games[game] - scores["games"][game] for game in both},
        "already_known_as": known,
    }
