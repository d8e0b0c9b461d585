"""Problem *learning*: what rules see, that known ones learn, what is refused, statistics, racing."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
import torch

from problems import PROBLEMS
from problems.inprocess import InProcess
from problems.learning.check import QUANTITIES as CHECKED
from problems.learning.environments import PLANS
from problems.learning.race import hopeless
from problems.learning.referee import rollout
from problems.learning.rule import QUANTITIES, Batch
from problems.learning.statistics import interquartile_mean, interval
from problems.problem import CandidateError

PROBLEM = PROBLEMS["learning"]
IPPO = PROBLEM.baselines["ippo"]
SHORT = {"seeds": 3, "first": 0, "judgements": 2}


def play(
    source: str, game: str = "dilemma", scale: float = 0.1, **settings: object
) -> dict[str, list[float]]:
    candidate = InProcess(PROBLEM.rule, source)
    return rollout(candidate, PROBLEM.pack(game), {**SHORT, "scale": scale, "seed": 1, **settings})


def test_a_repeat_has_other_seeds_and_the_same_for_every_rule():
    first, again = play(IPPO, scale=0.02), play(IPPO, scale=0.02, repeat=0)
    assert first == again
    second = play(IPPO, scale=0.02, repeat=1)
    assert second["seed_1"] != first["seed_1"]
    assert second == play(IPPO, scale=0.02, first=SHORT["seeds"])


def flipped(source: str) -> str:
    assert "return -torch.minimum(ratio * gain, near * gain)" in source
    return source.replace(
        "return -torch.minimum(ratio * gain, near * gain)", "return torch.maximum(ratio * gain, near * gain)"
    )


@pytest.mark.parametrize(
    ("game", "scale"), [("tictactoe", 0.15), ("market", 0.25), ("speaker_listener", 0.1)]
)
def test_a_rule_with_its_sign_flipped_is_worse(game, scale):
    """Where an agent's own reward is what counts; in the dilemma, who flees it cooperates."""
    learnt, lost = (play(source, game, scale, judgements=1) for source in (IPPO, flipped(IPPO)))
    seeds = [f"seed_{k}" for k in (1, 2, 3)]
    assert all(learnt[seed][-1] > lost[seed][-1] for seed in seeds)
    assert learnt["normalised"][-1] > lost["normalised"][-1] + 0.1


@pytest.mark.slow
def test_ippo_learns_spread_and_the_flipped_rule_is_worse():
    learnt = play(IPPO, "spread", 0.5, judgements=4)
    assert learnt["seed_1"] == sorted(learnt["seed_1"]) or learnt["return"][-1] > learnt["return"][0]
    assert learnt["normalised"][-1] > 0.1
    assert learnt["low"][-1] > 0.0  # surely above random play
    lost = play(flipped(IPPO), "spread", 0.5, judgements=4)
    assert lost["normalised"][-1] < -0.2
    assert PROBLEM.score({"spread": learnt}).score > PROBLEM.score({"spread": lost}).score


def test_a_rule_that_is_surely_below_zero_is_stopped_and_the_steps_spared_are_told(monkeypatch):
    monkeypatch.setitem(PLANS, "dilemma", replace(PLANS["dilemma"], low=40.0))  # defectors get 16
    whole, raced = play(IPPO, judgements=4), play(IPPO, judgements=4, race=True)
    assert whole["spared"] == [0]
    assert raced["spared"][0] > 0
    assert len(raced["normalised"]) == 4
    assert raced["steps"][-1] == raced["steps"][-2] < whole["steps"][-1]
    details = PROBLEM.score({"dilemma": raced}).details
    assert details["environment steps saved by racing"] == raced["spared"][0]
    assert details["environment steps"] == raced["planned"][0] - raced["spared"][0]


def test_mirror_descent_approaches_the_equilibrium_and_not_if_its_steps_stay_long():
    rule = PROBLEM.baselines["mmd"]
    near = play(rule, "scissors", 1.0)["exploitability"]
    assert near[-1] < near[0] < 0.3
    assert near[-1] < 0.15
    schedule = "self.NEAR * t**0.5"
    assert schedule in rule
    assert (
        play(rule.replace(schedule, "0.5").replace("MAGNET = 2.0", "MAGNET = 0.2"), "scissors", 1.0)[
            "exploitability"
        ][-1]
        > 0.5
    )


