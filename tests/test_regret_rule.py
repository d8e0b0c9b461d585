"""The candidate half: helpers of ragged tensors, what a method may ask for, and the baselines' formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from twin import Twin

from problems.games import engine, reference
from problems.games.tables import to_bytes
from problems.inprocess import InProcess
from problems.problem import CandidateError
from problems.regret import PROBLEM
from problems.regret.referee import rollout
from problems.regret.rule import Infosets

FIRST = np.array([0, 2, 3, 6])
X = torch.tensor([1.0, -3.0, 5.0, 2.0, 0.0, 2.0], dtype=torch.float64)
CFR = PROBLEM.baselines["cfr"]


def _list(x: torch.Tensor) -> list[float]:
    return x.tolist()


def test_helpers_reduce_and_expand_per_infoset() -> None:
    infosets = Infosets(FIRST)
    assert (infosets.count, infosets.sequences) == (3, 6)
    assert _list(infosets.actions) == [2, 1, 3]
    assert _list(infosets.index) == [0, 0, 1, 2, 2, 2]
    assert _list(infosets.sum(X)) == [-2, 5, 4]
    assert _list(infosets.max(X)) == [1, 5, 2]
    assert _list(infosets.min(X)) == [-3, 5, 0]
    assert _list(infosets.mean(X)) == [-1, 5, pytest.approx(4 / 3)]
    assert _list(infosets.expand(infosets.sum(X))) == [-2, -2, 5, 4, 4, 4]
    assert _list(infosets.zeros()) == [0] * 6
    assert _list(infosets.ones()) == [1] * 6
    assert _list(infosets.uniform()) == pytest.approx([1 / 2, 1 / 2, 1, 1 / 3, 1 / 3, 1 / 3])


def test_helpers_normalise_and_soften_per_infoset() -> None:
    infosets = Infosets(FIRST)
    assert _list(infosets.normalise(X)) == [1, 0, 1, 0.5, 0, 0.5]
    assert _list(infosets.normalise(-infosets.ones())) == pytest.approx(_list(infosets.uniform()))
    softened = infosets.softmax(X + 1000.0)
    for a, b in zip(FIRST, FIRST[1:], strict=False):
        assert torch.allclose(softened[a:b], torch.softmax(X[a:b], -1), atol=1e-12)


@pytest.mark.parametrize("name", ["sum", "max", "min", "mean", "normalise", "softmax"])
def test_helpers_let_leading_dimensions_through(name: str) -> None:
    infosets = Infosets(FIRST)
    batch = torch.stack([X, -X, X * 2.0]).reshape(3, 1, 6)
    result = getattr(infosets, name)(batch)
    for row in range(3):
        assert torch.equal(result[row, 0], getattr(infosets, name)(batch[row, 0]))
    assert infosets.expand(infosets.sum(batch)).shape == (3, 1, 6)


def test_helpers_take_any_float_and_stride_and_name_a_wrong_shape() -> None:
    infosets = Infosets(FIRST)
    strided = torch.stack([X, X]).T.reshape(-1)[::2]
    assert torch.equal(infosets.normalise(strided), infosets.normalise(X))
    assert torch.equal(infosets.sum(X.float()), infosets.sum(X))
    with pytest.raises(ValueError, match=r"\[\.\.\., 6\].*got \[3\]"):
        infosets.normalise(infosets.actions)


def _run(source: str, name: str = "kuhn2", **settings: Any) -> dict[str, list[float]]:
    defaults = {"checkpoints": [1, 3, 10], "alternating": True, "seed": 3}
    return rollout(InProcess(PROBLEM.rule, source), to_bytes(Twin(name).tables), defaults | settings)


def test_a_run_gives_equally_long_series() -> None:
    series = _run(CFR)
    assert set(series) == {"iterations", "exploitability", "last_iterate", "value_1", "value_2"}
    assert series["iterations"] == [1, 3, 10]
    assert {len(values) for values in series.values()} == {3}
    assert series["value_1"] == pytest.approx([-value for value in series["value_2"]], abs=1e-12)


def test_the_same_seed_gives_the_same_bits_and_another_the_same_game() -> None:
    first, again, other = (_run(CFR, "leduc2", seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert other["exploitability"] == pytest.approx(first["exploitability"], abs=1e-9)


RECORDER = """
import torch

