"""The comparison with Li et al. 2026: what it runs, reads back, and says."""

import time
from pathlib import Path

import pytest
from rich.console import Console

from equilibrist.errors import Usage
from equilibrist.reproduce import Curve, compare, render, reproduce, standings
from problems.li2026.figures import published

ALGORITHMS = ("CFR", "PCFR+")


def test_both_semantics_beside_the_figure(tmp_path: Path):
    curves = reproduce(tmp_path, ["kuhn2", "kuhn3"], ALGORITHMS, updates=300, say=lambda _: None)
    assert [c.semantics for c in curves] == ["paper", "textbook"] * 4
    for curve in curves:
        met = compare(curve)
        if curve.semantics == "paper":
            assert met.agreeing == met.points > 5
            assert met.departs is None
    textbook = next(c for c in curves if c.semantics == "textbook" and c.algorithm == "PCFR+")
    assert compare(textbook).departs is not None
    console = Console(width=140, record=True, file=(tmp_path / "screen").open("w"))
    console.print(render(curves))
    assert "Standings in textbook semantics" in console.export_text()


def test_metasolvers_beside_the_figure(tmp_path: Path):
    """Every published point of Nash, for CVXOPT made it; AlphaRank while its chain is small."""
    curves = reproduce(
        tmp_path, ["kuhn2"], ["Nash", "AlphaRank"], updates=60, say=lambda _: None, problem="metasolver"
    )
    nash, textbook, alpharank, _ = curves
    assert compare(nash).agreeing == compare(nash).points == 61
    assert compare(textbook).departs == 3
    assert alpharank.updates[-1] == 49
    assert compare(alpharank).departs in (None, *range(5, 50))
    assert [row.algorithm for row in standings(curves, "paper")] == ["Nash"]
    with pytest.raises(Usage, match="have no game 'leduc4'"):
        reproduce(tmp_path, ["leduc4"], problem="metasolver")


def test_second_call_reads_back(tmp_path: Path):
    said: list[str] = []
    first = reproduce(tmp_path, ["kuhn3"], ALGORITHMS, say=said.append)
    assert len(said) == 4
    started = time.monotonic()
    assert reproduce(tmp_path, ["kuhn3"], ALGORITHMS, say=said.append) == first
    assert len(said) == 4
    assert time.monotonic() - started < 1.0


def test_a_damaged_result_is_run_again(tmp_path: Path):
    first = reproduce(tmp_path, ["kuhn2"], ["CFR"], ["paper"], updates=20, say=lambda _: None)
    (path,) = (tmp_path / "cache" / "li2026").glob("*.json")
    path.write_text("{")
    again = reproduce(tmp_path, ["kuhn2"], ["CFR"], ["paper"], updates=20, say=lambda _: None)
    assert again[0].exploitability == first[0].exploitability


def test_a_departure_is_seen():
    points = published()["leduc2", "CFR"]
    values = {x: y * (1.0 + 1e-6) if x >= 40 else y for x, y in points.items()}
    curve = _curve("leduc2", "CFR", values)
    met = compare(curve)
    assert met.departs == min(x for x in points if x >= 40)
    assert met.largest_error == pytest.approx(1e-6, rel=1e-3)
    assert met.agreeing == sum(x < 40 for x in points)


def test_solved_games_tie_in_the_standings():
    curves = [
        _curve("kuhn2", "PCFR+", {999: 1e-12}),
        _curve("kuhn2", "DPCFR+", {999: -1e-17}),
        _curve("leduc2", "PCFR+", {999: 1e-2}),
        _curve("leduc2", "DPCFR+", {999: 1e-4}),
        _curve("leduc3", "DPCFR+", {999: 1e-4}),
    ]
    best, worst = standings(curves, "paper")
    assert (best.algorithm, best.mean_rank, worst.mean_rank) == ("DPCFR+", 1.25, 1.75)
    assert best.geometric_mean == pytest.approx(1e-6)
    assert not standings(curves, "textbook")


def _curve(game: str, algorithm: str, values: dict[int, float]) -> Curve:
    return Curve(
        game=game,
        algorithm=algorithm,
        semantics="paper",
        updates=tuple(values),
        exploitability=tuple(values.values()),
        seconds=0.0,
    )


@pytest.mark.parametrize(
    "wrong", [{"games": ["chess"]}, {"algorithms": ["cfr"]}, {"semantics": ["x"]}, {"updates": 1000}]
)
def test_unknown_names_are_refused(tmp_path: Path, wrong: dict):
    with pytest.raises(Usage, match=r"Li et al\.|published curves"):
        reproduce(tmp_path, **{"games": ["kuhn2"], **wrong})
