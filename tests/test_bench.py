"""The benchmark's own arithmetic, and a measurement in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from bench import learners, learning, vectorised
from bench.__main__ import SECTIONS, _figure, _goal
from bench.learners import Match
from bench.learning import SEEDS, _rows
from bench.measure import Row, measured, sustained


def test_a_goal_is_a_ratio_or_a_limit() -> None:
    fast = Row("s", "w", 2.0, "s", "peer", 300.0, at_least=100.0)
    assert (fast.ratio, fast.met, _goal(fast)) == (150.0, True, ">= 100x")
    assert Row("s", "w", 4.0, "s", "peer", 300.0, at_least=100.0).met is False
    assert Row("s", "w", 0.7, "s", at_most=0.6).met is False
    assert Row("s", "w", 0.5, "s", "peer", 300.0, at_most=0.6).met is True
    for nothing in (Row("s", "w", 2.0, "s"), Row("s", "w", None, "s", "peer", None, at_least=50.0)):
        assert nothing.met is None


def test_returns_have_no_ratio_and_are_held_to_what_the_peer_reaches() -> None:
    theirs = {"returns": [-24.0, -23.0, -23.5, -23.2, -23.8], "cpu": 20.0, "steps": 20_000}
    level = {"returns": [-23.6, -23.4, -23.5, -23.3, -23.7], "cpu": 2.0, "steps": 100_000}
    learnt, cost = _rows("spread", level, "peer", theirs)
    assert (learnt.ratio, learnt.met, _goal(learnt)) == (None, True, f">= {learnt.no_less:.2f} return")
    assert f"{100_000 // SEEDS:,} steps" in learnt.what
    assert cost.ratio == pytest.approx(50.0)
    idle, _ = _rows("spread", {**level, "returns": [-26.0] * SEEDS}, "peer", theirs)
    assert idle.met is False
    assert _figure(-23.456, "return") == "-23.46 return"


def test_two_learners_at_many_boards_are_paid_for_their_own_moves() -> None:
    copies = 6
    match = Match(alike=True, seed=0, copies=copies)
    match.play(2 * copies * 12)  # of the 13 rounds in a batch
    assert match.taken == 2 * copies * 12
    first, second = match.learners
    rounds = first.cur_batch_idx
    assert (rounds, second.cur_batch_idx) == (11, 11)  # the twelfth is not paid yet
    empty = first.obs[1:rounds, :, :9].sum(-1) == 9
    assert (first.dones[: rounds - 1][empty] == 1).all()
    assert ((second.obs[:rounds, :, :9].sum(-1) % 2) == 0).all()  # an odd number of pieces lies there
    for learner in match.learners:
        assert (learner.rewards[:rounds][learner.dones[:rounds] == 0] == 0).all()
        assert (learner.dones[:rounds].sum() > 0).all()
        assert set(learner.rewards[:rounds].unique().tolist()) <= {-1.0, 0.0, 1.0}
    won, lost = first.rewards[1:rounds] == 1, second.rewards[: rounds - 1] == -1
    assert won.any()
    assert (won == lost).all()  # by the first one's move, for the second one's move before it


@pytest.fixture
def single() -> Iterator[None]:
    """As in a process of the benchmark's own; rule halves that ran in this one set it to double."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    yield
    torch.set_default_dtype(before)


def test_both_learners_play_their_budget(single: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (learners, learning):
        monkeypatch.setattr(module, "EPISODES", 4)
    theirs = learners.spread(0.02, alike=True, seeds=1)
    assert (theirs["steps"], len(theirs["returns"])) == (400, 1)
    assert learners.tictactoe(0.05, alike=False, seeds=1)["steps"] >= 2 * 27 * 32
    mine = learning.ours("tictactoe", 0.05, seeds=2)
    assert (mine["steps"], len(mine["returns"])) == (2 * 2 * 27 * 32, 2)
    assert all(0.0 < gain <= 1.0 for gain in mine["exploitability"])


def test_collection_and_learning_are_told_apart_and_a_missing_peer_is_told(
    single: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert vectorised.phases([0.0, 9.0, 18.0, 20.0, 21.0]) == {"collection": [2.0], "learning": [1.0]}
    for name, small in {"COPIES": {"cpu": 2}, "STEPS": 4}.items():
        monkeypatch.setattr(vectorised, name, small)
    made = vectorised.ours(batches=2, device="cpu")
    assert {name: len(spent) for name, spent in made.items()} == {"collection": 2, "learning": 2}
    rows = list(vectorised._rows("cpu", made, "peer", None))
    assert all(row.ours and row.theirs is None and "not installed" in row.note for row in rows)
    assert rows[2].ours == pytest.approx(sum(sum(spent) for spent in made.values()) / 2 / 40)
    assert [row.ratio for row in vectorised._rows("cpu", made, "peer", made)] == [1.0] * 3


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
    assert {"iteration", "training", "psro", "memory", "batch", "framework", "learning"} <= set(SECTIONS)
