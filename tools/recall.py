"""Asking the memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from memory.records import Lesson
from tools.desk import Desk, Refusal
from tools.programs import Limit


def recall_lessons(
    desk: Desk, query: Annotated[str, "A question or a few words."], limit: Limit = 5
) -> dict[str, Any]:
    """Lessons of this and earlier sessions on a question, with the experiments for and against each; the
    program of an experiment is read by the name given there, e.g. read_program("regret-001/7")."""
    if not query.strip():
        raise Refusal("The query is empty. Ask a question, e.g. 'does discounting help in Leduc?'.")
    found = desk.recall(query, min(max(1, limit), 20))
    desk.turn.recalled.extend(lesson.id for lesson in found)
    return {"lessons": told(found)}


def told(lessons: Sequence[Lesson]) -> list[dict[str, Any]]:
    """Lessons as the roles see them."""
    fields = {
        "id",
        "text",
        "kind",
        "status",
        "reason",
        "games",
        "effect",
        "supported_by",
        "contradicted_by",
    }
    return [lesson.model_dump(mode="json", include=fields) for lesson in lessons]
