"""The genetic researcher as a chat model: it answers messages with tool calls, like any other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool

from agents.genetic.analyst import analyse
from agents.genetic.critic import criticise
from agents.genetic.dialogue import Call, Dialogue, reply
from agents.genetic.proposer import propose

ROLES: dict[str, Callable[[Dialogue], tuple[str, list[Call]]]] = {
    "submit_program": propose,
    "give_verdict": criticise,
    "submit_analysis": analyse,
}
"""The tool that ends a turn tells which role is to be played."""


class GeneticResearcher(BaseChatModel):
    """A pure function of the seed, the messages and the tools bound: no state, no clock, no shared chance.

    Raises ValueError when none of the bound tools ends a role's turn, or the messages hold no brief.
    """

    seed: int = 0

    @property
    def _llm_type(self) -> str:
        return "genetic"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"seed": self.seed}

    def bind_tools(
        self, tools: Sequence[Any], *, tool_choice: str | None = None, **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        names = frozenset(tool["function"]["name"] for tool in kwargs.get("tools", ()))
        play = next((play for tool, play in ROLES.items() if tool in names), None)
        if play is None:
            raise ValueError(
                f"The genetic researcher needs one of these tools to be bound: {', '.join(ROLES)}."
            )
        text, calls = play(Dialogue(messages, names, self.seed))
        turn = sum(isinstance(message, AIMessage) for message in messages)
        return ChatResult(generations=[ChatGeneration(message=reply(text, calls, turn))])
