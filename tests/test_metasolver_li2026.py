"""PSRO in the arithmetic of the published curves (Li et al. 2026, Figure 4)."""

from __future__ import annotations

import numpy as np
import pytest
from open_spiel.python.egt import alpharank

from problems.games.compile import pack
from problems.games.layout import arrange
from problems.games.tables import from_bytes
from problems.li2026.figures import published_psro
from problems.li2026.histories import enumerate_game
from problems.li2026.metasolvers import alpha_rank, interior_nash
from problems.li2026.psro import curve

MET = {
    ("Uniform", "kuhn2"): 100,
    ("Uniform", "kuhn3"): 12,
    ("Uniform", "goofspiel4"): 4,
    ("Uniform", "liars_dice4"): 12,
    ("Nash", "kuhn2"): 40,
    ("Nash", "goofspiel3"): 20,
    ("Nash", "leduc2"): 10,
    ("AlphaRank", "kuhn2"): 5,
    ("AlphaRank", "leduc2"): 5,
    ("PRD", "leduc2"): 12,
    ("PRD", "kuhn3"): 6,
    ("RM", "kuhn3"): 5,
    ("RM", "leduc2"): 6,
    ("SHOR-PSRO", "kuhn2"): 18,
    ("SHOR-PSRO", "leduc2"): 8,
    ("SHOR-PSRO", "goofspiel4"): 7,
    ("SHOR-PSRO", "liars_dice4"): 4,
}
"""Published points from the first on that are met to seven digits."""


@pytest.mark.parametrize(("solver", "name"), list(MET))
def test_the_published_points_to_seven_digits(solver: str, name: str) -> None:
    points = [published_psro()[name, solver][k] for k in range(MET[solver, name])]
    found = curve(arrange(from_bytes(pack(name))), enumerate_game(name), solver, len(points))
    assert found == pytest.approx(points, rel=5e-7, abs=1e-15)


@pytest.mark.parametrize("shape", [(1, 1), (3, 4), (2, 3, 2)])
def test_alpharank_is_openspiels(shape: tuple[int, ...]) -> None:
    payoffs = [np.random.default_rng(player).normal(size=shape) for player in range(len(shape))]
    *_, joint, _, _ = alpharank.compute(payoffs, use_inf_alpha=True, inf_alpha_eps=0.01)
    for axis, own in enumerate(alpha_rank(payoffs, noise=0.01)):
        others = tuple(a for a in range(len(shape)) if a != axis)
        assert own == pytest.approx(joint.reshape(shape).sum(axis=others), abs=1e-9)


def test_an_interior_point_ends_in_the_middle_of_the_optimal_face() -> None:
    first, second = interior_nash([np.zeros((3, 2)), np.zeros((3, 2))])
    assert first == pytest.approx([1 / 3] * 3)
    assert second == pytest.approx([1 / 2] * 2)
