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
    """

    def __init__(self, rule: str, source: str) -> None:
        self._serve = import_module(rule).serve
        self._source = source
        self._operations: list[Callable[[], None]] = []
        self.program: dict[str, Any] = {}
        """Namespace of the executed source."""

    def open(
        self, setup: dict[str, Any], arrays: list[tuple[str, str, tuple[int, ...]]]
    ) -> dict[str, np.ndarray]:
        shared = {name: np.zeros(shape, dtype) for name, dtype, shape in arrays}
        self.program = {"__name__": "program"}
        with _Failures():
            exec(compile(self._source, "program.py", "exec"), self.program)
            self._operations = self._serve(self.program, setup, shared)
        return shared

    def call(self, operation: int) -> None:
        with _Failures():
            self._operations[operation]()


class _Failures:
    """Turns whatever the program raises into its result."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, Exception):
            status: Literal["error", "invalid"] = "error"
            if getattr(error, "status", "") == "invalid":
                status = "invalid"
            raise CandidateError(status, "".join(traceback.format_exception(error)[-3:])) from error
