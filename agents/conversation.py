"""One role's turn: the model replies with tool calls, the tools answer, until the role's last tool is called.

Every reply is looked up in the journal under the hash of its request before anybody is asked, so a resumed or
replayed turn asks nobody. Tools run again (they are quick, and what is slow in them is recorded for itself);
where a result was recorded, the recorded text is what the model sees.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolCall, ToolMessage
from langchain_core.runnables import RunnableBinding

from agents.condense import LEVELS, condensed
from agents.errors import OVERFLOWED, ContextOverflow, ModelError
from agents.models import model_id
from agents.text_calls import without_thoughts
from tools.desk import Desk, Submission
from tools.evaluation import Recorded
from tools.registry import DeskTool, error, tools_for

STEPS = 16
"""Replies in one turn."""
NUDGE_AT = 3
"""Replies before the last at which the model is told to finish."""
SILENCE = 3
"""Replies in a row without a usable call after which a turn is given up."""
CALLS = 16
"""Calls run of one reply."""
NAMELESS = re.compile(r"[^a-zA-Z0-9_-]")
"""What no name of a tool may hold at OpenAI and others."""
LONGEST_NAME = 64
"""Characters that it may have there."""
KEPT = 400
"""Characters kept of what a broken call said."""

TOOLS_SIZE = 8000
"""Bytes of the description of a role's tools, which goes along with every request."""

Pay = Callable[[str, int, Callable[[], dict[str, Any]]], dict[str, Any]]
"""(model, bytes of the request, ask) -> the reply: what stands between a turn and a reply that may cost."""

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


