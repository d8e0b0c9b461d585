"""A chat model that plays given replies: for tests, and for driving the graph by hand."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage, ToolCall
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from pydantic import PrivateAttr

Reply = AIMessage | Callable[[Sequence[BaseMessage]], AIMessage]
"""A reply, or how to make one from the messages so far."""


class ScriptedModel(BaseChatModel):
    replies: list[Any]
    """In order; the last one is repeated. Each a ``Reply``."""
    name_shown: str = "scripted"
    _asked: list[list[BaseMessage]] = PrivateAttr(default_factory=list)
    _guard: threading.Lock = PrivateAttr(default_factory=threading.Lock)

    @property
    def asked(self) -> list[list[BaseMessage]]:
        """The messages of every request so far."""
        return self._asked

    @property
    def _llm_type(self) -> str:
        return self.name_shown

    def bind_tools(
        self, tools: Sequence[Any], *, tool_choice: str | None = None, **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        return self.bind(tools=[tool.name for tool in tools if isinstance(tool, BaseTool)], **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        with self._guard:
            reply = self.replies[min(len(self._asked), len(self.replies) - 1)]
            self._asked.append(list(messages))
        made = reply(messages) if callable(reply) else reply
        return ChatResult(generations=[ChatGeneration(message=made)])


def calls(*wanted: tuple[str, dict[str, Any]], text: str = "") -> AIMessage:
    """A reply that calls tools: (name, arguments), in order."""
    made = [ToolCall(name=n, args=a, id=f"s{i}", type="tool_call") for i, (n, a) in enumerate(wanted)]
    return AIMessage(content=text, tool_calls=made)