@pytest.mark.slow
def test_ippo_learns_tic_tac_toe():
    made = play(IPPO, "tictactoe", 0.5)
    assert made["normalised"][-1] > 0.15
    assert made["low"][-1] > 0.0  # surely above random play, which is 0
    assert 0.0 < made["exploitability"][-1] <= 2.0


def test_the_same_seed_gives_the_same_curve_and_another_one_does_not():
    first, again, other = play(IPPO), play(IPPO), play(IPPO, first=50)
    assert first == again
    assert first["seed_1"] != other["seed_1"]


def test_seeds_do_not_touch_each_other():
    together, alone = play(IPPO, "scissors"), play(IPPO, "scissors", seeds=1)
    first = together["seed_1"][0], alone["seed_1"][0]
    assert first[0] == pytest.approx(first[1], abs=0.2)  # same networks, other draws
    assert len({together[f"seed_{k}"][-1] for k in (1, 2, 3)}) == 3


def test_series_are_as_long_as_the_judgements():
    made = play(IPPO, "dilemma")
    assert made["planned"] == [4 * 16 * 16 * 3]
    assert made["steps"] == [2 * 256, 4 * 256]
    for name in ("return", "normalised", "low", "high", "seed_1", "seed_2", "seed_3"):
        assert len(made[name]) == 2
    assert made["low"][0] <= made["normalised"][0] <= made["high"][0]


def test_vectors_of_actions_are_learnt_too():
    made = play(IPPO, "market", 0.2)
    assert math.isfinite(made["return"][-1])
    assert play(PROBLEM.baselines["mmd"], "market", 0.05)["normalised"]


PROBE = """
import torch


class Rule:
    def __init__(self, batch):
        self.batch = batch

    def advantages(
        self, rewards, dones, acting, others_rewards, old_log_probability, next_values, old_values
    ):
        assert rewards.shape == dones.shape == (self.batch.steps, self.batch.environments)
        assert torch.allclose(old_values[1:][dones[:-1] == 0], next_values[:-1][dones[:-1] == 0], atol=1e-4)
        assert (old_log_probability[acting == 0] == 0).all()
        print("others", others_rewards.shape[0])
        return rewards

    def policy_loss(
        self, log_probability, old_log_probability, policy, legal, entropy, divergence, epoch, acting
    ):
        if epoch == 1:
            assert torch.allclose(log_probability, old_log_probability, atol=1e-4)
            assert divergence.abs().max() < 1e-4
        assert (policy[legal == 0] == 0).all()
        assert torch.allclose(policy.sum(-1), torch.ones(()), atol=1e-5)
        assert (entropy[acting == 0] == 0).all()
        return -entropy

    def value_loss(self, values, central_values, returns):
        return torch.square(values - returns) + torch.square(central_values)
"""


@pytest.mark.parametrize(
    ("game", "others"), [("tictactoe", 0), ("dilemma", 1), ("routing", 3), ("spread", 0)]
)
def test_a_rule_sees_what_the_statement_says(game, others, capsys):
    play(PROBE, game, 0.02)
    assert set(capsys.readouterr().out.split()) == {"others", str(others)}


def faulty(change: str, new: str) -> str:
    assert change in IPPO
    return IPPO.replace(change, new)


@pytest.mark.parametrize(
    ("source", "status", "told"),
    [
        (
            faulty("return 0.5 * torch.square(values - returns)", "return values / 0.0"),
            "invalid",
            "not finite",
        ),
        (
            faulty("return 0.5 * torch.square(values - returns)", "return 1e9 * values.sum()"),
            "invalid",
            "at most",
        ),
        (
            faulty("return 0.5 * torch.square(values - returns)", "return values[0]"),
            "invalid",
            "value_loss must",
        ),
        (faulty("return self.batch.accumulate(", "return sum("), "error", "sum"),
        (faulty("errors, dones", "errors[0:1], dones"), "invalid", "advantages must return"),
        (faulty("values, returns)", "values, returns, rate)"), "error", "rate"),
    ],
)
def test_a_faulty_loss_is_a_result_with_its_reason(source, status, told):
    with pytest.raises(CandidateError) as caught:
        play(source)
    assert caught.value.status == status
    assert told in str(caught.value)