def unmetered(model: str, size: int, ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Any reply may be had."""
    return ask()


def converse(
    model: BaseChatModel,
    place: Place,
    prompt: str,
    brief: str,
    desk: Desk,
    recorded: Recorded,
    pay: Pay = unmetered,
) -> Submission:
    """Play a turn to its end.

    Raises Unfinished (recorded as an event of its own), ModelError when the model cannot be reached, and
    whatever ``pay`` raises.
    """
    try:
        return _turn(model, place, prompt, brief, desk, recorded, pay)
    except Unfinished as failure:
        reason = str(failure)
        where = {"experiment": place.experiment, "role": place.role, "round": place.round}
        key = f"{place.experiment} {place.role} {place.round}"
        recorded("unfinished", key, lambda: {**where, "reason": reason})
        raise


def _turn(
    model: BaseChatModel, place: Place, prompt: str, brief: str, desk: Desk, recorded: Recorded, pay: Pay
) -> Submission:
    tools = {tool.name: tool for tool in tools_for(place.role, desk)}
    bound = model.bind_tools(list(tools.values()))
    assert isinstance(bound, RunnableBinding)
    last_tool = list(tools)[-1]
    messages: list[BaseMessage] = [SystemMessage(content=prompt), HumanMessage(content=brief)]
    where = {"experiment": place.experiment, "role": place.role, "round": place.round}
    version = hashlib.sha256(prompt.encode()).hexdigest()[:16]
    recorded("system", version, lambda: {"role": place.role, "text": prompt})
    said = [*map(_said, messages)]
    recorded("prompt", _key(place, said), lambda: {**where, "system": version, "human": brief})
    silent = level = 0
    for step in range(1, STEPS + 1):
        said += map(_said, messages[len(said) :])
        key = _key(place, said, step, model_id(model), *tools)
        about = {**where, "step": step, "model": model_id(model)}
        ask = partial(_ask, model, bound.kwargs, tuple(messages), about, level)
        reply = recorded("reply", key, partial(pay, model_id(model), _size(messages), ask))
        level = reply.get("condensed", 0)
        if "overflow" in reply:
            raise Unfinished(f"The messages do not fit the model's context: {reply['overflow']}")
        calls = _calls(reply, step)
        text = without_thoughts(reply["text"]) or ("" if calls else "(empty)")
        messages.append(AIMessage(content=text, tool_calls=calls))
        messages += _answers(calls, tools, key, {**where, "step": step}, recorded)
        if desk.turn.submission is not None:
            return desk.turn.submission
        silent = 0 if calls else silent + 1
        if silent == SILENCE:
            raise Unfinished(f"The {place.role} called no tool in {SILENCE} replies in a row.")
        remark = _remark(reply, STEPS - step, tools)
        if remark:
            messages.append(HumanMessage(content=remark))
    raise Unfinished(f"The {place.role} did not call {last_tool} within {STEPS} replies.")


def _ask(
    model: BaseChatModel,
    options: Mapping[str, Any],
    messages: Sequence[BaseMessage],
    about: dict[str, Any],
    level: int,
) -> dict[str, Any]:
    """One reply as JSON. When the context overflows, old messages are condensed, and said to be.

    ``options`` hold the tools; a model takes them in half the time that a binding takes to hand them on.
    """
    faults: list[str] = []
    while True:
        try:
            message = model.invoke(condensed(messages, level), {"metadata": about}, **options)
            break
        except ContextOverflow as overflow:
            faults += overflow.faults or [OVERFLOWED]
            if level == LEVELS:
                message = AIMessage(content="")
                about = {**about, "overflow": str(overflow)}
                break
            level += 1
        except ModelError as lost:
            lost.about, lost.faults = about, faults + lost.faults
            raise
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
        "tries": len(faults) + (0 if "overflow" in about else message.response_metadata.get("tries", 1)),
        "faults": faults + message.response_metadata.get("faults", []),
        "finish": message.response_metadata.get("finish", ""),
        **({"condensed": level} if level else {}),
    }


def _calls(reply: dict[str, Any], step: int) -> list[ToolCall]:
    """Ids of our own, the same in every replay; nine letters and digits, as the strictest endpoints want."""
    return [
        ToolCall(name=_named(call), args=call["args"], id=f"call{step:02d}{index:03d}", type="tool_call")
        for index, call in enumerate(reply["tool_calls"][:CALLS])
    ]


def _named(call: dict[str, Any]) -> str:
    """A tool as endpoints let it be called: of any other name a model could not be told, for strict endpoints
    refuse the message that repeats it."""
    return NAMELESS.sub("_", call["name"])[:LONGEST_NAME]


def _answers(
    calls: Sequence[ToolCall],
    tools: dict[str, DeskTool],
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


def _run(tools: dict[str, DeskTool], call: ToolCall) -> str:
    if call["name"] not in tools:
        return error(f"There is no tool {call['name']!r}. Yours are: {', '.join(tools)}.")
    return str(tools[call["name"]].invoke(call["args"]))


def _remark(reply: dict[str, Any], left: int, tools: dict[str, DeskTool]) -> str:
    """What the model is told besides its tools' results."""
    called, last_tool = bool(reply["tool_calls"]), list(tools)[-1]
    remarks = [
        f"Your call of {call['name']} could not be read, its arguments are no JSON object: {call['error']}"
        for call in reply["invalid_calls"]
    ]
    if reply.get("finish") == "length":
        remarks.append("Your reply was cut off at the limit of its length: be brief, and call a tool early.")
    if len(reply["tool_calls"]) > CALLS:
        remarks.append(f"Of your {len(reply['tool_calls'])} calls only the first {CALLS} were run.")
    if not called and not reply["invalid_calls"]:
        yours = ", ".join(f"{tool.name}({', '.join(tool.args)})" for tool in tools.values())
        remarks.append(f"Your reply called no tool, so nothing happened. {HOW_TO_ACT} Your tools: {yours}.")
    if left == NUDGE_AT:
        remarks.append(f"You have {left} replies left.")
    if remarks and left <= NUDGE_AT or not called:
        remarks.append(f"End your turn with {last_tool}.")
    return " ".join(remarks)


def _size(messages: Sequence[BaseMessage]) -> int:
    """Bytes of a request, more or less: a model's tokens are at most as many."""
    calls = (call["args"] for message in messages for call in _called(message))
    texts = [*(message.text for message in messages), *map(str, calls)]
    return TOOLS_SIZE + sum(len(text.encode(errors="replace")) for text in texts)


def _said(message: BaseMessage) -> str:
    """A message as its part of a request's hash."""
    calls = [[call["name"], call["args"]] for call in _called(message)]
    return json.dumps([message.type, message.text, calls], sort_keys=True)


def _called(message: BaseMessage) -> Sequence[ToolCall]:
    return message.tool_calls if isinstance(message, AIMessage) else ()


def _key(place: Place, said: Sequence[str], *more: object) -> str:
    """Hash of a request: place, step, model, tools and every message, as one JSON list."""
    asked = json.dumps([place.experiment, place.role, place.round, *more], sort_keys=True)
    return hashlib.sha256(f"{asked[:-1]}, [{', '.join(said)}]]".encode()).hexdigest()[:32]
