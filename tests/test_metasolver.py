"""The metasolver problem: its referee, and its curves against those published for PSRO."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from problems.games import reference
from problems.games.compile import pack
from problems.games.layout import Game, arrange
from problems.games.psro import Population
from problems.games.tables import from_bytes
from problems.inprocess import InProcess
from problems.metasolver import PROBLEM, referee
from problems.metasolver.check import METHODS, check
from problems.problem import CandidateError

THREE = ("kuhn2", "kuhn3", "goofspiel3")
PUBLISHED = {
    ("uniform", "leduc2"): [2.3736111, 2.6031249, 2.6306712, 2.3686631],
    ("uniform", "kuhn4"): [0.86901043, 0.48992512, 0.32923418, 0.25484619],
    ("prd", "kuhn2"): [0.45833336, 0.34314006],
    ("rm", "kuhn2"): [0.45833336, 0.37499158, 0.16666008],
    ("shor_psro", "kuhn2"): [0.45833336, 0.375, 0.1749144, 0.096890, 0.046784],
}
"""Li et al. 2026, Figure 4: from one strategy on, one more each time."""


def played(source: str, game: str, epochs: int) -> list[float]:
    candidate = InProcess(PROBLEM.rule, source)
    settings = {"checkpoints": list(range(1, epochs + 1)), "seed": 0}
    return referee.rollout(candidate, pack(game), settings)["exploitability"]


@pytest.mark.parametrize(("name", "game"), list(PUBLISHED))
def test_the_published_curves(name: str, game: str) -> None:
    published = PUBLISHED[name, game]
    assert played(PROBLEM.baselines[name], game, len(published)) == pytest.approx(published, rel=1e-4)


def grown(game: Game, epochs: int) -> tuple[Population, np.ndarray, list[np.ndarray]]:
    """A population grown against uniform mixtures, its payoffs, and every plan that was responded to."""
    population = Population(game, epochs)
    payoffs = np.zeros((game.players,) + (epochs,) * game.players)
    population.fill(payoffs)
    plans = []
    for size in range(1, epochs):
        plans.append(population.mixture(np.full((game.players, size), 1 / size)))
        population.grow(plans[-1])
        population.fill(payoffs)
    return population, payoffs, plans


@pytest.mark.parametrize("name", [*THREE, "leduc2"])
def test_payoffs_and_gains_are_the_reference_games(name: str) -> None:
    """A pure profile's payoffs are each player's plan times its gradient, as ``reference`` has it."""
    game = arrange(from_bytes(pack(name)))
    population, payoffs, _ = grown(game, 4)
    for profile in itertools.islice(itertools.product(range(4), repeat=game.players), 0, None, 7):
        weights = np.eye(4)[list(profile)]
        reach = population.mixture(weights)
        for player in range(game.players):
            own = reference.gradient(game, reach, player)
            base = game.layout.base[game.layout.start[player : player + 2]]
            span = slice(int(base[0]), int(base[1]))
            value = own[game.sequences + player] + reach[span] @ own[span]
            assert payoffs[(player, *profile)] == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("name", THREE)
def test_a_best_response_gains_what_the_engine_says(name: str) -> None:
    """Playing the newest strategy against what it was trained for gains what ``gains`` measured."""
    game = arrange(from_bytes(pack(name)))
    population, payoffs, plans = grown(game, 6)
    for player in range(game.players):
        gains, values = population.gains(plans[-1])
        tensor = payoffs[player]
        for axis in reversed(range(game.players)):
            weights = np.eye(6)[5] if axis == player else np.append(np.full(5, 0.2), 0.0)
            tensor = np.tensordot(tensor, weights, axes=(axis, 0))
        assert float(tensor) == pytest.approx(gains[player] + values[player], abs=1e-12)


def test_the_uniform_profile_has_the_known_exploitability() -> None:
    game = arrange(from_bytes(pack("kuhn3")))
    population = Population(game, 1)
    gains, _ = population.gains(population.mixture(np.ones((3, 1))))
    assert gains.sum() / 3 == pytest.approx(0.6875, abs=1e-12)


def test_four_players_stop_where_memory_ends() -> None:
    assert [referee.largest_population(players) for players in (2, 3, 4)] == [2828, 174, 44]
    assert 4 * 44**4 <= referee.MOST_PAYOFFS < 4 * 45**4


RETURNS = """
import torch
class Rule:
    def __init__(self, game):
        self.game = game
    def train(self, epoch):
        return self.game.uniform()
    def evaluate(self, epoch):
        x = self.game.uniform()
        return {} if epoch > 2 else x
"""


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("x * float('nan')", "not finite for player 1"),
        ("x * float('inf')", "not finite"),
        ("x - torch.arange(len(x)) / 3", "negative weight"),
        ("2 * x", "sums to 2, not 1"),
        ("x[1:]", r"must return a tensor \[6\], not \[5\]"),
        ("None", "not NoneType"),
        ("self.missing", "no attribute 'missing'"),
    ],
)
def test_what_is_no_mixture_is_refused_and_the_curve_kept(expression: str, message: str) -> None:
    with pytest.raises(CandidateError, match=message) as caught:
        played(RETURNS.format(expression), "kuhn2", 4)
    assert caught.value.artifact["epochs"] == [1, 2]
    assert len(caught.value.artifact["exploitability"]) == 2


def test_a_candidate_that_writes_to_the_payoffs_changes_nothing_but_its_own_view() -> None:
    class Vandal(InProcess):
        def call(self, operation: int) -> None:
            super().call(operation)
            self.shared["payoffs"][:] = np.nan

        def open(self, setup: dict[str, Any], arrays: Any) -> dict[str, np.ndarray]:
            self.shared = super().open(setup, arrays)
            return self.shared

    settings = {"checkpoints": [1, 2, 3], "seed": 0}
    honest, vandal = (
        referee.rollout(kind(PROBLEM.rule, PROBLEM.baselines["uniform"]), pack("kuhn3"), settings)
        for kind in (InProcess, Vandal)
    )
    assert honest == vandal


def test_the_same_run_twice_is_equal_to_the_last_bit() -> None:
    first, second = (played(PROBLEM.baselines["rm_plus"], "leduc2", 12) for _ in range(2))
    assert first == second


def test_another_seed_is_another_order_and_another_run_of_the_same_game() -> None:
    """Repeats differ where rounding decides ties, so that a spread can be told."""
    packed, solver = pack("leduc2"), PROBLEM.baselines["rm_plus"]
    plain, again, other = (
        referee.rollout(InProcess(PROBLEM.rule, solver), packed, {"checkpoints": [1, 2, 40], "seed": seed})[
            "exploitability"
        ]
        for seed in (0, 0, 1)
    )
    assert plain == again
    assert other[:2] == pytest.approx(plain[:2], rel=1e-12)
    assert other[2] != plain[2]


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        (PROBLEM.baselines["rm"].replace("def train(self)", "def train(self, payoff)"), "asks for `payoff`"),
        (PROBLEM.baselines["rm"].replace("def evaluate", "def judge"), "no method `evaluate`"),
        (PROBLEM.baselines["rm"].replace("(self, game)", "(self)"), "exactly \\(self, game\\)"),
    ],
)
def test_check_names_the_fault(source: str, fault: str) -> None:
    assert any(fault.replace("\\", "") in found for found in check(source)), check(source)


def test_check_and_rule_know_the_same_quantities() -> None:
    from problems.metasolver import rule

    assert all(METHODS[name] == rule.QUANTITIES[name] for name in ("train", "evaluate"))