def test_the_static_check_knows_what_the_rule_half_gives():
    assert set(CHECKED) == set(QUANTITIES)
    assert "`rate`" in " ".join(PROBLEM.check(faulty("values, returns)", "values, rate)")))
    assert PROBLEM.check(faulty("def value_loss", "def valueloss")) == ["`Rule` has no method `value_loss`."]


def test_accumulate_is_the_recursion_of_generalised_advantages():
    batch = Batch(4, 1)
    x, dones = torch.tensor([[1.0], [2.0], [3.0], [4.0]]), torch.tensor([[0.0], [1.0], [0.0], [0.0]])
    assert batch.accumulate(x, dones, 0.5).ravel().tolist() == [2.0, 2.0, 5.0, 4.0]
    assert x.ravel().tolist() == [1.0, 2.0, 3.0, 4.0]


def test_interquartile_means_are_rliables():
    chance = np.random.default_rng(0)
    for count in (5, 8, 10, 13):
        x = chance.normal(size=count)
        assert interquartile_mean(x) == pytest.approx(scipy.stats.trim_mean(x, 0.25))
    scores = chance.normal(1.0, 0.1, size=(10, 3))
    low, high = interval(scores, 0)
    assert low < interquartile_mean(scores) < high
    assert high - low < 0.2


def test_racing_stops_what_is_surely_below_random_play_and_rarely_what_is_not():
    assert hopeless(np.array([-0.5, -0.4, -0.6, -0.5, -0.45]), 2, 5)
    assert not hopeless(np.array([-0.5, -0.4, -0.6, -0.5, -0.45]), 1, 5)
    assert not hopeless(np.array([-0.5, 0.4, -0.6, 0.5, 0.1]), 2, 5)
    chance = np.random.default_rng(0)
    wrong = 0
    for _ in range(400):
        looks = chance.normal(0.0, 0.3, size=(5, 5))
        wrong += any(hopeless(looks[k], k + 1, 5) for k in range(4))
    assert wrong / 400 < 0.08  # 0.05 was promised


def test_lolas_term_is_the_gradient_of_what_the_others_step_brings():
    """In a one-shot game, over all joint actions of uniform players: equation 4.6 of Foerster et al. 2018."""
    namespace: dict = {}
    exec(PROBLEM.baselines["lola"], namespace)
    chance = torch.Generator().manual_seed(0)
    rows, columns = torch.meshgrid(torch.arange(3), torch.arange(3), indexing="ij")
    mine, theirs = rows.reshape(1, 9), columns.reshape(1, 9)
    for _ in range(5):
        own, other = torch.randn(3, 3, generator=chance), torch.randn(3, 3, generator=chance)
        rule = namespace["Rule"](Batch(1, 9))
        uniform, zeros = torch.full((1, 1, 9, 3), 1 / 3), torch.zeros(1, 9)
        rewards = own[mine, theirs]
        rule.advantages(rewards, zeros, zeros, zeros, other[mine, theirs][None], uniform, theirs[None])
        score = torch.nn.functional.one_hot(mine, 3) - 1 / 3
        made = (rule.shaping.unsqueeze(-1) * score).mean((0, 1))
        x, y = torch.zeros(3, requires_grad=True), torch.zeros(3, requires_grad=True)
        values = [torch.softmax(x, 0) @ payoff @ torch.softmax(y, 0) for payoff in (own, other)]
        by_other = torch.autograd.grad(values[0], y, retain_graph=True)[0]
        step = torch.autograd.grad(values[1], y, create_graph=True)[0]
        exact = torch.autograd.grad(step @ by_other.detach(), x)[0]
        assert torch.cosine_similarity(made, exact, 0) > 0.999


def test_a_device_that_is_not_there_is_refused_by_torch_and_cpu_is_the_default():
    assert play(IPPO, "scissors", device="cpu") == play(IPPO, "scissors")
