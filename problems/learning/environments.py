"""Every environment of ours by name: how it is trained on and judged. Names are on walls in
``__init__.py``."""

from __future__ import annotations

from functools import partial

import numpy as np

from problems.learning.envs import boards, fleet, leduc, market, matrix, mpe
from problems.learning.envs.base import Plan, at_random
from problems.learning.tree import OneShot, Tree

PLANS: dict[str, Plan] = {
    "scissors": Plan(
        partial(matrix.Matrix, payoffs=matrix.SCISSORS, rounds=1), 60, 1, 64, 1.5, 0.0, "exploitability"
    ),
    "dilemma": Plan(partial(matrix.Matrix, payoffs=matrix.DILEMMA, rounds=16), 40, 16, 16, 16.0, 48.0),
    "routing": Plan(matrix.Routing, 30, 16, 16, -64.0, -52.0),
    "tictactoe": Plan(
        partial(boards.Board, rows=3, columns=3, run=3, falls=False),
        *(40, 27, 32, 0.0, 0.95, "scripts", at_random),
        tree=True,
    ),
    "spread": Plan(mpe.Spread, 50, 25, 16, -26.2, -17.0, options={"rate": 1e-3}),
    "stag_hunt": Plan(partial(matrix.Matrix, payoffs=matrix.STAG_HUNT, rounds=16), 60, 16, 16, 32.0, 64.0),
    "market": Plan(market.Market, 80, 20, 8, 1.99, 3.37),
    "speaker_listener": Plan(mpe.SpeakerListener, 100, 25, 16, -43.1, -10.0),
    "leduc": Plan(leduc.Leduc, 100, 16, 64, 2.37, 0.0, "exploitability"),
    "chicken": Plan(partial(matrix.Matrix, payoffs=matrix.CHICKEN, rounds=16), 60, 16, 16, 32.0, 48.0),
    "congestion": Plan(
        partial(matrix.Congestion, users=6, slopes=(1.0, 1.0, 2.0), offsets=(0.0, 1.0, 0.0)),
        *(40, 16, 16, -31.3, -22.7),
    ),
    "fleet": Plan(fleet.Fleet, 100, 24, 16, 2.5, 10.0),
    "adversary": Plan(mpe.Adversary, 80, 25, 16, -15.9, -4.6, "scripts", mpe.steered),
    "tag": Plan(mpe.Tag, 80, 25, 16, -29.9, -9.7, "scripts", mpe.steered),
    "connect_four": Plan(
        partial(boards.Board, rows=6, columns=7, run=4, falls=True),
        *(80, 42, 16, -0.92, 0.0, "scripts", boards.tactician),
    ),
}
"""What counts as 0: random play, or where it is worse the selfish equilibrium (dilemma, routing, stag hunt)
or, in scissors, pure play; against scripts, random play against them. As 1: the common optimum of matrix,
congestion and market; the scripts' own play against each other; figures above what the known rules reach
elsewhere. Measured over 512 episodes."""


def exact(plan: Plan) -> Tree | OneShot:
    """What measures exploitability in an environment that is small enough."""
    environment = plan.make(1, np.random.default_rng(0))
    if isinstance(environment, matrix.Matrix):
        return OneShot(environment.payoffs.astype(float))
    deals = len(leduc.DEALS) if isinstance(environment, leduc.Leduc) else 1
    environment = plan.make(deals, np.random.default_rng(0))
    environment.reset(np.ones(deals, bool))
    if isinstance(environment, leduc.Leduc):
        environment.deal = leduc.DEALS.copy()
    return Tree(environment, np.full(deals, 1.0 / deals))
