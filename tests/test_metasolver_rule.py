"""The meta-game that rules see: compiled loops against the same as written, solvers against OpenSpiel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from open_spiel.python.algorithms.projected_replicator_dynamics import projected_replicator_dynamics
from open_spiel.python.algorithms.regret_matching import regret_matching
from open_spiel.python.egt import alpharank

from problems.metasolver import PROBLEM
from problems.metasolver.rule import MetaGame
from problems.metasolver.rule.loop import Loop
from problems.metasolver.rule.trace import Unrecordable

torch.set_default_dtype(torch.float64)
SHAPES = ((5, 5), (1, 1), (4, 4, 4), (3, 3, 3, 3))


def game(shape: tuple[int, ...], seed: int = 0, scale: float = 1.0) -> MetaGame:
    random = np.random.default_rng(seed)
    made = MetaGame(len(shape))
    made.update([scale * random.normal(size=shape) for _ in shape])
    return made


def solved(name: str, made: MetaGame, method: str = "train", **constants: Any) -> torch.Tensor:
    program: dict[str, Any] = {}
    exec(PROBLEM.baselines[name], program)
    rule = program["Rule"](made)
    for constant, value in constants.items():
        setattr(rule, constant, value)
    solver: Callable[..., torch.Tensor] = getattr(rule, method)
    return solver(*([made.sizes[0]] if "epoch" in solver.__code__.co_varnames else []))


class Steps:
    """Inner loops of many kinds; each is run recorded and as written."""

    RATE = 0.3

    def __init__(self, made: MetaGame) -> None:
        self.game = made
        self.memory = made.ones()
        self.level = made.sum(made.zeros())
        self.rate = 0.7

    def arithmetic(self, t: Any, payoff: Any, strategy: Any) -> Any:
        self.memory = 0.5 * self.memory - strategy / (t + 1) + (2 * payoff) ** 2 % 3
        return self.game.softmax(-self.memory + t**0.5 - 1)

    def functions(self, payoff: Any, strategy: Any) -> Any:
        x = torch.where(payoff > 0, torch.sqrt(torch.abs(payoff)), torch.tanh(payoff).clamp(min=-0.5, max=2))
        x = torch.maximum(x, torch.sign(strategy - 0.2)) + torch.log(torch.exp(x) + torch.relu(x)).square()
        return self.game.normalise(torch.lerp(x, strategy, 0.25))

    def per_player(self, payoff: Any, strategy: Any) -> Any:
        self.level = self.level + self.game.max(payoff) - self.game.min(payoff) * self.game.mean(strategy)
        spread = self.game.expand(self.level) / self.game.strategies.sum().item()
        return self.game.project(strategy + self.rate * (payoff - spread), 0.01)

    def in_place(self, t: Any, payoff: Any, strategy: Any) -> Any:
        old = self.memory.clone()
        self.memory.mul_(self.RATE).add_(payoff, alpha=t)
        return self.game.normalise(old - self.memory + torch.add(strategy, payoff, alpha=2))

    def conditions_on_time(self, t: Any, payoff: Any, strategy: Any) -> Any:
        if t == 3:
            self.memory = 0 * self.memory
        if t > 5:
            self.memory = self.memory + max(t - 6, 1) * strategy
        return self.game.softmax(payoff + 0.01 * self.memory)


@pytest.mark.parametrize("alternating", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "name", [name for name in vars(Steps) if not name.startswith("__") and name.islower()]
)
def test_a_recorded_loop_is_the_loop_as_written(name: str, shape: tuple[int, ...], alternating: bool) -> None:
    made = game(shape)
    recorded, written = Steps(made), Steps(made)
    strategy, here = made.uniform(), made.uniform()
    names = (
        ["t", "payoff", "strategy"]
        if "t" in getattr(Steps, name).__code__.co_varnames
        else ["payoff", "strategy"]
    )
    loop = Loop(made, getattr(recorded, name), names, strategy, alternating)
    loop.run(9)
    plain = Loop(made, getattr(written, name), names, here, alternating)
    plain.done = 0
    plain.run_as_written(9)
    torch.testing.assert_close(strategy, here, rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(recorded.memory, written.memory, rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(recorded.level, written.level, rtol=1e-9, atol=1e-11)


class Stubborn:
    """What cannot be recorded, and is run as written."""

    def __init__(self, made: MetaGame) -> None:
        self.game, self.count, self.notes, self.shares = made, 0, [made.zeros()], made.zeros()

    def counts(self, strategy: Any) -> Any:
        self.count += 1
        return strategy

    def depends_on_data(self, payoff: Any, strategy: Any) -> Any:
        return strategy if payoff[0] > 0 else self.game.uniform()


@pytest.mark.parametrize("name", ["counts", "depends_on_data"])
def test_what_cannot_be_recorded_runs_as_written(name: str) -> None:
    made = game((3, 3))
    rule = Stubborn(made)
    with pytest.raises(Unrecordable):
        Loop(
            made,
            getattr(rule, name),
            ["strategy"] if name == "counts" else ["payoff", "strategy"],
            made.uniform(),
            False,
        ).run(2)
    rule = Stubborn(made)
    torch.testing.assert_close(made.repeat(getattr(rule, name), 4, alternating=False), made.uniform())
    assert rule.count == (4 if name == "counts" else 0)


def test_a_shape_that_does_not_fit_is_the_programs_error() -> None:
    made = game((3, 3))

    class Wrong:
        def step(self, payoff: Any) -> Any:
            return payoff + made.max(payoff)

    with pytest.raises(RuntimeError, match="size of tensor"):
        made.repeat(Wrong().step, 3)


@pytest.mark.parametrize("shape", [(4, 4), (3, 3, 3), (2, 2, 2, 2)])
@pytest.mark.parametrize("seed", range(3))
def test_replicator_dynamics_and_regret_matching_are_openspiels(shape: tuple[int, ...], seed: int) -> None:
    made = game(shape, seed)
    tensors = [tensor.numpy() for tensor in made.payoffs]
    theirs = projected_replicator_dynamics(tensors, prd_iterations=300, prd_dt=1e-2, prd_gamma=1e-6)
    mine = solved("prd", made, STEPS=300, DT=1e-2)
    np.testing.assert_allclose(mine.numpy(), np.concatenate(theirs), rtol=1e-9)
    theirs = regret_matching(tensors, iterations=300)
    np.testing.assert_allclose(solved("rm", made, STEPS=300).numpy(), np.concatenate(theirs), rtol=1e-9)


@pytest.mark.parametrize("shape", [(1, 1), (4, 4), (5, 5), (3, 3, 3), (2, 2, 2, 2)])
@pytest.mark.parametrize("ties", [False, True])
def test_alpharank_is_openspiels(shape: tuple[int, ...], ties: bool) -> None:
    made = game(shape)
    if ties:
        made.update([np.round(tensor.numpy()) for tensor in made.payoffs])
    tensors = [tensor.numpy() for tensor in made.payoffs]
    *_, joint, _, _ = alpharank.compute(tensors, use_inf_alpha=True, inf_alpha_eps=0.01)
    for axis, own in enumerate(torch.split(solved("alpharank", made), made.sizes)):
        others = tuple(a for a in range(len(shape)) if a != axis)
        assert own.numpy() == pytest.approx(np.reshape(joint, shape).sum(axis=others), abs=1e-7)


def test_alpharank_ranks_the_newest_where_profiles_are_many() -> None:
    made = game((6, 6, 6))
    mixtures = solved("alpharank", made, MOST=30).reshape(3, 6)
    newest = MetaGame(3)
    newest.update([np.ascontiguousarray(tensor[3:, 3:, 3:].numpy()) for tensor in made.payoffs])
    torch.testing.assert_close(mixtures[:, 3:].reshape(-1), solved("alpharank", newest), atol=1e-7, rtol=0)
    assert (mixtures[:, :3] == 0).all()


def shor(tensors: list[np.ndarray], epoch: int, training: bool) -> list[np.ndarray]:
    """Listing 6 of Li et al. 2026, player by player."""
    n = tensors[0].shape[0]
    p = min(1.0, epoch / 75)
    blend, temperature, bonus, momentum, steps = 0.01, 0.001, 0.0, 0.2, min(15000, 8000 + 50 * (n - 1))
    if training:
        blend, temperature, bonus = (
            0.3 * (1 - p) + 0.05 * p,
            0.5 * (1 - p) + 0.01 * p,
            0.05 * (1 - p) + 0.001 * p,
        )
        momentum, steps = 0.5, min(5000, 1000 + 20 * (n - 1))
    x = [np.ones(n) / n for _ in tensors]
    regrets, last, total = ([np.zeros(n) for _ in tensors] for _ in range(3))
    for _ in range(steps):
        for i, u in enumerate(tensors):
            for j in reversed(range(len(tensors))):
                u = u if j == i else np.tensordot(u, x[j], axes=(j, 0))
            gain = u - u.mean()
            push = (1 + momentum) * gain - momentum * last[i] + bonus * (1 - x[i])
            if np.abs(push).max() > 1e-8:
                push = push / np.abs(push).max()
            regrets[i] = np.maximum(0.0, regrets[i] + push)
            matched = regrets[i] / regrets[i].sum() if regrets[i].sum() > 1e-12 else np.ones(n) / n
            soft = np.exp((u - u.max()) / temperature)
            x[i] = (1 - blend) * matched + blend * soft / soft.sum()
            last[i] = gain
            total[i] += x[i]
    return [own / own.sum() for own in total] if training else x


@pytest.mark.parametrize("shape", [(3, 3), (2, 2, 2)])
def test_shor_psro_is_its_listing(shape: tuple[int, ...]) -> None:
    made = game(shape)
    tensors = [tensor.numpy() for tensor in made.payoffs]
    mine = solved("shor_psro", made, "train")
    np.testing.assert_allclose(
        mine.numpy(), np.concatenate(shor(tensors, shape[0], True)), rtol=1e-6, atol=1e-9
    )


def test_shor_psros_evaluation_is_its_listing_on_a_game_with_a_solution() -> None:
    made = game((3, 3))
    made.update(
        [np.array([[3.0, 1.0, 2.0], [0.0, 0.5, 1.0], [1.0, 0.0, 0.0]]), np.array([[1.0, 2.0, 0.0]] * 3)]
    )
    mine = solved("shor_psro", made, "evaluate")
    theirs = shor([tensor.numpy() for tensor in made.payoffs], 3, False)
    np.testing.assert_allclose(mine.numpy(), np.concatenate(theirs), atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_nash_cannot_be_exploited_in_a_zero_sum_game(seed: int) -> None:
    made = game((6, 6), seed)
    made.update([made.payoffs[0].numpy(), -made.payoffs[0].numpy()])
    mixtures = solved("nash", made)
    payoff = made.payoff(mixtures)
    assert float((made.max(payoff) - made.sum(payoff * mixtures)).sum()) == pytest.approx(0.0, abs=1e-9)


def test_nash_by_linear_programming_is_for_two_players() -> None:
    with pytest.raises(ValueError, match="two players"):
        game((2, 2, 2)).nash()


@pytest.mark.parametrize("name", sorted(PROBLEM.baselines))
@pytest.mark.parametrize("method", ["train", "evaluate"])
@pytest.mark.parametrize(
    ("shape", "scale"), [((1, 1), 1.0), ((3, 3), 0.0), ((4, 4), 1e9), ((4, 4), 1e-12), ((3, 3, 3), 1e6)]
)
def test_every_solver_answers_degenerate_games(
    name: str, method: str, shape: tuple[int, ...], scale: float
) -> None:
    made = game(shape, scale=scale)
    mixtures = solved(name, made, method)
    assert torch.isfinite(mixtures).all()
    assert (mixtures >= 0).all()
    torch.testing.assert_close(made.sum(mixtures), torch.ones(len(shape)))


@pytest.mark.parametrize("players", [3, 4])
def test_large_populations_of_few_dimensions_are_compressed(players: int) -> None:
    """Exactly: the payoffs of 20 strategies that mix three."""
    random = np.random.default_rng(1)
    core = [random.normal(size=(3,) * players) for _ in range(players)]
    mixes = [random.dirichlet(np.ones(3), 20) for _ in range(players)]
    tensors = []
    for tensor in core:
        for mix in mixes:
            tensor = np.tensordot(tensor, mix, axes=(0, 1))
        tensors.append(tensor)
    made = MetaGame(players)
    made.update(tensors)
    assert made._tables()[1].tolist() == [3] * players
    rule = Steps(made)
    x = made.repeat(rule.per_player, 1, alternating=False)
    plain = Steps(made)
    torch.testing.assert_close(x, plain.per_player(made.payoff(made.uniform()), made.uniform()))
    tensors[0][1, 2] += 0.1 * random.normal(size=tensors[0][1, 2].shape)
    made.update(tensors)
    expected = Steps(made).per_player(made.payoff(made.uniform()), made.uniform())
    torch.testing.assert_close(made.repeat(Steps(made).per_player, 1, alternating=False), expected)


def test_distributions_keep_nan_to_be_refused() -> None:
    made = game((3, 3))
    x = made.zeros()
    x[0] = float("nan")
    for helper in (made.normalise, made.softmax, made.project):
        assert not torch.isfinite(helper(x)).all()
