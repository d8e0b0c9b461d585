"""Messages made shorter for a model whose context they overflow. Nothing is dropped without a word."""

from __future__ import annotations

import json
from collections.abc import Sequence

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

LEVELS = 3
"""How often messages can be condensed further."""
KEPT = 400
"""Characters kept of an old tool result."""
SAID = 120
"""Characters kept of it when whole turns are told in a line."""
LATEST_KEPT = 2000
"""Characters kept of the latest results at the last level."""


def condensed(messages: Sequence[BaseMessage], level: int) -> list[BaseMessage]:
    """Level 0: as they are. 1: old tool results cut to their beginning. 2: old exchanges told in a line each.
    3: the latest exchange cut too. The system message and the brief stay as they are."""
    if level == 0:
        return list(messages)
    last = max((i for i, message in enumerate(messages) if isinstance(message, AIMessage)), default=2)
    head, old, latest = list(messages[:2]), messages[2:last], list(messages[last:])
    if level == 1:
        results = [i for i, message in enumerate(messages) if isinstance(message, ToolMessage)]
        return [_cut(m, KEPT) if i in results[:-1] else m for i, m in enumerate(messages)]
    told = HumanMessage(content="Earlier in this turn, in brief:\n" + "\n".join(map(_told, old)))
    return [
        *head,
        *([told] if old else []),
        *(latest if level == 2 else (_cut(m, LATEST_KEPT) for m in latest)),
    ]


def _cut(message: BaseMessage, kept: int) -> BaseMessage:
    if not isinstance(message, ToolMessage) or len(message.text) <= kept:
        return message
    text = f"{message.text[:kept]}\n[shortened to fit; call {message.name} again if you need the rest]"
    return message.model_copy(update={"content": text})


def _told(message: BaseMessage) -> str:
    """One message in a line; call the tool again is always an answer to what it leaves out."""
    if isinstance(message, AIMessage) and message.tool_calls:
        calls = (
            f"{c['name']}({json.dumps(c['args'], ensure_ascii=False)[:SAID]})" for c in message.tool_calls
        )
        return "* you called " + ", ".join(calls)
    who = "you said" if isinstance(message, AIMessage) else getattr(message, "name", None) or "you were told"
    return f"* {who}: {' '.join(message.text.split())[:SAID]}"
