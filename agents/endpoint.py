"""An OpenAI-compatible endpoint as a chat model that survives its wire.

On top of langchain-openai: tries again after rate limits, server faults, time-outs, cut connections and
garbled replies (exponential back-off with full jitter, Retry-After honoured, a ceiling on tries); speaks the
convention of ``agents.text_calls`` to a model without native tool calls; and lets no key out.
"""

from __future__ import annotations

import email.utils
import json
import math
import random
import re
import time
from collections.abc import Callable, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any

import httpx2
import openai
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.exceptions import ContextOverflowError
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_openai import ChatOpenAI
from pydantic import Field

from agents import replies, text_calls
from agents.errors import OVERFLOWED, ContextOverflow, GivenUp, ModelError
from memory.events import redact

PHRASES = {status.value: status.phrase for status in HTTPStatus}
NO_KEY = "none"
"""What is sent to an endpoint that asks for no key, for the client insists on one."""
SLOWEST = 10.0
"""How long a streamed reply may take, in times of what a model may keep silent."""
SHORTEST_KEY = 8
"""Characters of a key that is blotted out. A shorter one, say ``x`` or ``EMPTY`` for a local server, is no
secret, and its letters are in every program."""
OVERFLOW = re.compile(
    r"context.{0,24}(length|size|window|limit)|(maximum|max|model'?s?) (prompt|context|input)"
    r"|(prompt|input|request|messages?) (is|are|was) too (long|large)|too many (input |prompt )?tokens"
    r"|(prompt|input) token count|token.{0,24}exceed|exceed.{0,40}token|inputs?\W{0,2} tokens \+"
    r"|reduce the length|tokens must be reduced|range of input length|request too large|entity too large",
    re.I,
)
"""How servers other than OpenAI's say that the messages are too long: vLLM, llama.cpp, LM Studio, TGI,
Anthropic, Gemini, Bedrock, Mistral, Groq, xAI, Moonshot, Qwen, Together, and OpenAI's own 429 for a request
that no waiting makes small enough."""
BYTES_PER_TOKEN = 4
"""For the usage of an endpoint that does not tell it."""
PASSING = (408, 409, 425, 429)
"""Refusals (4xx) that another try may get past. So may every server fault (5xx)."""
WIRE = (
    openai.APIError,
    httpx2.HTTPError,
    ValueError,
    KeyError,
    TypeError,
    IndexError,
    AttributeError,
    RecursionError,
)
"""What a request may raise; the built-in ones stand for a body that is no chat completion."""


def _never(*told: int) -> None:
    pass


class Endpoint(ChatOpenAI):
    tries: int = 12
    """Requests for one reply before the model counts as gone: about ten minutes of faults."""
    first_wait: float = 1.0
    """Seconds; the mean wait doubles with each try."""
    longest_wait: float = 120.0
    """Seconds; also the most that a Retry-After is honoured for."""
    without_tools: bool = False
    """The model has no native tool calls: so the user says, or it was found out at the first refusal."""
    check: Callable[[], None] = Field(default=_never, exclude=True)
    """Called while a wait lasts, to raise when nobody waits any more."""
    progress: Callable[[int, int], None] | None = Field(default=None, exclude=True)
    """(experiment, characters so far): set it, and replies are streamed."""

    @property
    def lc_secrets(self) -> dict[str, str]:
        """What a tracer is told the name of alone: the key, and the address, which may hold a password."""
        return {**super().lc_secrets, "openai_api_base": "OPENAI_BASE_URL"}

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        faults: list[str] = []
        whole = False
        while True:
            plain, progress = self.without_tools, None if whole else self.progress
            try:
                message = self._once(messages, stop, run_manager, plain, progress, kwargs)
                return self._result(messages, message, faults)
            except WIRE as raised:
                fault = raised  # and seen to outside: what is raised there must not carry the server's words
            faults.append(_named(fault))
            whole = whole or isinstance(fault, replies.NoStream)
            if kwargs.get("tools") and not plain and _refuses_tools(fault):
                self.without_tools = True
            elif progress and _refuses_streams(fault):
                self.progress = None
            elif _is_final(fault) or len(faults) >= self.tries:
                raise self._for_people(fault, faults)
            else:
                self._wait(fault, faults)

    def _once(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None,
        run_manager: CallbackManagerForLLMRun | None,
        plain: bool,
        progress: Callable[[int, int], None] | None,
        options: dict[str, Any],
    ) -> AIMessage:
        """One request; ``plain``: without native tool calls; ``progress``: streamed."""
        tools: Sequence[dict[str, Any]] = options.get("tools", ())
        if tools and plain:
            messages = text_calls.as_text(messages, tools)
            options = {k: v for k, v in options.items() if k not in ("tools", "tool_choice")}
        if progress is None:
            message = super()._generate(messages, stop, run_manager, **options).generations[0].message
        else:
            number = int((run_manager.metadata if run_manager else {}).get("experiment", 0))
            message = self._streamed(messages, stop, options, progress, number)
        assert isinstance(message, AIMessage)
        if tools and not message.tool_calls and not message.invalid_tool_calls:
            message.tool_calls = text_calls.parse(message.text, tools)
        return message

    def _create_chat_result(self, response: Any, generation_info: dict[str, Any] | None = None) -> ChatResult:
        """LangChain's own reader gives up on what ``agents.replies`` can tell the model of."""
        body = response.model_dump(warnings=False) if isinstance(response, openai.BaseModel) else response
        return ChatResult(generations=[ChatGeneration(message=replies.read(body))])

    def _streamed(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None,
        options: dict[str, Any],
        progress: Callable[[int, int], None],
        number: int,
    ) -> AIMessage:
        payload = self._get_request_payload(messages, stop=stop, **options)
        payload |= {"stream": True, "stream_options": {"include_usage": True}}
        answer = self.client.with_raw_response.create(**payload)
        if answer.headers.get("content-type", "").startswith("application/json"):
            return replies.read(json.loads(answer.http_response.read()))  # asked again it would be paid twice
        with answer.parse() as chunks:
            bodies = (chunk.model_dump(warnings=False) for chunk in chunks)
            patience = SLOWEST * (
                self.request_timeout if isinstance(self.request_timeout, float) else math.inf
            )
            return replies.read(replies.assembled(bodies, partial(progress, number), patience))

    def _wait(self, fault: Exception, faults: list[str]) -> None:
        """Raises GivenUp when nobody waits any more."""
        asked = _retry_after(fault)
        backoff = random.uniform(0.0, 2.0 * self.first_wait * 2.0 ** (len(faults) - 1))
        until = time.monotonic() + min(self.longest_wait, backoff if asked is None else asked + 0.1 * backoff)
        try:
            while (left := until - time.monotonic()) > 0.0:
                self.check()
                time.sleep(min(left, 0.5))
            self.check()
        except Exception as ended:
            raise GivenUp(str(ended), faults) from ended

    def _for_people(self, fault: Exception, faults: list[str]) -> ModelError:
        kind, tries = type(fault).__name__.removeprefix("OpenAI"), len(faults)
        kind_of_ours = ContextOverflow if _overflows(fault) else ModelError
        return kind_of_ours(
            f"The model {self.model_name!r} did not answer ({kind}, {tries} "
            f"{'try' if tries == 1 else 'tries'}): {self._redact(str(fault))[:500]}",
            faults,
        )

    def _result(self, messages: list[BaseMessage], message: AIMessage, faults: list[str]) -> ChatResult:
        """The reply without the key, should the endpoint have echoed it, and with what it took to get it."""
        clean = replies.cleaned(message, self._redact)
        clean.usage_metadata = message.usage_metadata or _guessed(messages, message)
        finish = clean.response_metadata["finish"]
        clean.response_metadata = {"tries": len(faults) + 1, "faults": faults, "finish": finish}
        return ChatResult(generations=[ChatGeneration(message=clean)])

    def _redact(self, text: str) -> str:
        key = self.openai_api_key
        secret = key.get_secret_value() if key is not None and hasattr(key, "get_secret_value") else ""
        if len(secret) >= SHORTEST_KEY:
            text = text.replace(secret, "[key]").replace(json.dumps(secret)[1:-1], "[key]")
        return redact(text)


