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

from langchain_core.tools import StructuredTool
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


def tools_for(role: str, desk: Desk) -> list[StructuredTool]:
    """The role's tools, tied to one desk. Their results are JSON text, errors included."""
    return [_tool(function, desk) for function in TOOLS[role]]


def _tool(function: ToolFunction, desk: Desk) -> StructuredTool:
    def call(**arguments: Any) -> str:
        try:
            return json.dumps(function(desk, **arguments), ensure_ascii=False)
        except Refusal as refusal:
            return error(str(refusal))

    return StructuredTool(
        name=function.__name__,
        description=inspect.getdoc(function) or "",
        args_schema=_schema(function),
        func=call,
        handle_validation_error=_explained,
    )


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


def _explained(fault: Any) -> str:
    if not isinstance(fault, ValidationError):
        return error(str(fault))
    wrong = [f"`{'.'.join(map(str, e['loc'])) or 'arguments'}`: {e['msg']}" for e in fault.errors()]
    return error("Wrong arguments. " + "; ".join(wrong))
