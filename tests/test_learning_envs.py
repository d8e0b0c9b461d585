"""Environments of problem *learning*: held to PettingZoo's, OpenSpiel's and the literature's."""

from __future__ import annotations

import numpy as np
import pyspiel
import pytest
from open_spiel.python.algorithms import exploitability
from open_spiel.python.policy import UniformRandomPolicy

from problems.learning.environments import PLANS, exact
from problems.learning.envs import boards, fleet, leduc, market, matrix, mpe
from problems.learning.envs.base import Environment, at_random
from problems.learning.returns import played


def fresh(name: str, batch: int = 64, seed: int = 0) -> Environment:
    environment = PLANS[name].make(batch, np.random.default_rng(seed))
    environment.reset(np.ones(batch, bool))
    return environment


def uniform(player: int, observation: np.ndarray, legal: np.ndarray) -> np.ndarray:
    return (legal / legal.sum(1, keepdims=True))[None]


@pytest.mark.parametrize("name", PLANS)
def test_random_play_ends_and_keeps_to_the_shapes(name):
    environment = fresh(name)
    chance = np.random.default_rng(1)
    most = max(agent.actions for agent in environment.agents)
    for _ in range(60):
        seen, legal, acting = environment.observe(), environment.legal(), environment.acting()
        for i, agent in enumerate(environment.agents):
            assert seen[i].shape == (64, agent.observation)
            assert seen[i].dtype == np.float32
            mask = legal[i]
            if mask is not None:
                assert mask.any(1).all()
                assert (mask[~acting[:, i]] == (np.arange(agent.actions) == 0)).all()
        numbers = chance.random((len(environment.agents), 64, most))
        step = environment.step([at_random(environment, i, n) for i, n in enumerate(numbers)])
        assert np.isfinite(step.rewards).all()
        assert step.dead[step.ended].all()
        if step.ended.any():
            environment.reset(step.ended)


@pytest.mark.parametrize(("name", "game"), [("tictactoe", "tic_tac_toe"), ("leduc", "leduc_poker")])
def test_exploitability_of_uniform_play_is_openspiels(name, game):
    known = {"leduc_poker": 2.373611111111111}  # seconds by OpenSpiel, and the figure never changes
    loaded = pyspiel.load_game(game)
    value = known.get(game) or exploitability.exploitability(loaded, UniformRandomPolicy(loaded))
    assert exact(PLANS[name]).exploitability(uniform) == pytest.approx([value], abs=1e-9)


def test_scissors_equilibrium_cannot_be_exploited():
    judge = exact(PLANS["scissors"])
    mixed = np.array([0.25, 0.25, 0.5])
    assert judge.exploitability(lambda *_: mixed[None, None]) == pytest.approx([0.0])
    assert judge.exploitability(uniform) == pytest.approx([1 / 3])
    pure = np.array([1.0, 0.0, 0.0])
    assert judge.exploitability(lambda *_: pure[None, None]) == pytest.approx([2.0])


def test_the_two_players_of_a_board_see_it_from_their_side_and_take_turns():
    environment = fresh("tictactoe", 1)
    for mover, square in ((0, 4), (1, 0), (0, 2), (1, 6)):
        assert environment.acting()[0].tolist() == [mover == 0, mover == 1]
        step = environment.step([np.array([square * (mover == 0)]), np.array([square * (mover == 1)])])
        assert not step.ended[0]
    first, second = environment.observe()
    assert np.flatnonzero(first[0]).tolist() == [2, 4, 9, 15]
    assert np.flatnonzero(second[0]).tolist() == [0, 6, 11, 13]
    assert np.flatnonzero(environment.legal()[0][0]).tolist() == [1, 3, 5, 7, 8]
    step = environment.step([np.array([3]), np.array([0])])
    step = environment.step([np.array([0]), np.array([3])]) if not step.ended[0] else step
    assert not step.ended[0] or step.rewards[0].sum() == 0.0


def test_connect_four_pieces_fall_and_four_in_a_row_win():
    environment = fresh("connect_four", 1)
    for _ in range(3):
        for mover, column in ((0, 3), (1, 5)):
            environment.step([np.array([column if mover == 0 else 0]), np.array([column if mover else 0])])
    step = environment.step([np.array([3]), np.array([0])])
    assert step.ended[0]
    assert step.rewards[0].tolist() == [1.0, -1.0]
    assert np.flatnonzero(environment.board[0, 0]).tolist() == [2 * 7 + 3, 3 * 7 + 3, 4 * 7 + 3, 5 * 7 + 3]


def test_the_tactician_wins_blocks_and_beats_random_play():
    environment = fresh("tictactoe", 1)
    for mover, square in ((0, 0), (1, 3), (0, 1)):
        environment.step([np.array([square * (mover == 0)]), np.array([square * mover])])
    numbers = np.random.default_rng(0).random((1, 9))
    assert boards.tactician(environment, 1, numbers)[0] == 2  # blocks
    environment.step([np.array([0]), np.array([4])])
    assert boards.tactician(environment, 0, numbers)[0] == 2  # wins
    scripts = {0: boards.tactician, 1: at_random}
    mean = played(fresh("connect_four", 256), None, np.random.default_rng(0), scripts)[0]
    assert mean[0] > 0.8


