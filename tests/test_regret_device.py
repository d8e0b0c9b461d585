"""The engine's sweeps, and rules, as PyTorch operations: held to the engine of record, on the processor and,
where there is one, on a GPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from twin import Twin

from problems.games import engine
from problems.games.device import CHUNK, Segments, Sweeps
from problems.games.layout import Game
from problems.games.tables import to_bytes
from problems.inprocess import InProcess
from problems.problem import CandidateError
from problems.regret import PROBLEM, referee
from problems.regret.batch import widened
from problems.regret.on_device import OnDevice
from problems.regret.referee import rollout
from problems.regret.table_on_device import DeviceTable

GPU = pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))
DEVICES = ["cpu", GPU]
GAMES = ["kuhn3", "leduc2", "goofspiel3", "goofspiel4_imp", "goofspiel3_3p", "liars_dice4"]
"""Among them imperfect recall (goofspiel3), three players, and infosets of many sizes."""
TWINS = {name: Twin(name, 3) for name in GAMES}
SETTINGS: dict[str, Any] = {"checkpoints": [1, 5, 30], "alternating": True, "seed": 3}


def _policy(game: Game, seed: int) -> np.ndarray:
    """[S] with zeros in it."""
    chance, sizes = np.random.default_rng(seed), np.diff(game.layout.first)
    weights = chance.random(game.entries) * (chance.random(game.entries) < 0.7) + 1e-3
    infoset = np.repeat(np.arange(game.infosets), sizes)
    return weights / np.bincount(infoset, weights)[infoset]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", GAMES)
def test_sweeps_give_what_the_engine_gives(name: str, device: str) -> None:
    game = TWINS[name].game
    state, exchange = engine.new_state(game), np.zeros(engine.exchange_size(game))
    shared = torch.zeros(len(exchange), 1, dtype=torch.float64, device=device)
    sweeps = Sweeps(game, shared)
    exchange[: game.entries] = engine.uniform(game)
    for seed in range(3):
        for player in range(game.players):
            engine.step(game.integers, game.numbers, state, exchange, player - 1, player)
            engine.opponent_reaches(game.integers, game.numbers, state, exchange, player)
            sweeps.step(player - 1, player)
            sweeps.opponent_reaches(player)
        given = shared[game.entries :, 0].cpu().numpy()
        assert given == pytest.approx(exchange[game.entries :], abs=1e-14)
        exchange[: game.entries] = _policy(game, seed)
        shared[: game.entries, 0] = torch.from_numpy(exchange[: game.entries])
        last = game.players - 1
        engine.accept(game.integers, game.numbers, state, exchange, last)
        sweeps.accept(last)
    assert sweeps.policy[:, 0].cpu().numpy() == pytest.approx(state[: game.entries], abs=1e-15)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("baseline", PROBLEM.baselines)
def test_every_baseline_ends_where_it_does_on_the_processor(baseline: str, device: str) -> None:
    source = PROBLEM.baselines[baseline]
    for name in ("leduc2", "goofspiel3"):
        data = to_bytes(TWINS[name].tables)
        plain = rollout(InProcess(PROBLEM.rule, source), data, SETTINGS)
        whole = rollout(OnDevice(source, device), data, SETTINGS)
        beside = DeviceTable(device, InProcess(PROBLEM.rule, source), TWINS[name].game)
        for done, checkpoint in zip([0, 1, 5], SETTINGS["checkpoints"], strict=True):
            beside.play(checkpoint - done, True)
            beside.judge(checkpoint)
        for made in (whole, beside.series):
            for series, values in plain.items():
                assert made[series] == pytest.approx(values, rel=1e-7, abs=1e-12), (name, series)


@pytest.mark.parametrize("device", DEVICES)
def test_learning_together_and_settings_at_once(device: str) -> None:
    source, data = PROBLEM.baselines["dcfr"], to_bytes(TWINS["leduc2"].tables)
    constants = [{"ALPHA": 1.5, "GAMMA": 2.0}, {"ALPHA": 2.0, "GAMMA": 2.0}, {"ALPHA": 1.0, "GAMMA": 3.0}]
    settings = {**SETTINGS, "alternating": False, "constants": constants}
    plain = rollout(InProcess(PROBLEM.rule, widened(source)), data, settings)["batch"]
    made = rollout(OnDevice(widened(source), device), data, settings)["batch"]
    assert len({run["exploitability"][-1] for run in made}) == 3
    for ours, theirs in zip(made, plain, strict=True):
        assert ours["exploitability"] == pytest.approx(theirs["exploitability"], rel=1e-7)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("returned", "said"),
    [
        ("policy * 1.1 if t == 3 else policy", "sums to one only within 0.1 at an infoset"),
        ("2 * policy - 0.5 if t == 3 else policy", "has a negative probability at an infoset, -0.3"),
        ("policy / 0.0 if t == 3 else policy", "is not finite at an infoset"),
    ],
)
def test_what_is_no_policy_is_found_although_nobody_waits_for_it(
    returned: str, said: str, device: str
) -> None:
    source = f"""
