"""OpenSpiel's PPO (``open_spiel.python.pytorch.ppo``: CleanRL's ``ppo.py``, and masks), for many agents."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import numpy as np

from bench.learning import EPISODES, SEEDS
from problems.learning.environments import PLANS
from problems.learning.envs.base import Environment
from problems.learning.referee import EPOCHS, RATE
from problems.learning.returns import judged
from problems.learning.team import draw
from problems.learning.tree import Tree

DEFAULT_STEPS, DEFAULT_COPIES = 128, 8
"""Of a batch, per copy; and of the environment: those of OpenSpiel's example."""


def spread(scale: float, alike: bool, seeds: int = SEEDS) -> dict[str, Any]:
    """simple_spread_v3 of mpe2, three agents that share one learner."""
    made = [_spread(scale, alike, seed) for seed in range(seeds)]
    return {name: [x for one in made for x in one[name]] for name in ("returns",)} | _cost(made)


def tictactoe(scale: float, alike: bool, seeds: int = SEEDS) -> dict[str, Any]:
    """OpenSpiel's tic_tac_toe, a learner each."""
    from problems.learning.environments import exact

    tree = exact(PLANS["tictactoe"])
    assert isinstance(tree, Tree)
    made = [_tictactoe(scale, alike, seed, tree) for seed in range(seeds)]
    names = ("returns", "exploitability")
    return {name: [x for one in made for x in one[name]] for name in names} | _cost(made)


def _cost(made: list[dict[str, Any]]) -> dict[str, float]:
    return {name: sum(one[name] for one in made) for name in ("cpu", "steps")}


def _learner(environment: str, alike: bool, seed: int, size: int, actions: int, copies: int) -> Any:
    """A PPO of OpenSpiel's for ``copies`` that step together; ``alike``: with our step size and batch."""
    import torch
    from open_spiel.python.pytorch.ppo import PPO, PPOAgent

    torch.manual_seed(seed)
    np.random.seed(seed)  # it shuffles by it
    given: dict[str, Any] = {"steps_per_batch": DEFAULT_STEPS}
    if alike:
        plan = PLANS[environment]
        given = {"learning_rate": plan.options.get("rate", RATE), "num_minibatches": 1, "clip_vloss": False}
        given |= {"update_epochs": EPOCHS, "steps_per_batch": plan.steps}
        if environment == "tictactoe":
            given["steps_per_batch"] = plan.steps // 2  # it counts its own moves
    return PPO((size,), actions, 1, num_envs=copies, agent_fn=PPOAgent, **given)


def _shown(observations: Any, legal: Any) -> list[SimpleNamespace]:
    """As OpenSpiel's environments show it."""
    return [
        SimpleNamespace(observations={"info_state": [x], "legal_actions": [np.flatnonzero(mask)]})
        for x, mask in zip(observations, legal, strict=True)
    ]


