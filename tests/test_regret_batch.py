"""Settings of constants in one run: the engine's bits, the rules that can, and those that cannot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from twin import Twin

from problems.games import batch, engine
from problems.games.tables import to_bytes
from problems.inprocess import InProcess
from problems.problem import CandidateError
from problems.regret import PROBLEM
from problems.regret.batch import sweep, widened
from problems.regret.referee import rollout

SETTINGS = {"checkpoints": [1, 5, 40], "alternating": True}
GAMES = {name: to_bytes(Twin(name).tables) for name in ("kuhn2", "kuhn3", "goofspiel3")}
VARIED = {
    "dcfr": [
        {"ALPHA": a, "BETA": b, "GAMMA": g} for a, b, g in [(1.5, 0.0, 2.0), (2.0, -1.0, 3.0), (1, 0, 0)]
    ],
    "pcfr_plus": [{"GAMMA": g} for g in (0.0, 1.0, 2.0, 3.0)],
    "dpcfr_plus": [{"ALPHA": 2.3, "GAMMA": 5.0}, {"ALPHA": 1.5, "GAMMA": 4.0}],
    "hs_dcfr": [{"HORIZON": h, "ALPHA": a} for h, a in [(40.0, 1.0), (1000.0, 2.0)]],
    "sapcfr_plus": [{"ASYMMETRY": a, "GAMMA": 2.0} for a in (0.0, 1.0, 2.0)],
    "apcfr_plus": [{"ASYMMETRY": a} for a in (1.0, 5.0)],
    "vad_cfr": [{"BOOST": b, "SENSITIVITY": s, "ALPHA": 1.5} for b, s in [(1.0, 0.5), (1.1, 0.3)]],
    "aod_cfr": [{"TREND": t, "WARM_UP": w} for t, w in [(0.5, 500), (0.2, 20)]],
}


def play(source: str, game: str, settings: Mapping[str, Any]) -> Mapping[str, Any] | None:
    try:
        return rollout(InProcess(PROBLEM.rule, source), GAMES[game], {**settings, "seed": 5})
    except CandidateError:
        return None


def _alone(source: str, setting: Mapping[str, float], game: str) -> Mapping[str, Any]:
    lines = "".join(f"\nRule.{name} = {value!r}" for name, value in setting.items())
    made = play(source + lines, game, SETTINGS)
    assert made is not None
    return made


@pytest.mark.parametrize("baseline", VARIED)
def test_a_batch_gives_what_its_settings_give_alone(baseline: str) -> None:
    source, games = PROBLEM.baselines[baseline], ["kuhn2", "goofspiel3"]
    together = sweep(play, source, games, SETTINGS, VARIED[baseline])
    assert together is not None
    finals = set()
    for setting, artifacts in zip(VARIED[baseline], together, strict=True):
        for game in games:
            alone = _alone(source, setting, game)
            assert artifacts[game].keys() == alone.keys()
            for name, values in alone.items():
                assert artifacts[game][name] == pytest.approx(values, rel=1e-6, abs=1e-9)
        series = artifacts["kuhn2"]
        finals.add((series["exploitability"][-1], series["last_iterate"][1]))
    assert len(finals) == len(VARIED[baseline])


MIXES = "self.regrets = (self.regrets + regret).clamp(min=-1e-3 * self.LIMIT) + 0.01 * regret.abs().max()"
BRANCHES = (
    "if t > self.LIMIT:\n            regret = regret * 0.5\n        self.regrets = self.regrets + regret"
)


@pytest.mark.parametrize(
    "line", [MIXES, BRANCHES, "self.regrets = self.regrets + regret * torch.ones(int(self.LIMIT))"]
)
def test_a_rule_that_cannot_be_batched_is_found_out(line: str) -> None:
    """It mixes settings without an error; it branches on a constant; it needs a number."""
    source = PROBLEM.baselines["dcfr"].replace("GAMMA = 2.0", "GAMMA = 2.0\n    LIMIT = 10")
    start = source.index("        gains =")
    source = source[:start] + f"        {line}\n\n" + source[source.index("    def next_policy") :]
    assert play(source, "kuhn2", SETTINGS) is not None or "ones" in line
    assert (
        sweep(play, source, ["kuhn2"], SETTINGS, [{"LIMIT": 5, "GAMMA": 1.0}, {"LIMIT": 20, "GAMMA": 9.0}])
        is None
    )


def test_unknown_constants_and_empty_sweeps() -> None:
    assert sweep(play, PROBLEM.baselines["dcfr"], ["kuhn2"], SETTINGS, [{"NONE": 1.0}]) is None
    for constants in ([], [{"ALPHA": 1.0}, {"BETA": 1.0}]):
        with pytest.raises(ValueError, match="settings"):
            sweep(play, PROBLEM.baselines["dcfr"], ["kuhn2"], SETTINGS, constants)


def test_a_widened_program_is_the_same_program() -> None:
    for source in PROBLEM.baselines.values():
        ours, theirs = play(widened(source), "kuhn3", SETTINGS), play(source, "kuhn3", SETTINGS)
        assert ours is not None
        assert theirs is not None
        for name, values in theirs.items():
            assert ours[name] == pytest.approx(values, abs=1e-9)


@pytest.mark.parametrize("name", ["kuhn3", "goofspiel4", "leduc2"])
def test_the_batched_engine_gives_the_very_bits_of_the_engine(name: str) -> None:
    """Perfect and imperfect recall, two and three players."""
    game = Twin(name, seed=2).game
    policies = np.stack([Twin(name, seed=2).random_policy(i) for i in range(3)], axis=1)
    wide, shared = batch.new_state(game, 3), np.zeros((engine.exchange_size(game), 3))
    narrow = [engine.new_state(game) for _ in range(3)]
    for player in range(game.players):
        assert batch.accept(game.integers, game.numbers, wide, policies.copy(), player) == -1
        assert batch.step(game.integers, game.numbers, wide, shared, -1, player) == -1
        batch.opponent_reaches(game.integers, game.numbers, wide, shared, player)
    for b in range(3):
        alone = np.zeros(engine.exchange_size(game))
        for player in range(game.players):
            engine.accept(game.integers, game.numbers, narrow[b], policies[:, b].copy(), player)
            engine.step(game.integers, game.numbers, narrow[b], alone, -1, player)
            engine.opponent_reaches(game.integers, game.numbers, narrow[b], alone, player)
        assert np.array_equal(alone, shared[:, b])
        assert np.array_equal(narrow[b], wide[:, b])


def test_a_bad_policy_ends_the_batch() -> None:
    source = (
        PROBLEM.baselines["cfr"]
        .replace("class Rule:", "class Rule:\n    SCALE = 1.0")
        .replace(
            "return self.infosets.normalise(self.regrets)",
            "return self.infosets.normalise(self.regrets) * self.SCALE",
        )
    )
    with pytest.raises(CandidateError, match="sums to 2") as caught:
        rollout(
            InProcess(PROBLEM.rule, source),
            GAMES["kuhn2"],
            {**SETTINGS, "seed": 1, "constants": [{"SCALE": 1.0}, {"SCALE": 2.0}]},
        )
    assert caught.value.status == "invalid"


def test_constants_that_are_whole_numbers_are_run_at_once_too() -> None:
    """As numbers of floating point: whole ones have no negative powers."""
    settings = [{"BETA": -1}, {"BETA": -2}]
    assert sweep(play, PROBLEM.baselines["dcfr"], ["kuhn2"], SETTINGS, settings) is not None
