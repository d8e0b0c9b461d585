"""Which role may use which tool, and plain functions as LangChain tools.

To add a tool: write a function ``(desk, argument, ...) -> dict`` that raises Refusal for what cannot be done,
and name it in ``TOOLS``.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from functools import cache
from typing import Any, get_args, get_type_hints

from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from tools import programs, submissions
from tools.ablation import run_ablation
from tools.desk import Desk, Refusal
from tools.recall import recall_lessons

ToolFunction = Callable[..., dict[str, Any]]

TOOLS: dict[str, tuple[ToolFunction, ...]] = {
    "proposer": (
        programs.list_programs,
        programs.read_program,
        programs.read_curves,
        recall_lessons,
        programs.check_program,
        programs.smoke_run,
        programs.edit_program,
        submissions.submit_program,
    ),
    "critic": (
        programs.read_program,
        programs.compare_programs,
        programs.nearest_programs,
        programs.check_program,
        programs.smoke_run,
        submissions.give_verdict,
    ),
    "analyst": (
        programs.read_result,
        programs.read_program,
        programs.compare_programs,
        recall_lessons,
        run_ablation,
        submissions.submit_analysis,
    ),
}
"""The last tool of a role ends its turn."""

BUILT_IN = (ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, TypeError, ValueError)
"""What arguments that nobody thought of may raise. The reply that holds them is paid for and recorded: raised
again at each resumption, it would end the session for good."""


class DeskTool(BaseTool):
    """A plain function as a LangChain tool."""

    function: ToolFunction
    desk: Desk | None = None

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> str:  # noqa: A002
        """The function's result as JSON. Overridden, for LangChain's own way there costs a hundred times as
        much CPU time as the functions do; the journal is the record of calls."""
        try:
            given = _schema(self.function).model_validate(input)
        except ValidationError as fault:
            return _explained(fault)
        return self._run(**{name: getattr(given, name) for name in given.model_fields_set})

    def _run(self, **arguments: Any) -> str:
        assert self.desk is not None
        try:
            return json.dumps(self.function(self.desk, **arguments), ensure_ascii=False)
        except Refusal as refusal:
            return error(str(refusal))
        except BUILT_IN as fault:
            return error(f"The tool cannot do that with these arguments ({type(fault).__name__}: {fault}).")


def tools_for(role: str, desk: Desk) -> list[DeskTool]:
    """The role's tools, tied to one desk. Their results are JSON text, errors included."""
    return [_described(function).model_copy(update={"desk": desk}) for function in TOOLS[role]]


@cache
def _described(function: ToolFunction) -> DeskTool:
    """At no desk yet. What models are sent of it takes milliseconds to make, and its copies share that."""
    tool = DeskTool(
        name=function.__name__,
        description=inspect.getdoc(function) or "",
        args_schema=_schema(function),
        function=function,
    )
    convert_to_openai_tool(tool)
    return tool


@cache
def _schema(function: ToolFunction) -> type[BaseModel]:
    """The function's arguments after the desk."""
    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {}
    for name, parameter in list(inspect.signature(function).parameters.items())[1:]:
        default = ... if parameter.default is inspect.Parameter.empty else parameter.default
        notes = [note for note in get_args(hints[name]) if isinstance(note, str)]
        fields[name] = (hints[name], Field(default, description=" ".join(notes)))
    return create_model(function.__name__, __config__=ConfigDict(extra="forbid"), **fields)


def error(text: str) -> str:
    """A result that says why a call was not done."""
    return json.dumps({"error": text}, ensure_ascii=False)


def _explained(fault: ValidationError) -> str:
    wrong = [f"`{'.'.join(map(str, e['loc'])) or 'arguments'}`: {e['msg']}" for e in fault.errors()]
    return error("Wrong arguments. " + "; ".join(wrong))
