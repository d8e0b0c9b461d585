"""An OpenAI-compatible endpoint as a chat model that survives its wire.

On top of langchain-openai: tries again after rate limits, server faults, time-outs, cut connections and
garbled replies (exponential back-off with full jitter, Retry-After honoured, a ceiling on tries); speaks the
convention of ``agents.text_calls`` to a model without native tool calls; and lets no key out.
"""

from __future__ import annotations

import email.utils
import json
import random
import re
import time
from collections.abc import Sequence
from typing import Any

import httpx
import openai
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.exceptions import ContextOverflowError
from langchain_core.messages import AIMessage, BaseMessage, InvalidToolCall
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_openai import ChatOpenAI
from pydantic import ValidationError

from agents import text_calls
from agents.errors import ContextOverflow, ModelError

NO_KEY = "none"
"""What is sent to an endpoint that asks for no key, for the client insists on one."""
OVERFLOW = re.compile(
    r"context.{0,20}(length|size|window)|maximum context|prompt is too long|too many (input )?tokens", re.I
)
"""How servers other than OpenAI's (vLLM, llama.cpp, Anthropic) say that the messages are too long."""
BYTES_PER_TOKEN = 4
"""For the usage of an endpoint that does not tell it."""
PASSING = (408, 409, 425, 429)
"""Refusals (4xx) that another try may get past. So may every server fault (5xx)."""
WIRE = (openai.APIError, httpx.HTTPError, ValueError, KeyError, TypeError, IndexError, AttributeError)
"""What a request may raise; the built-in ones stand for a body that is no chat completion."""


class Endpoint(ChatOpenAI):
    tries: int = 8
    """Requests for one reply before the model counts as gone."""
    first_wait: float = 1.0
    """Seconds; the mean wait doubles with each try."""
    longest_wait: float = 120.0
    """Seconds; also the most that a Retry-After is honoured for."""
    without_tools: bool = False
    """The model has no native tool calls; found out at the first refusal."""

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        attempt = 0
        while True:
            attempt += 1
            plain = self.without_tools
            try:
                message = self._once(messages, stop, run_manager, plain, kwargs)
                message.usage_metadata = message.usage_metadata or _guessed(messages, message)
                return self._clean(message, attempt)
            except WIRE as fault:
                if kwargs.get("tools") and not plain and _refuses_tools(fault):
                    self.without_tools = True
                elif _is_final(fault) or attempt >= self.tries:
                    raise self._for_people(fault, attempt) from None
                else:
                    self._wait(fault, attempt)

    def _once(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None,
        run_manager: CallbackManagerForLLMRun | None,
        plain: bool,
        options: dict[str, Any],
    ) -> AIMessage:
        """One request; ``plain``: without native tool calls."""
        tools: Sequence[dict[str, Any]] = options.get("tools", ())
        if tools and plain:
            messages = text_calls.as_text(messages, tools)
            options = {k: v for k, v in options.items() if k not in ("tools", "tool_choice")}
        try:
            result = super()._generate(messages, stop, run_manager, **options)
        except ValidationError:
            return _unreadable()
        if not result.generations:
            raise ValueError("the endpoint's reply has no choices")
        message = result.generations[0].message
        if not isinstance(message, AIMessage):
            message = AIMessage(content=message.text)
        if tools and not message.tool_calls and not message.invalid_tool_calls:
            message.tool_calls = text_calls.parse(message.text, tools)
        return message

    def _wait(self, fault: Exception, attempt: int) -> None:
        asked = _retry_after(fault)
        backoff = random.uniform(0.0, 2.0 * self.first_wait * 2.0 ** (attempt - 1))
        time.sleep(min(self.longest_wait, backoff if asked is None else asked + 0.1 * backoff))

    def _for_people(self, fault: Exception, attempt: int) -> ModelError:
        kind = type(fault).__name__.removeprefix("OpenAI")
        kind_of_ours = ContextOverflow if _overflows(fault) else ModelError
        return kind_of_ours(
            f"The model {self.model_name!r} did not answer ({kind}, {attempt} "
            f"{'try' if attempt == 1 else 'tries'}): {self._redact(str(fault))[:500]}"
        )

    def _clean(self, message: AIMessage, attempt: int) -> ChatResult:
        """The reply without the key, should the endpoint have echoed it."""
        text = self._redact(json.dumps({"calls": message.tool_calls, "bad": message.invalid_tool_calls}))
        calls = json.loads(text)
        clean = AIMessage(
            content=self._redact(message.text),
            tool_calls=calls["calls"],
            invalid_tool_calls=calls["bad"],
            usage_metadata=message.usage_metadata,
            response_metadata={"tries": attempt},
            additional_kwargs={
                "refusal": self._redact(str(message.additional_kwargs.get("refusal") or "")),
            },
        )
        return ChatResult(generations=[ChatGeneration(message=clean)])

    def _redact(self, text: str) -> str:
        key = self.openai_api_key
        secret = key.get_secret_value() if key is not None and hasattr(key, "get_secret_value") else ""
        if secret in ("", NO_KEY):
            return text
        return text.replace(secret, "[key]").replace(json.dumps(secret)[1:-1], "[key]")


def _guessed(messages: Sequence[BaseMessage], reply: AIMessage) -> UsageMetadata:
    """Usage by length, for a budget must not depend on whether an endpoint tells it."""
    asked = sum(len(message.text.encode(errors="replace")) for message in messages) // BYTES_PER_TOKEN
    said = len(reply.text.encode(errors="replace")) + len(json.dumps(reply.tool_calls))
    answered = said // BYTES_PER_TOKEN
    return UsageMetadata(input_tokens=asked, output_tokens=answered, total_tokens=asked + answered)


def _overflows(fault: Exception) -> bool:
    if isinstance(fault, ContextOverflowError) or getattr(fault, "code", "") == "context_length_exceeded":
        return True
    return getattr(fault, "status_code", None) in (400, 413, 500) and bool(OVERFLOW.search(str(fault)))


def _unreadable() -> AIMessage:
    """A reply with arguments that are JSON but no object: a fault of the model, which it can be told of."""
    bad = InvalidToolCall(type="invalid_tool_call", id="", name="a tool", args="", error="not an object")
    return AIMessage(content="", invalid_tool_calls=[bad])


def _refuses_tools(fault: Exception) -> bool:
    """Servers without tool calls say so in their own words: Ollama and vLLM with 400, OpenRouter with 404."""
    return getattr(fault, "status_code", None) in (400, 404, 422, 501) and "tool" in str(fault).lower()


def _is_final(fault: Exception) -> bool:
    """Whether another try is useless."""
    status = getattr(fault, "status_code", 500)
    refused = 400 <= status < 500 and status not in PASSING
    return refused or _overflows(fault) or getattr(fault, "code", "") == "insufficient_quota"


def _retry_after(fault: Exception) -> float | None:
    """Seconds that the endpoint asked to wait (RFC 9110, 10.2.3: a number or a date), None without a wish."""
    headers = getattr(getattr(fault, "response", None), "headers", {})
    value = headers.get("retry-after", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError):
        return None
