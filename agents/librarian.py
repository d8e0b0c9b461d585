"""The librarian: a short answer to a question from the lessons that memory found, each statement sourced."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage, SystemMessage

from agents import texts
from memory.records import Lesson
from sandbox.job import Record

UNKNOWING = "Memory does not know"
_CITED = re.compile(r"\b[0-9a-f]{12}\b")
_SHOWN = {
    "id", "text", "kind", "status", "reason", "problem", "games", "observation", "effect", "spread",
    "supported_by", "contradicted_by", "against",
}  # fmt: skip
_LONGEST = 4000


class Answer(Record):
    text: str
    cites: tuple[str, ...] = ()
    """Ids of given lessons that it names."""
    unknown: tuple[str, ...] = ()
    """Ids that it names and was not given: made up."""
    knows: bool
    """Whether memory answers the question."""


def answer(model: BaseChatModel, question: str, lessons: Sequence[Lesson]) -> Answer:
    """What the model makes of the lessons; without any it is not asked.

    Raises whatever the model raises (ModelError for an endpoint).
    """
    if not lessons:
        return Answer(text=f"{UNKNOWING}: no lesson bears on the question.", knows=False)
    shown = [lesson.model_dump(mode="json", include=_SHOWN) for lesson in lessons]
    block = texts.fenced("json", json.dumps({"question": question, "lessons": shown}, ensure_ascii=False))
    reply = model.invoke([SystemMessage(texts.prompt("librarian")), HumanMessage(block)])
    text = reply.text.strip()[:_LONGEST]
    named = dict.fromkeys(_CITED.findall(text))
    known = {lesson.id for lesson in lessons}
    cites = tuple(name for name in named if name in known)
    return Answer(
        text=text,
        cites=cites,
        unknown=tuple(name for name in named if name not in known),
        knows=bool(cites) and not text.startswith(UNKNOWING),
    )
