"""A session's baselines: one that fails ends it at once."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from equilibrist.errors import Failed
from equilibrist.session import judge_baselines
from memory.records import Result


def test_a_baseline_that_fails_is_told_without_waiting_for_the_others() -> None:
    others = threading.Event()

    def evaluate(source: str, games: tuple[str, ...]) -> Result:
        if source == "slow":
            others.wait(30.0)
            return Result(status="ok", score=1.0)
        return Result(status="timeout", message="g: not done after 300 s of wall-clock time")

    problem = SimpleNamespace(walls={"train": ("g",)}, baselines={"good": "slow", "bad": "late"})
    evaluator = SimpleNamespace(
        problem=problem, sandbox=SimpleNamespace(name="bubblewrap"), evaluate=evaluate
    )
    journal = SimpleNamespace(
        session={}, save_program=lambda source: None, recorded=lambda kind, key, compute: compute()
    )
    with pytest.raises(Failed, match=r"Baseline bad .*wall-clock time\. The machine.*--parallel 1"):
        judge_baselines(journal, evaluator, 2, SimpleNamespace(baseline=print))  # type: ignore[arg-type]
    assert not others.is_set()
    others.set()