def test_leduc_pays_what_the_rules_say():
    environment = fresh("leduc", 2)
    environment.deal = np.array(
        [[4, 0, 5], [0, 4, 1]]
    )  # king and jack, a king comes; jack and king, a jack comes
    idle = np.zeros(2, int)
    for mover, action in enumerate([leduc.RAISE, leduc.CALL, leduc.CALL, leduc.RAISE]):
        actions = [idle, idle]
        actions[mover % 2] = np.full(2, action)
        assert not environment.step(actions).ended.any()
    step = environment.step([np.full(2, leduc.CALL), idle])
    assert step.ended.all()
    assert step.rewards.tolist() == [[7.0, -7.0], [7.0, -7.0]]  # 1 + 2 + 4


def test_routing_is_braess_paradox():
    environment = fresh("routing", 2)
    step = environment.step([np.array([2, 0]), np.array([2, 0]), np.array([2, 1]), np.array([2, 1])])
    assert step.rewards[0] == pytest.approx([-8.0] * 4)
    assert step.rewards[1] == pytest.approx([-6.5] * 4)


def test_market_prices_of_the_literature_are_optimal():
    environment = fresh("market", 1)
    assert isinstance(environment, market.Market)
    prices = np.linspace(1.0, 2.5, 1501)
    against = environment.profits(np.stack([prices, np.full(1501, 1.473)], 1))[:, 0]
    assert prices[against.argmax()] == pytest.approx(1.473, abs=0.002)
    both = environment.profits(np.stack([prices, prices], 1)).sum(1)
    assert prices[both.argmax()] == pytest.approx(1.925, abs=0.002)


def test_robots_stay_on_the_floor_and_die_of_empty_batteries():
    environment = fresh("fleet", 8)
    assert isinstance(environment, fleet.Fleet)
    environment.robots[:] = 0
    assert [np.flatnonzero(mask[0]).tolist() for mask in environment.legal()] == [[0, 2, 4]] * 3
    for k in range(fleet.Fleet.CHARGE):
        moves = np.full(8, 2 if k % 2 == 0 else 1)
        step = environment.step([moves, np.zeros(8, int), np.zeros(8, int)])
    assert step.dead[:, 0].all()
    assert not step.dead[:, 1].any()
    assert not environment.acting()[:, 0].any()
    assert (environment.legal()[0] == (np.arange(5) == 0)).all()


def test_others_see_a_matrix_game_from_their_own_side():
    environment = fresh("dilemma", 1)
    assert isinstance(environment, matrix.Matrix)
    assert environment.observe()[0][0].tolist() == [1, 0, 0, 0, 0]
    step = environment.step([np.array([0]), np.array([1])])
    assert step.rewards[0].tolist() == [0.0, 4.0]
    assert environment.observe()[0][0].tolist() == [0, 1, 0, 0, 1]
    assert environment.observe()[1][0].tolist() == [0, 0, 1, 1, 0]


WORLDS = {
    "spread": ("simple_spread_v3", ["agent_0", "agent_1", "agent_2"]),
    "speaker_listener": ("simple_speaker_listener_v4", ["speaker_0", "listener_0"]),
    "adversary": ("simple_adversary_v3", ["adversary_0", "agent_0", "agent_1"]),
    "tag": ("simple_tag_v3", ["adversary_0", "adversary_1", "adversary_2", "agent_0"]),
}


@pytest.mark.parametrize("name", WORLDS)
def test_particle_worlds_are_mpe2s_step_by_step(name):
    import importlib

    module, names = WORLDS[name]
    theirs = importlib.import_module(f"mpe2.{module}").parallel_env(max_cycles=mpe.CYCLES)
    chance = np.random.default_rng(3)
    for episode in range(3):
        seen, _ = theirs.reset(seed=episode)
        ours = fresh(name, 1)
        assert isinstance(ours, mpe.World)
        world = theirs.unwrapped.world
        ours.place[0] = [entity.state.p_pos for entity in world.entities]
        ours.place[0, : ours.count] *= 0.4  # close together, so that they collide
        for agent, place in zip(world.agents, ours.place[0], strict=False):
            agent.state.p_pos = place.copy()
        goals = [getattr(agent, mark, None) for agent in world.agents for mark in ("_goal_b", "_goal_a")]
        landmarks = [goal for goal in goals if goal in world.landmarks]
        ours.goal[0] = world.landmarks.index(landmarks[0]) if landmarks else 0
        for _ in range(mpe.CYCLES):
            actions = [int(chance.integers(agent.actions)) for agent in ours.agents]
            seen, rewards, _, over, _ = theirs.step(dict(zip(names, actions, strict=True)))
            step = ours.step([np.array([action]) for action in actions])
            assert step.rewards[0] == pytest.approx([rewards[n] for n in names], abs=1e-5)
            for own, agent in zip(ours.observe(), names, strict=True):
                assert own[0] == pytest.approx(seen[agent], abs=1e-4)
        assert step.ended[0]
        assert all(over.values())
