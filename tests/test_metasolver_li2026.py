"""PSRO in the arithmetic of the published curves (Li et al. 2026, Figure 4)."""

from __future__ import annotations

import pytest

from problems.games.compile import pack
from problems.games.layout import arrange
from problems.games.tables import from_bytes
from problems.li2026.histories import enumerate_game
from problems.li2026.psro import curve

PUBLISHED = {
    ("uniform", "kuhn2"): [0.45833336, 0.29166668, 0.27777779, 0.20833334],
    ("uniform", "kuhn3"): [0.68750001, 0.38888889, 0.28047839, 0.2139757],
    ("uniform", "liars_dice4"): [0.65505952, 0.6781095, 0.69711681, 0.57719958],
    ("uniform", "goofspiel4"): [0.74652777, 0.57750496, 0.51010528, 0.40768301],
    ("prd", "leduc2"): [2.3736111, 3.3681007, 3.1754257, 2.2719522],
}
"""From no best response added on."""


@pytest.mark.parametrize(("solver", "name"), list(PUBLISHED))
def test_the_published_points_to_seven_digits(solver: str, name: str) -> None:
    points = PUBLISHED[solver, name]
    found = curve(arrange(from_bytes(pack(name))), enumerate_game(name), solver, len(points))
    assert found == pytest.approx(points, rel=3e-7)
