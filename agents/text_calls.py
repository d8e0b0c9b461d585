"""Tool calls in plain text, for models without native ones.

The convention: one fenced ``json`` block ``{"tool": name, "arguments": {...}}`` per call; a fenced ``python``
block of the same reply stands for an argument ``source`` that is left out, so that no program need be quoted.
The reader is tolerant: other fences, prose around, ``name``/``args`` for ``tool``/``arguments``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolCall, ToolMessage

from agents.replies import LONGEST_TEXT

FENCE = re.compile(r"```[ \t]*+([\w+-]*+)[^\n`]*+\n(.*?)(?:```|\Z)", re.DOTALL)
"""Possessive, and no backtick after the language: what a model repeats without end must not take minutes."""
THOUGHTS = re.compile(r"<(think|thinking|thought)>.*?(</\1>|\Z)", re.DOTALL)
"""How models that think aloud mark it, where the server does not take it out."""
CONVENTION = """

## How to call a tool
You have no native tool calls. To call a tool write one fenced block per call, nothing else is read:

```json
{"tool": "name_of_tool", "arguments": {"argument": "value"}}
```

An argument `source` may be left out of the JSON and given as a fenced `python` block after it. Tools:

"""


def as_text(messages: Sequence[BaseMessage], tools: Sequence[dict[str, Any]]) -> list[BaseMessage]:
    """The same without tool messages: tools described in the system message, results as human ones."""
    described = CONVENTION + "\n".join(_describe(tool["function"]) for tool in tools)
    plain: list[BaseMessage] = []
    for message in messages:
        if isinstance(message, SystemMessage):
            plain.append(SystemMessage(content=message.text + described))
        elif isinstance(message, ToolMessage):
            plain.append(HumanMessage(content=f"Result of {message.name}:\n{message.text}"))
        elif isinstance(message, AIMessage) and message.tool_calls:
            calls = "\n".join(_write(call["name"], call["args"]) for call in message.tool_calls)
            plain.append(AIMessage(content=f"{message.text}\n{calls}".strip()))
        else:
            plain.append(message)
    return _joined(plain)


def without_thoughts(text: str) -> str:
    """A reply without what the model only thought: no call is meant there, and it is not to be sent again."""
    return THOUGHTS.sub("", text).strip()


def parse(text: str, tools: Sequence[dict[str, Any]]) -> list[ToolCall]:
    """The calls in a reply's text, in order; none when the text holds no call of a known tool. Of a text that
    is longer than what is kept of it, the rest is not read."""
    known = {tool["function"]["name"]: tool["function"]["parameters"].get("properties", {}) for tool in tools}
    text = THOUGHTS.sub("", text)[:LONGEST_TEXT]
    fences = [(match[1].lower(), match[2]) for match in FENCE.finditer(text)]
    programs = [body for language, body in fences if language in ("python", "py")]
    calls: list[ToolCall] = []
    for record in _records(text, fences):
        name = record.get("tool") or record.get("name")
        arguments = record.get("arguments", record.get("args", {}))
        if not isinstance(name, str) or name not in known or not isinstance(arguments, dict):
            continue
        if "source" in known[name] and not arguments.get("source") and programs:
            arguments = {
                "source": programs[min(len(calls), len(programs) - 1)].strip() + "\n",
                **_filled(arguments),
            }
        calls.append(ToolCall(name=name, args=arguments, id=f"text{len(calls)}", type="tool_call"))
    return calls


def _filled(arguments: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if name != "source"}


def _records(text: str, fences: Sequence[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    """JSON objects of the fenced blocks, or of the bare text when no fence holds one."""
    found = [
        record for language, body in fences if language not in ("python", "py") for record in _objects(body)
    ]
    yield from found or list(_objects(FENCE.sub("", text) if fences else text))


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Every outermost JSON object in a text, prose skipped."""
    decoder = json.JSONDecoder(strict=False)
    position = text.find("{")
    while position >= 0:
        try:
            value, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            position = text.find("{", position + 1)
            continue
        if isinstance(value, dict):
            yield value
        position = text.find("{", end)


def _describe(function: dict[str, Any]) -> str:
    properties = function["parameters"].get("properties", {})
    required = function["parameters"].get("required", [])
    arguments = ", ".join(name if name in required else f"{name} (optional)" for name in properties)
    return f"* `{function['name']}`: {function['description']} Arguments: {arguments or 'none'}."


def _write(name: str, arguments: dict[str, Any]) -> str:
    return f"```json\n{json.dumps({'tool': name, 'arguments': arguments})}\n```"


def _joined(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """Neighbouring human messages as one: many chat templates insist on turns."""
    joined: list[BaseMessage] = []
    for message in messages:
        if joined and isinstance(message, HumanMessage) and isinstance(joined[-1], HumanMessage):
            joined[-1] = HumanMessage(content=f"{joined[-1].text}\n\n{message.text}")
        else:
            joined.append(message)
    return joined
