"""The benchmark's own arithmetic, and a measurement in a process of its own."""

from __future__ import annotations

import pytest

from bench.__main__ import SECTIONS, _figure, _goal
from bench.measure import Row, measured, sustained


def test_a_goal_is_a_ratio_or_a_limit() -> None:
    fast = Row("s", "w", 2.0, "s", "peer", 300.0, at_least=100.0)
    assert (fast.ratio, fast.met, _goal(fast)) == (150.0, True, ">= 100x")
    assert Row("s", "w", 4.0, "s", "peer", 300.0, at_least=100.0).met is False
    assert Row("s", "w", 0.7, "s", at_most=0.6).met is False
    assert Row("s", "w", 0.5, "s", "peer", 300.0, at_most=0.6).met is True
    for nothing in (Row("s", "w", 2.0, "s"), Row("s", "w", None, "s", "peer", None, at_least=50.0)):
        assert nothing.met is None


def test_figures_carry_their_unit() -> None:
    assert [_figure(v, "s") for v in (None, 2.5, 0.0123, 6.8e-5)] == ["-", "2.5 s", "12.3 ms", "68 us"]
    assert _figure(2048.4, "MiB") == "2,048 MiB"


def test_sustained_leaves_the_beginning_out() -> None:
    calls = []

    def step() -> None:
        calls.append(len(calls))
        if len(calls) <= 4:
            sum(range(1_000_000))

    each, made = sustained(step, 40, 60.0)
    assert (made, len(calls)) == (40, 40)
    assert each < 1e-3


def test_what_is_measured_is_measured_elsewhere_and_a_failure_is_told(
    capfd: pytest.CaptureFixture[str],
) -> None:
    figures = measured("ours.iteration", game="kuhn2", rule="cfr", iterations=50, seconds=0.5)
    assert figures is not None
    assert figures["iterations"] == 50
    assert 0 < figures["nash_conv"] < figures["iteration"]
    assert measured("peers.openspiel", game="kuhn2", iterations=50, seconds=0.5) is not None
    assert measured("psro.referee", game="kuhn2")["run"] > 0  # type: ignore[index]
    assert measured("psro.openspiel", game="kuhn2", seconds=0.1)["epochs"] >= 1  # type: ignore[index]
    assert measured("ours.iteration", game="no_game", rule="cfr", iterations=1, seconds=1.0) is None
    assert "no_game" in capfd.readouterr().err


def test_every_goal_of_the_project_is_in_a_section() -> None:
    assert {"iteration", "training", "psro", "memory", "batch", "framework"} <= set(SECTIONS)