SEEN = []

class Rule:
    def __init__(self, infosets):
        self.infosets = infosets

    def accumulate_average(self, opponent_reach, reach, t, realisation):
        self.seen = {"t": t, "reach": reach, "opponent_reach": opponent_reach, "realisation": realisation}

    def accumulate_regret(self, regret, policy):
        self.seen |= {"regret": regret, "policy": policy}

    def next_policy(self, regret):
        SEEN.append({k: torch.as_tensor(v).tolist() for k, v in self.seen.items()})
        return self.infosets.softmax(regret)

    def average_policy(self):
        return self.infosets.uniform()
"""


def test_methods_receive_what_they_name() -> None:
    """Two iterations of a 3-player game, replayed by the plain reference."""
    twin = Twin("kuhn3", seed=3)
    candidate = InProcess(PROBLEM.rule, RECORDER)
    rollout(candidate, to_bytes(twin.tables), {"checkpoints": [2], "alternating": True, "seed": 3})
    game, layout, policy = twin.game, twin.game.layout, engine.uniform(twin.game)
    seen = iter(candidate.program["SEEN"])
    for t in (1, 2):
        for player in range(3):
            given = next(seen)
            infosets = slice(*layout.start[player : player + 2])
            entries = slice(layout.first[infosets.start], layout.first[infosets.stop])
            reach = reference.reaches(game, policy)
            opponents = reference.opponent_reach(game, policy, player)[infosets]
            assert given["t"] == t
            assert given["policy"] == pytest.approx(policy[entries], abs=1e-12)
            assert given["realisation"] == pytest.approx(reach[entries], abs=1e-12)
            assert given["reach"] == pytest.approx(reach[layout.parent[infosets]], abs=1e-12)
            assert given["opponent_reach"] == pytest.approx(opponents, abs=1e-12)
            regret = reference.regrets(game, policy, player)[entries]
            assert given["regret"] == pytest.approx(regret, abs=1e-12)
            helper = Infosets(layout.first[infosets.start : infosets.stop + 1] - layout.first[infosets.start])
            policy[entries] = helper.softmax(torch.from_numpy(regret)).numpy()


def test_what_a_rule_is_given_is_its_own() -> None:
    keep = CFR.replace(
        "self.regrets += regret", "self.regrets = self.regrets + self.last; self.last = regret"
    )
    keep = keep.replace("self.infosets = infosets", "self.infosets = infosets; self.last = infosets.zeros()")
    change = keep.replace("self.last = regret", "self.last = regret.clone(); regret.zero_()")
    assert _run(keep) == _run(change)


@pytest.mark.parametrize(
    ("line", "status", "message"),
    [
        ("self.infosets.zeros() * float('nan')", "invalid", "next_policy returned .* not finite"),
        ("self.infosets.uniform() * 1.001", "invalid", "sums to 1.001, not 1"),
        ("self.infosets.uniform() - 2.0", "invalid", "negative probability"),
        ("self.infosets.actions", "invalid", r"next_policy must return a tensor \[\d+\], not \[\d+\]"),
        ("None", "invalid", "not NoneType"),
        ("1 / 0", "error", "ZeroDivisionError"),
    ],
)
def test_a_bad_policy_is_the_programs_result(line: str, status: str, message: str) -> None:
    source = CFR.replace("return self.infosets.normalise(self.regrets)", f"return {line}")
    with pytest.raises(CandidateError, match=message) as caught:
        _run(source)
    assert caught.value.status == status


def test_what_was_measured_before_a_failure_is_kept() -> None:
    source = CFR.replace(
        "def accumulate_regret(self, regret):", "def accumulate_regret(self, t, regret):\n        1 / (5 - t)"
    )
    with pytest.raises(CandidateError) as caught:
        _run(source)
    assert caught.value.artifact["iterations"] == [1, 3]
