"""The paper's six meta-strategy solvers, each as what made its curve in Figure 4.

Found by the curves themselves: ``docs/reproduction.md`` says how, and where the paper's text differs.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from problems.inprocess import InProcess
from problems.metasolver import PROBLEM

Tensors = Sequence[np.ndarray]
"""Each player's payoffs, one axis per player."""
NOISE = 1e-7
"""Of AlphaRank's chain."""
MOST_PROFILES = 2500
"""States of AlphaRank's chain, solved densely: 50 strategies of two players, 13 of three, 7 of four."""
AVERAGED_SHOR = """

class Rule(Rule):
    STEPS = 1000
    MORE_STEPS = 0
    LAST_STEPS = 8000
    LAST_MORE_STEPS = 0

    def evaluate(self, epoch):
        super().evaluate(epoch)
        return self.game.normalise(self.average)
"""
"""What Figure 4 shows of SHOR-PSRO: 1,000 and 8,000 inner steps whatever the population; averages in both."""


class MissingLibrary(Exception):
    """A library that is not among the requirements is needed."""


def candidate(solver: str) -> Any:
    """What ``play`` asks: a solver of ``SOLVERS``. Raises MissingLibrary."""
    return SOLVERS[solver]()


def most_strategies(solver: str, players: int) -> int:
    """Populations larger than that are out of reach; 0 where the solver is not for so many players."""
    if solver == "Nash":
        return 100 if players == 2 else 0
    return int(MOST_PROFILES ** (1 / players) + 1e-9) if solver == "AlphaRank" else 100


class Program(InProcess):
    """A program, with denormal numbers left alone: OpenSpiel's sums have them."""

    def __init__(self, source: str) -> None:
        super().__init__(PROBLEM.rule, source)

    def open(
        self, setup: dict[str, Any], arrays: list[tuple[str, str, tuple[int, ...]]]
    ) -> dict[str, np.ndarray]:
        shared = super().open(setup, arrays)
        torch.set_flush_denormal(False)
        return shared


class Function:
    """A candidate that is one function of the payoffs, for training and evaluation."""

    def __init__(self, solve: Callable[[Tensors], Sequence[np.ndarray]]) -> None:
        self._solve, self._solved = solve, 0

    def open(
        self, setup: dict[str, Any], arrays: list[tuple[str, str, tuple[int, ...]]]
    ) -> dict[str, np.ndarray]:
        self._shared = {name: np.zeros(shape, dtype) for name, dtype, shape in arrays}
        return self._shared

    def call(self, operation: int) -> None:
        size = int(self._shared["size"][0])
        if size != self._solved:
            corner = (slice(size),) * len(self._shared["payoffs"])
            payoffs = [np.ascontiguousarray(tensor[corner]) for tensor in self._shared["payoffs"]]
            self._shared["mixtures"][:, :size] = self._solve(payoffs)
            self._solved = size


def interior_nash(payoffs: Tensors) -> Sequence[np.ndarray]:
    """Both players' linear programs as OpenSpiel's ``lp_solver`` gave them to CVXOPT, an interior point.

    It ends near the analytic centre of the optimal face, to about 1e-9, and not at a vertex.
    """
    try:
        import cvxopt
    except ImportError as error:
        raise MissingLibrary("the published Nash curves come from CVXOPT (pip install cvxopt)") from error
    return [_interior(payoffs[0], cvxopt), _interior(payoffs[1].T, cvxopt)]


def _interior(payoffs: np.ndarray, cvxopt: Any) -> np.ndarray:
    """max v subject to x payoffs >= v, x a mixture of the rows; negative round-off becomes zero."""
    rows, columns = payoffs.shape
    bounds = np.zeros((columns + rows, rows + 1))
    bounds[:columns, :rows], bounds[:columns, rows] = -payoffs.T, 1.0
    bounds[columns:, :rows] = -np.eye(rows)
    matrix, sparse = cvxopt.matrix, cvxopt.sparse
    found = cvxopt.solvers.lp(
        matrix(np.append(np.zeros(rows), -1.0)),
        sparse(matrix(bounds)),
        matrix(np.zeros(columns + rows)),
        sparse(matrix(np.append(np.ones(rows), 0.0)[None])),
        matrix([1.0]),
        options={"show_progress": False},
    )
    x = np.maximum(np.array(found["x"]).ravel()[:rows], 0.0)
    return x / x.sum()


def alpha_rank(payoffs: Tensors, noise: float = NOISE) -> Sequence[np.ndarray]:
    """Marginals of AlphaRank's chain at infinite intensity (Omidshafiei et al. 2019; Rowland et al. 2019).

    From every profile one player deviates to another strategy with chance ``1 - noise`` if that pays,
    ``noise`` if it costs, one half if neither; OpenSpiel's ``alpharank`` with ``use_inf_alpha``.
    """
    shape = payoffs[0].shape
    chain = _deviations(payoffs, noise)
    np.fill_diagonal(chain, -chain.sum(axis=1))
    system = chain.T.copy()
    system[-1] = 1.0  # the chances sum to one; any one equation of the others is redundant
    right = np.zeros(len(system))
    right[-1] = 1.0
    joint = np.maximum(np.linalg.solve(system, right), 0.0).reshape(shape)
    marginals = [
        joint.sum(axis=tuple(a for a in range(len(shape)) if a != axis)) for axis in range(len(shape))
    ]
    return [own / own.sum() for own in marginals]


def _deviations(payoffs: Tensors, noise: float) -> np.ndarray:
    """[profiles, profiles] rates, up to a factor."""
    shape = payoffs[0].shape
    number = np.arange(payoffs[0].size).reshape(shape)
    chain = np.zeros((number.size, number.size))
    for axis, tensor in enumerate(payoffs):
        worth, place = (np.moveaxis(x, axis, 0).reshape(shape[axis], -1) for x in (tensor, number))
        for old, new in itertools.permutations(range(shape[axis]), 2):
            pays = np.where(worth[new] > worth[old], 1.0 - noise, noise)
            chain[place[old], place[new]] = np.where(
                np.isclose(worth[new], worth[old], atol=1e-14), 0.5, pays
            )
    return chain


SOLVERS: dict[str, Callable[[], Any]] = {
    "Uniform": partial(Program, PROBLEM.baselines["uniform"]),
    "Nash": partial(Function, interior_nash),
    "AlphaRank": partial(Function, alpha_rank),
    "PRD": partial(Program, PROBLEM.baselines["prd"]),
    "RM": partial(Program, PROBLEM.baselines["rm"]),
    "SHOR-PSRO": partial(Program, PROBLEM.baselines["shor_psro"] + AVERAGED_SHOR),
}
"""By the paper's names."""
