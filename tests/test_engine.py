"""The engine against its plain reference, and the zero snap."""

from __future__ import annotations

import numpy as np
import pytest
from twin import Twin

from problems.games import engine, reference

GAMES = ["kuhn2", "kuhn3", "leduc2", "goofspiel3", "matrix_bos", "first_sealed_auction(max_value=4)"]


def _phase(twin: Twin, policy: np.ndarray, player: int) -> engine.Exchange:
    """What the engine gives ``player`` under a policy."""
    game, state = twin.game, engine.new_state(twin.game)
    exchange = np.full(engine.exchange_size(game), np.nan)
    exchange[: game.entries] = policy
    for learnt in range(game.players - 1):
        assert engine.accept(game.integers, game.numbers, state, exchange, learnt) == -1
    assert engine.step(game.integers, game.numbers, state, exchange, game.players - 1, player) == -1
    engine.opponent_reaches(game.integers, game.numbers, state, exchange, player)
    return engine.Exchange(*np.split(exchange, game.entries * np.arange(1, 4)))


@pytest.mark.parametrize("name", GAMES)
def test_regrets_and_reaches_are_those_of_the_reference(name: str) -> None:
    twin = Twin(name, seed=4)
    game, layout = twin.game, twin.game.layout
    policy = twin.random_policy(5)
    reach = reference.reaches(game, policy)
    for player in range(game.players):
        given = _phase(twin, policy, player)
        infosets = slice(layout.start[player], layout.start[player + 1])
        entries = slice(layout.first[infosets.start], layout.first[infosets.stop])
        expected = reference.regrets(game, policy, player)[entries]
        assert np.abs(given.regret[entries] - expected).max() < 1e-12
        expected = reference.opponent_reach(game, policy, player)[infosets]
        assert given.opponent_reach[infosets] == pytest.approx(expected, abs=1e-14)
        for i in range(infosets.start, infosets.stop):
            cells = range(layout.cells[i], layout.cells[i + 1])
            own = sum(layout.share[c] * reach[layout.parent[c]] for c in cells)
            span = slice(layout.first[i], layout.first[i + 1])
            assert given.realisation[span] == pytest.approx(own * policy[span], abs=1e-14)


@pytest.mark.parametrize("name", GAMES)
def test_exploitability_is_that_of_the_reference(name: str) -> None:
    twin = Twin(name, seed=4)
    policy = twin.random_policy(6)
    expected = reference.exploitability(twin.game, policy)
    assert engine.exploitability(twin.game, policy) == pytest.approx(expected, abs=1e-12)


def test_no_player_gains_at_an_equilibrium_of_kuhn_poker() -> None:
    """Kuhn 1950 with alpha = 0: bet never (0, 1) or always (2) ... player 1's value is -1/18."""
    twin = Twin("kuhn2", seed=1)
    bets = {"0": 0, "1": 0, "2": 0, "0pb": 0, "1pb": 1 / 3, "2pb": 1}
    bets |= {"0p": 1 / 3, "1p": 0, "2p": 1, "0b": 0, "1b": 1 / 3, "2b": 1}
    policy = twin.from_openspiel(lambda infostate: [(0, 1 - bets[infostate]), (1, bets[infostate])])
    assert engine.exploitability(twin.game, policy) == pytest.approx(0.0, abs=1e-15)


def test_a_best_response_leaves_nothing_to_gain() -> None:
    twin = Twin("leduc2", seed=2)
    game, state = twin.game, engine.new_state(twin.game)
    policy = twin.random_policy(1)
    choice, values = np.empty(game.infosets, np.uint32), np.empty((2, 2))
    for player in range(2):
        engine.accept(game.integers, game.numbers, state, policy, player)
    engine.best_responses(game.integers, game.numbers, state, choice, values)
    best = values[0, 0]
    pure = np.zeros(game.entries)
    pure[game.layout.first[:-1] + choice] = 1.0
    engine.accept(game.integers, game.numbers, state, pure, 0)
    engine.best_responses(game.integers, game.numbers, state, choice, values)
    assert values[0] == pytest.approx([best, best], abs=1e-12)


@pytest.mark.parametrize("bad", [-1e-9, np.nan, np.inf, 0.9])
def test_a_policy_that_is_none_is_refused_at_its_infoset(bad: float) -> None:
    game = Twin("kuhn2").game
    policy = engine.uniform(game)
    policy[2] = bad
    assert engine.accept(game.integers, game.numbers, engine.new_state(game), policy, 0) == 1
    assert engine.accept(game.integers, game.numbers, engine.new_state(game), policy, 1) == -1


def test_a_policy_that_is_slightly_off_is_renormalised() -> None:
    game = Twin("kuhn2").game
    policy = engine.uniform(game) * (1.0 + 1e-7)
    state = engine.new_state(game)
    engine.accept(game.integers, game.numbers, state, policy, 0)
    assert state[: game.entries] == pytest.approx(engine.uniform(game), abs=1e-15)


def test_regrets_of_exact_ties_are_zero_and_not_rounding_noise() -> None:
    """Without the snap regret matching would make pure strategies of these."""
    noise = False
    for name in ("kuhn3", "goofspiel3", "goofspiel4"):
        twin = Twin(name)
        policy = engine.uniform(twin.game)
        for player, least in enumerate(twin.game.layout.snap):
            regret = _phase(twin, policy, player).regret
            assert not ((regret != 0.0) & (np.abs(regret) < least)).any()
            plain = reference.regrets(twin.game, policy, player)
            noise |= bool(((plain != 0.0) & (np.abs(plain) < least)).any())
    assert noise
