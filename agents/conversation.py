"""One role's turn: the model replies with tool calls, the tools answer, until the role's last tool is called.

Every reply is looked up in the journal under the hash of its request before anybody is asked, so a resumed or
replayed turn asks nobody. Tools run again (they are quick, and what is slow in them is recorded for itself);
where a result was recorded, the recorded text is what the model sees.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolCall, ToolMessage
from langchain_core.tools import StructuredTool

from agents.errors import ContextOverflow
from agents.models import model_id
from tools.desk import Desk, Submission
from tools.evaluation import Recorded
from tools.registry import error, tools_for

STEPS = 16
"""Replies in one turn."""
NUDGE_AT = 3
"""Replies before the last at which the model is told to finish."""
SILENCE = 3
"""Replies in a row without a usable call after which a turn is given up."""
KEPT = 400
"""Characters kept of an old tool result when the messages have to shrink."""


HOW_TO_ACT = (
    "Act by calling tools only; if you cannot call them natively, write a fenced json block "
    '{"tool": name, "arguments": {...}} per call.'
)


class Unfinished(Exception):
    """A turn that ended without a submission; the text says why, for the record."""


@dataclass(frozen=True)
class Place:
    """Where in the session a turn belongs; part of each key in the journal."""

    experiment: int
    role: str
    round: int = 0
    """Counts the revisions."""


def converse(
    model: BaseChatModel, place: Place, prompt: str, brief: str, desk: Desk, recorded: Recorded
) -> Submission:
    """Play a turn to its end. Raises Unfinished, and ModelError when the model cannot be reached."""
    tools = {tool.name: tool for tool in tools_for(place.role, desk)}
    bound = model.bind_tools(list(tools.values()))
    last_tool = list(tools)[-1]
    messages: list[BaseMessage] = [SystemMessage(content=prompt), HumanMessage(content=brief)]
    where = {"experiment": place.experiment, "role": place.role, "round": place.round}
    recorded("prompt", _key(place, messages), lambda: {**where, "system": prompt, "human": brief})
    silent = 0
    for step in range(1, STEPS + 1):
        key = _key(place, messages, step, model_id(model), *tools)
        about = {**where, "step": step, "model": model_id(model)}
        reply = recorded("reply", key, partial(_ask, bound, tuple(messages), about))
        calls = _calls(reply, step)
        messages.append(AIMessage(content=reply["text"] or ("" if calls else "(empty)"), tool_calls=calls))
        messages += _answers(calls, tools, key, {**where, "step": step}, recorded)
        if desk.turn.submission is not None:
            return desk.turn.submission
        silent = 0 if calls else silent + 1
        if silent == SILENCE:
            raise Unfinished(f"The {place.role} called no tool in {SILENCE} replies in a row.")
        remark = _remark(reply, bool(calls), STEPS - step, last_tool)
        if remark:
            messages.append(HumanMessage(content=remark))
    raise Unfinished(f"The {place.role} did not call {last_tool} within {STEPS} replies.")


def _ask(bound: Any, messages: Sequence[BaseMessage], about: dict[str, Any]) -> dict[str, Any]:
    """One reply as JSON. When the context overflows, old tool results are shortened, and said to be."""
    try:
        message = bound.invoke(list(messages))
    except ContextOverflow:
        try:
            message = bound.invoke(_condensed(messages))
        except ContextOverflow as overflow:
            raise Unfinished(f"The messages do not fit the model's context: {overflow}") from None
    return {
        **about,
        "text": message.text,
        "tool_calls": [{"name": call["name"], "args": call["args"]} for call in message.tool_calls],
        "invalid_calls": [
            {"name": call.get("name"), "error": str(call.get("error"))[:KEPT]}
            for call in message.invalid_tool_calls
        ],
        "refusal": str(message.additional_kwargs.get("refusal") or ""),
        "usage": dict(message.usage_metadata or {}),
        "tries": message.response_metadata.get("tries", 1),
    }


def _calls(reply: dict[str, Any], step: int) -> list[ToolCall]:
    """Ids of our own, the same in every replay; nine letters and digits, as the strictest endpoints want."""
    return [
        ToolCall(name=call["name"], args=call["args"], id=f"call{step:02d}{index:03d}", type="tool_call")
        for index, call in enumerate(reply["tool_calls"])
    ]


def _answers(
    calls: Sequence[ToolCall],
    tools: dict[str, StructuredTool],
    key: str,
    where: dict[str, Any],
    recorded: Recorded,
) -> list[BaseMessage]:
    """Run the calls in order, up to the one that ends the turn."""
    answers: list[BaseMessage] = []
    last_tool = list(tools)[-1]
    for index, call in enumerate(calls):
        text = _run(tools, call)
        done = {**where, "name": call["name"], "arguments": call["args"], "result": text}
        shown = recorded("tool", f"{key} {index}", partial(dict, done))["result"]
        answers.append(ToolMessage(content=shown, tool_call_id=call["id"], name=call["name"]))
        if call["name"] == last_tool and not text.startswith('{"error"'):
            break
    return answers


def _run(tools: dict[str, StructuredTool], call: ToolCall) -> str:
    if call["name"] not in tools:
        return error(f"There is no tool {call['name']!r}. Yours are: {', '.join(tools)}.")
    return str(tools[call["name"]].invoke(call["args"]))


def _remark(reply: dict[str, Any], called: bool, left: int, last_tool: str) -> str:
    """What the model is told besides its tools' results."""
    remarks = [
        f"Your call of {call['name']} could not be read, its arguments are no JSON object: {call['error']}"
        for call in reply["invalid_calls"]
    ]
    if not called and not remarks:
        remarks.append(f"Your reply called no tool, so nothing happened. {HOW_TO_ACT}")
    if left == NUDGE_AT:
        remarks.append(f"You have {left} replies left.")
    if remarks and left <= NUDGE_AT or not called:
        remarks.append(f"End your turn with {last_tool}.")
    return " ".join(remarks)


def _condensed(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """All but the newest tool result cut to their beginning."""
    results = [i for i, message in enumerate(messages) if isinstance(message, ToolMessage)]
    condensed = list(messages)
    for i in results[:-1]:
        message = messages[i]
        if isinstance(message, ToolMessage) and len(message.text) > KEPT:
            text = (
                f"{message.text[:KEPT]}\n[shortened to fit; call {message.name} again if you need the rest]"
            )
            condensed[i] = message.model_copy(update={"content": text})
    return condensed


def _key(place: Place, messages: Sequence[BaseMessage], *more: object) -> str:
    """Hash of a request: place, step, model, tools and every message."""
    said = [
        [message.type, message.text, [[c["name"], c["args"]] for c in getattr(message, "tool_calls", [])]]
        for message in messages
    ]
    asked = json.dumps([place.experiment, place.role, place.round, *more, said], sort_keys=True)
    return hashlib.sha256(asked.encode()).hexdigest()[:32]
