"""What an endpoint sent, read with patience: servers and models bend the protocol in many ways.

A body that holds no reply raises ValueError, for another try may bring one. A reply whose calls cannot be
read is a reply all the same (it was paid for), and the model is told what was wrong with it.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Iterable
from typing import Any

from langchain_core.messages import AIMessage, InvalidToolCall, ToolCall
from langchain_core.messages.ai import InputTokenDetails, UsageMetadata

LONGEST_TEXT = 60_000
"""Characters of a reply's text that are kept."""
LONGEST_CALL = 200_000
"""Characters of a call's arguments; longer ones are not run."""
LONGEST_STREAM = 1_000_000
"""Characters after which a stream is read no further, for a server may never end it."""
LONGEST_NAME = 100
"""Characters of a name that no tool has."""
MOST_TOKENS = 10**9
"""No reply takes more; an endpoint that says so is not believed."""
SURROGATES = re.compile("[\ud800-\udfff]")
"""Halves of a character: legal in JSON, not in UTF-8."""


class NoStream(ValueError):
    """A stream was asked for, and what came was none: the next try of this reply asks for the whole."""


def read(body: Any) -> AIMessage:
    """The reply in the body of a chat completion. Raises ValueError when there is none."""
    if not isinstance(body, dict):
        raise ValueError(f"the body is no chat completion: {str(body)[:200]!r}")
    if body.get("error"):
        raise ValueError(f"the endpoint reports an error: {body['error']}")
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise ValueError("the endpoint's reply has no choices")
    message = choices[0].get("message")
    if not isinstance(message, dict):
        raise ValueError("the endpoint's reply has no message")
    calls, bad = _calls(message)
    return AIMessage(
        content=_text(message.get("content")),
        tool_calls=calls,
        invalid_tool_calls=bad,
        usage_metadata=_usage(body.get("usage")),
        additional_kwargs={"refusal": _text(message.get("refusal"))},
        response_metadata={"finish": str(choices[0].get("finish_reason") or "")},
    )


def assembled(
    chunks: Iterable[Any], progress: Callable[[int], None], seconds: float = math.inf
) -> dict[str, Any]:
    """The body that a stream of chunks amounts to; ``progress`` is told the characters so far.

    A stream that takes longer than ``seconds`` or than ``LONGEST_STREAM`` is cut, and what came is the reply:
    it is paid for. Raises ValueError when the stream ends before the reply does, NoStream when nothing came.
    """
    until = time.monotonic() + seconds
    text: dict[str, str] = {"content": "", "refusal": ""}
    calls: dict[int, dict[str, str]] = {}
    usage, finish, chunk, length = None, None, None, 0
    for chunk in chunks:
        if chunk.get("error"):
            raise ValueError(f"the endpoint reports an error: {chunk['error']}")
        usage = chunk.get("usage") or usage
        for choice in (chunk.get("choices") or [])[:1]:
            finish = choice.get("finish_reason") or finish
            delta = choice.get("delta") or {}
            for part in text:
                text[part] += _text(delta.get(part))
            for piece in delta.get("tool_calls") or []:
                call = calls.setdefault(piece.get("index") or 0, {"name": "", "arguments": ""})
                for part in call:
                    call[part] += _text((piece.get("function") or {}).get(part))
            length = len(text["content"]) + sum(len(call["arguments"]) for call in calls.values())
            progress(length)
        if length > LONGEST_STREAM or time.monotonic() > until:
            finish = finish or "length"  # as an endpoint says that cuts a reply itself
            break
    if chunk is None:
        raise NoStream("the endpoint sent no stream")
    if finish is None:
        raise ValueError("the stream ended before the reply did")
    made = [{"function": call} for _, call in sorted(calls.items())]
    message = {"role": "assistant", **text, "tool_calls": made}
    return {"choices": [{"message": message, "finish_reason": finish}], "usage": usage}


def cleaned(message: AIMessage, redact: Callable[[str], str]) -> AIMessage:
    """The reply fit to be kept and sent again: no key, no half characters, no end of length."""

    def fit(text: str) -> str:
        return SURROGATES.sub("\ufffd", redact(text))

    said = fit(message.text)
    if len(said) > LONGEST_TEXT:
        said = f"{said[:LONGEST_TEXT]}\n[cut: the reply had {len(said):,} characters]"
    calls: list[ToolCall] = []
    bad = [
        _bad(fit(str(call["name"]))[:LONGEST_NAME], fit(str(call["error"])))
        for call in message.invalid_tool_calls
    ]
    for call in message.tool_calls:
        text = fit(json.dumps(call, ensure_ascii=False))
        if len(text) > LONGEST_CALL:
            bad.append(_bad(fit(call["name"])[:LONGEST_NAME], f"{len(text):,} characters, far too many"))
        else:
            calls.append(json.loads(text, parse_constant=lambda name: None))
    return message.model_copy(
        update={
            "content": said,
            "tool_calls": calls,
            "invalid_tool_calls": bad,
            "additional_kwargs": {
                "refusal": fit(message.additional_kwargs.get("refusal") or "")[:LONGEST_TEXT]
            },
            "response_metadata": {
                "finish": fit(message.response_metadata.get("finish") or "")[:LONGEST_NAME]
            },
        }
    )


def _text(content: Any) -> str:
    """Text, be it given whole, in parts, or not at all."""
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def _calls(message: dict[str, Any]) -> tuple[list[ToolCall], list[InvalidToolCall]]:
    raw = message.get("tool_calls")
    calls: list[ToolCall] = []
    bad: list[InvalidToolCall] = []
    for number, wanted in enumerate(raw if isinstance(raw, list) else []):
        function = wanted.get("function") if isinstance(wanted, dict) else None
        name = function.get("name") if isinstance(function, dict) else None
        if not isinstance(function, dict) or not isinstance(name, str) or not name:
            bad.append(_bad("a tool", "it names no tool"))
            continue
        try:
            arguments = _arguments(function.get("arguments"))
        except (ValueError, RecursionError) as fault:
            bad.append(_bad(name, str(fault)[:400]))
        else:
            calls.append(ToolCall(name=name, args=arguments, id=f"call{number}", type="tool_call"))
    return calls, bad


def _arguments(given: Any) -> dict[str, Any]:
    """Arguments as an object; some servers send the object itself, some models quote it twice."""
    for _ in range(2):
        if isinstance(given, str):
            given = json.loads(given, strict=False) if given.strip() else {}
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise ValueError(f"not an object but {type(given).__name__}")
    return given


def _bad(name: str, error: str) -> InvalidToolCall:
    return InvalidToolCall(type="invalid_tool_call", id="", name=name, args="", error=error)


def _usage(told: Any) -> UsageMetadata | None:
    """Tokens as the endpoint counted them; None when it does not, or says what cannot be."""
    if not isinstance(told, dict):
        return None
    asked, answered = _count(told.get("prompt_tokens")), _count(told.get("completion_tokens"))
    if asked is None or answered is None or asked + answered == 0:
        return None
    details = told.get("prompt_tokens_details")
    cached = _count(details.get("cached_tokens")) if isinstance(details, dict) else None
    usage = UsageMetadata(input_tokens=asked, output_tokens=answered, total_tokens=asked + answered)
    if cached:
        usage["input_token_details"] = InputTokenDetails(cache_read=min(cached, asked))
    return usage


def _count(value: Any) -> int | None:
    sane = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS
    return value if sane else None