import torch
class Rule:
    def __init__(self, infosets):
        self.policy = infosets.uniform()
        self.policy[0], self.policy[1] = 0.9, 0.1
    def accumulate_average(self): pass
    def accumulate_regret(self): pass
    def next_policy(self, t):
        policy = self.policy
        return {returned}
    def average_policy(self):
        return self.policy
"""
    data = to_bytes(TWINS["kuhn3"].tables)
    with pytest.raises(CandidateError, match=said) as caught:
        rollout(OnDevice(source, device), data, SETTINGS)
    assert caught.value.artifact["iterations"] == [1]
    beside = DeviceTable(device, InProcess(PROBLEM.rule, source), TWINS["kuhn3"].game)
    beside.play(2, True)
    with pytest.raises(CandidateError, match=said):
        beside.play(2, True)


def test_helpers_are_the_same_on_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    source = """
import torch
class Rule:
    def __init__(self, infosets):
        self.infosets = infosets
    def accumulate_average(self): pass
    def accumulate_regret(self): pass
    def next_policy(self, regret):
        stack = torch.stack((regret, -regret, regret * 0.0))
        for name in ("sum", "mean", "max", "min", "normalise", "softmax"):
            for kind, x in (("one", regret), ("stack", stack)):
                SEEN[f"{name} {kind}"] = getattr(self.infosets, name)(x).clone()
        SEEN["expand"] = self.infosets.expand(self.infosets.max(regret))
        return self.infosets.uniform()
    def average_policy(self):
        return self.infosets.ones() / self.infosets.expand(self.infosets.sum(self.infosets.ones()))
"""
    data, results = to_bytes(TWINS["goofspiel4_imp"].tables), []
    for candidate in (InProcess(PROBLEM.rule, source), OnDevice(source, "cpu")):
        seen: dict[str, torch.Tensor] = {}
        monkeypatch.setattr("builtins.SEEN", seen, raising=False)
        rollout(candidate, data, {**SETTINGS, "checkpoints": [1]})
        results.append(seen)
    assert len(results[0]) == 13
    for name, x in results[0].items():
        assert torch.allclose(results[1][name], x, rtol=1e-12, atol=1e-15), name


def test_rows_longer_than_a_chunk_are_summed_in_two_steps() -> None:
    ends = np.array([5, 5, 6, 6 + 3 * CHUNK + 1, 6 + 3 * CHUNK + 3])
    x = torch.arange(3 * CHUNK + 4, dtype=torch.float64)[:, None]
    segments = Segments(ends, torch.device("cpu"))
    parts = [x[low - 5 : high - 5].sum() for low, high in zip(ends[:-1], ends[1:], strict=True)]
    assert segments.sum(x)[:, 0].tolist() == [float(part) for part in parts]
    assert segments.max(x)[1:, 0].tolist() == [0.0, 3 * CHUNK + 1, 3 * CHUNK + 3]


def test_small_games_stay_on_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    game, settings = TWINS["leduc2"].game, {**SETTINGS, "device": "cpu:0"}
    candidate = InProcess(PROBLEM.rule, PROBLEM.baselines["cfr"])
    assert not isinstance(referee._table(candidate, game, settings), DeviceTable)
    monkeypatch.setattr(referee, "LARGE", 1000)
    assert isinstance(referee._table(candidate, game, settings), DeviceTable)
    assert not isinstance(referee._table(candidate, game, SETTINGS), DeviceTable)