def _guessed(messages: Sequence[BaseMessage], reply: AIMessage) -> UsageMetadata:
    """Usage by length, for a budget must not depend on whether an endpoint tells it."""
    asked = sum(len(message.text.encode(errors="replace")) for message in messages) // BYTES_PER_TOKEN
    said = len(reply.text.encode(errors="replace")) + len(json.dumps(reply.tool_calls))
    answered = said // BYTES_PER_TOKEN
    return UsageMetadata(input_tokens=asked, output_tokens=answered, total_tokens=asked + answered)


def _named(fault: Exception) -> str:
    """A fault in a word or two, for the record; never the server's own words."""
    if _overflows(fault):
        return OVERFLOWED
    status = getattr(fault, "status_code", None)
    if status:
        return f"{status} {PHRASES.get(status, '')}".strip()
    if isinstance(fault, openai.APITimeoutError | httpx2.TimeoutException):
        return "time-out"
    return "connection lost" if isinstance(fault, openai.APIError | httpx2.HTTPError) else "garbled reply"


def _overflows(fault: Exception) -> bool:
    if isinstance(fault, ContextOverflowError) or getattr(fault, "code", "") == "context_length_exceeded":
        return True
    status = getattr(fault, "status_code", 0)
    if status == 429:
        return "must be reduced" in str(fault) or "request too large" in str(fault).lower()
    return status == 413 or status in (0, 400, 422, 500) and bool(OVERFLOW.search(str(fault)))


def _refuses_tools(fault: Exception) -> bool:
    """Servers without tool calls say so in their own words: Ollama and vLLM with 400, OpenRouter with 404."""
    refused = getattr(fault, "status_code", None) in (400, 404, 422, 501)
    return refused and "tool" in str(fault).lower() and not _overflows(fault)


def _refuses_streams(fault: Exception) -> bool:
    status = getattr(fault, "status_code", None)
    return status in (400, 404, 422, 501) and "stream" in str(fault).lower()


def _is_final(fault: Exception) -> bool:
    """Whether another try is useless."""
    status = getattr(fault, "status_code", 500)
    refused = 400 <= status < 500 and status not in PASSING
    return refused or _overflows(fault) or getattr(fault, "code", "") == "insufficient_quota"


def _retry_after(fault: Exception) -> float | None:
    """Seconds that the endpoint asked to wait (RFC 9110, 10.2.3: a number or a date), None without a wish."""
    headers = getattr(getattr(fault, "response", None), "headers", {})
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            asked = float(headers.get(name, "")) / unit
        except ValueError:
            continue
        return asked if asked >= 0.0 else None  # not a number neither
    try:
        date = email.utils.parsedate_to_datetime(headers.get("retry-after", ""))
        return max(0.0, date.timestamp() - time.time())
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
