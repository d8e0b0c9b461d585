"""A candidate in this very process: for tests, timings and baselines one trusts. It isolates nothing."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from importlib import import_module
from typing import Any, Literal

import numpy as np

from problems.problem import CandidateError


class InProcess:
    """The referee's handle on a candidate, without a wall: same two methods as in a sandbox.

    Args:
        rule: module path of the candidate half, as in ``Problem.rule``.
        source: the program.
        zeros: (shape, type) -> the arrays that both halves share.
    """

    def __init__(
        self, rule: str, source: str, zeros: Callable[[tuple[int, ...], str], Any] = np.zeros
    ) -> None:
        self._serve = import_module(rule).serve
        self._source, self._zeros = source, zeros
        self._operations: list[Callable[[], None]] = []
        self.program: dict[str, Any] = {}
        """Namespace of the executed source."""

    def open(self, setup: dict[str, Any], arrays: list[tuple[str, str, tuple[int, ...]]]) -> dict[str, Any]:
        shared = {name: self._zeros(shape, dtype) for name, dtype, shape in arrays}
        self.program = {"__name__": "program"}
        try:
            exec(compile(self._source, "program.py", "exec"), self.program)
            self._operations = self._serve(self.program, setup, shared)
        except Exception as error:
            raise _failure(error) from error
        return shared

    def call(self, operation: int) -> None:
        try:
            self._operations[operation]()
        except Exception as error:
            raise _failure(error) from error


def _failure(error: Exception) -> CandidateError:
    """What the program raised, as its result."""
    status: Literal["error", "invalid"] = "invalid" if getattr(error, "status", "") == "invalid" else "error"
    return CandidateError(status, "".join(traceback.format_exception(error)[-3:]))