def _spread(scale: float, alike: bool, seed: int) -> dict[str, Any]:
    from mpe2 import simple_spread_v3

    plan = PLANS["spread"]
    copies = plan.copies if alike else DEFAULT_COPIES
    budget = round(plan.iterations * scale) * plan.steps * plan.copies
    worlds = [simple_spread_v3.parallel_env() for _ in range(copies)]
    chance = np.random.default_rng([seed, 9])
    begin = [world.reset(seed=int(chance.integers(2**31 - 1)))[0] for world in worlds]
    names = worlds[0].possible_agents
    learner = _learner("spread", alike, seed, 18, 5, copies * len(names))
    free = np.ones((copies * len(names), 5), bool)
    started, taken, seen = time.process_time(), 0, _rows(begin, names)
    updates, batch = max(1, budget // (learner.steps_per_batch * copies)), learner.steps_per_batch
    for update in range(updates):
        if not alike:
            learner.anneal_learning_rate(update, updates)
        for _ in range(batch):
            rewards, over, shown = [], [], []
            chosen = [out.action for out in learner.step(_shown(seen, free))]
            for b, world in enumerate(worlds):
                mine = chosen[b * len(names) : (b + 1) * len(names)]
                now, paid, *_ = world.step(dict(zip(names, mine, strict=True)))
                rewards += [paid[name] for name in names]
                over += [float(not world.agents)] * len(names)
                shown.append(now if world.agents else world.reset()[0])
            learner.post_step(rewards, over)
            seen = _rows(shown, names)
            taken += copies
        learner.learn(_shown(seen, free))
    spent = time.process_time() - started
    return {"cpu": spent, "steps": taken, "returns": [_judged_spread(learner, worlds[0], names)]}


def _rows(shown: list[dict[str, Any]], names: list[str]) -> np.ndarray:
    """[copies * agents, observation]"""
    return np.array([one[name] for one in shown for name in names], np.float32)


def _judged_spread(learner: Any, world: Any, names: list[str]) -> float:
    total, free = 0.0, np.ones((len(names), 5), bool)
    for episode in range(EPISODES):
        seen = world.reset(seed=10_000 + episode)[0]
        while world.agents:
            chosen = [out.action for out in learner.step(_shown(_rows([seen], names), free), True)]
            seen, paid, *_ = world.step(dict(zip(names, chosen, strict=True)))
            total += sum(paid.values()) / len(names)
    return total / EPISODES


def _tictactoe(scale: float, alike: bool, seed: int, tree: Tree) -> dict[str, Any]:
    plan = PLANS["tictactoe"]
    match = Match(alike, seed, plan.copies if alike else DEFAULT_COPIES)
    started = time.process_time()
    match.play(round(plan.iterations * scale) * plan.steps * plan.copies)
    spent = time.process_time() - started
    world = plan.make(EPISODES, np.random.default_rng(7))
    returns = judged(world, match, plan, world.uniform([8]))  # type: ignore[arg-type]
    made = {"cpu": spent, "steps": match.taken, "returns": returns.tolist()}
    return made | {"exploitability": tree.exploitability(match.policies).tolist()}


class Match:
    """Two learners at equally many boards, all of them with the same player to move: where the first player
    ended a game, it opens the next one by a move that is not learnt from.

    Judged as a :class:`problems.learning.team.Team` of one seed is.
    """

    seeds = 1

    def __init__(self, alike: bool, seed: int, copies: int) -> None:
        import pyspiel

        self.game = pyspiel.load_game("tic_tac_toe")
        self.boards = [self.game.new_initial_state() for _ in range(copies)]
        self.learners = [_learner("tictactoe", alike, seed, 27, 9, copies)]
        self.learners.append(_learner("tictactoe", alike, seed + 500, 27, 9, copies))
        self.anneal, self.taken, self.waiting = not alike, 0, [False, False]
        self.paid, self.over = np.zeros((2, copies)), np.zeros((2, copies))

    def play(self, budget: int) -> None:
        """As many moves, all boards together, and the learning between them."""
        updates = budget // (2 * self.learners[0].batch_size) + 1
        while self.taken < budget:
            for player, learner in enumerate(self.learners):
                shown = self._shown(player)
                if self.waiting[player]:
                    learner.post_step(self.paid[player], self.over[player])
                    self.paid[player] = self.over[player] = 0.0
                if learner.cur_batch_idx == learner.steps_per_batch:
                    if self.anneal:
                        learner.anneal_learning_rate(learner.updates_done, updates)
                    learner.learn(shown)
                self._move([out.action for out in learner.step(shown)])
                self.waiting[player] = True
                if player == 0:
                    self._open()

    def _shown(self, player: int) -> list[SimpleNamespace]:
        seen = [board.observation_tensor(player) for board in self.boards]
        return _shown(seen, [board.legal_actions_mask() for board in self.boards])

    def _move(self, actions: list[int]) -> None:
        self.taken += len(actions)
        for b, action in enumerate(actions):
            self.boards[b].apply_action(action)
            if self.boards[b].is_terminal():
                self.paid[:, b], self.over[:, b] = self.boards[b].returns(), 1.0
                self.boards[b] = self.game.new_initial_state()

    def _open(self) -> None:
        """The first player's move on every board that has just been cleared."""
        fresh = [board for board in self.boards if board.move_number() == 0]
        if fresh:
            shown = _shown([board.observation_tensor(0) for board in fresh], np.ones((len(fresh), 9), bool))
            for board, out in zip(fresh, self.learners[0].step(shown, True), strict=True):
                board.apply_action(out.action)

    def logits(self, player: int, seen: np.ndarray) -> np.ndarray:
        """[K, 9] at our observations [K, 18]: the own pieces, and theirs."""
        import torch

        own, theirs = seen[:, :9], seen[:, 9:]
        first, second = (own, theirs) if player == 0 else (theirs, own)
        shown = np.concatenate([1.0 - own - theirs, second, first], 1).astype(np.float32)
        with torch.no_grad():
            made: np.ndarray = self.learners[player].network.actor(torch.as_tensor(shown)).numpy()
        return made

    def act(self, environment: Environment, numbers: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
        seen, legal = environment.observe(), environment.legal()
        every = range(len(environment.agents))
        return [
            draw(environment.agents[i], self.logits(i, seen[i]), legal[i], numbers[i]) for i in every
        ], seen

    def policies(self, player: int, seen: np.ndarray, legal: np.ndarray) -> np.ndarray:
        weights = np.where(legal, np.exp(self.logits(player, seen)), 0.0)
        return (weights / weights.sum(1, keepdims=True))[None]
