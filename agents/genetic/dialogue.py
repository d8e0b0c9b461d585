"""Reading a role's messages: the brief, the tools' answers so far; and writing calls."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

BRIEF = re.compile(r"```json\s*\n(.*?)\n```", re.DOTALL)


@dataclass(frozen=True)
class Answer:
    """One tool call of ours and what came back."""

    tool: str
    arguments: Mapping[str, Any]
    result: Mapping[str, Any]

    @property
    def failed(self) -> bool:
        return "error" in self.result


@dataclass(frozen=True)
class Call:
    tool: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Dialogue:
    """One role's turn up to now. Everything a role decides is a function of this and the seed."""

    messages: Sequence[BaseMessage]
    tools: frozenset[str]
    """Names of the tools at hand."""
    seed: int

    @cached_property
    def brief(self) -> Mapping[str, Any]:
        """The JSON block of the human message. Raises ValueError when there is none."""
        for message in self.messages:
            found = BRIEF.search(message.text) if isinstance(message, HumanMessage) else None
            if found:
                return dict(json.loads(found[1]))
        raise ValueError("The genetic researcher needs a brief: a human message with a fenced json block.")

    @cached_property
    def statement(self) -> str:
        return "\n".join(message.text for message in self.messages if isinstance(message, SystemMessage))

    @cached_property
    def answers(self) -> tuple[Answer, ...]:
        """All answered calls, oldest first."""
        asked = {c["id"]: c for m in self.messages if isinstance(m, AIMessage) for c in m.tool_calls}
        found = []
        for message in self.messages:
            if isinstance(message, ToolMessage) and message.tool_call_id in asked:
                call = asked[message.tool_call_id]
                found.append(Answer(call["name"], call["args"], _read(message.text)))
        return tuple(found)

    def of(self, tool: str) -> list[Answer]:
        """Answers of one tool that are no errors."""
        return [answer for answer in self.answers if answer.tool == tool and not answer.failed]

    def program(self, program_id: str | None) -> Mapping[str, Any] | None:
        """A program that was read, with its source and scores."""
        read = (answer.result for answer in self.of("read_program"))
        return next((result for result in read if result.get("program_id") == program_id), None)

    def asked(self, tool: str) -> list[Answer]:
        """Answers of one tool, errors included."""
        return [answer for answer in self.answers if answer.tool == tool]

    def missing(self, calls: Sequence[Call]) -> list[Call]:
        """The calls that can be made and were not yet."""
        made = [(answer.tool, dict(answer.arguments)) for answer in self.answers]
        return [c for c in calls if c.tool in self.tools and (c.tool, dict(c.arguments)) not in made]

    def random(self, *purpose: object) -> Random:
        """Chance that depends on the seed, the brief and the purpose alone."""
        return Random(f"{self.seed} {json.dumps(self.brief, sort_keys=True)} {purpose}")


def reply(text: str, calls: Sequence[Call], turn: int) -> AIMessage:
    return AIMessage(
        content=text,
        tool_calls=[
            {"name": c.tool, "args": dict(c.arguments), "id": f"genetic-{turn}-{i}", "type": "tool_call"}
            for i, c in enumerate(calls)
        ],
    )


def _read(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {"error": text}
    return value if isinstance(value, dict) else {"value": value}
