"""Compiling, caching and arranging games; values and NashConv against OpenSpiel."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pyspiel
import pytest
from twin import Twin

from problems.games import GAMES, GameError, engine
from problems.games.compile import Compiler, cached, load
from problems.games.layout import Game, arrange
from problems.games.tables import Tables, from_bytes, to_bytes
from problems.regret import PROBLEM

OTHERS = [
    "goofspiel(imp_info=True,num_cards=3,points_order=descending)",
    "blotto(coins=3,fields=3,players=3)",
    "first_sealed_auction(max_value=4)",
    "matrix_bos",
    "tiny_hanabi",
]
SUITE = [game for wall in PROBLEM.walls.values() for game in wall]
LARGEST = ("leduc3", "goofspiel5")
"""OpenSpiel needs minutes for their NashConv."""
LARGE = ("liars_dice6", "battleship3", "leduc3_iso")
COMPARED = [
    pytest.param(game, marks=[pytest.mark.slow] if game in LARGE else [])
    for game in (*SUITE, *OTHERS)
    if game not in LARGEST
]


def test_the_suite_is_as_large_and_as_varied_as_it_says() -> None:
    assert len(SUITE) >= 18
    assert set(SUITE) == set(GAMES)
    kinds = {load(game).get_type().utility for game in SUITE if game not in LARGEST}
    assert pyspiel.GameType.Utility.GENERAL_SUM in kinds
    assert sum(load(game).num_players() > 2 for game in SUITE) >= 4


@pytest.mark.parametrize("name", COMPARED)
def test_values_and_nash_conv_of_random_policies_are_those_of_openspiel(name: str) -> None:
    twin = Twin(name, seed=1)
    for seed in range(1 if twin.game.infosets > 2000 else 3):
        policy = twin.random_policy(seed)
        values = _values(twin, policy)
        theirs = twin.to_openspiel(policy)
        returns = pyspiel.expected_returns(
            twin.spiel.new_initial_state(), [theirs] * twin.game.players, -1, True
        )
        assert values[:, 1] == pytest.approx(returns, abs=1e-9)
        if twin.spiel.get_type().utility != pyspiel.GameType.Utility.IDENTICAL:
            expected = pyspiel.nash_conv(twin.spiel, theirs)
            assert (values[:, 0] - values[:, 1]).sum() == pytest.approx(expected, abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGEST)
def test_the_largest_games_give_openspiels_values(name: str) -> None:
    """Nearly pure policies leave OpenSpiel little to walk: its values of ours and of our best responses."""
    twin = Twin(name, seed=1)
    game, spiel = twin.game, twin.spiel
    policy = _nearly_pure(game, 7)
    state, values = engine.new_state(game), np.empty((game.players, 2))
    choice = np.empty(game.infosets, np.uint32)
    for player in range(game.players):
        engine.accept(game.integers, game.numbers, state, policy, player)
    engine.best_responses(game.integers, game.numbers, state, choice, values)
    best = np.zeros(game.entries)
    best[game.layout.first[:-1] + choice] = 1.0
    names = {label: i for labels in twin.labels for label, (i, _) in labels.items()}
    actions = {label: legal for labels in twin.labels for label, (_, legal) in labels.items()}

    def walk(node: Any, responder: int) -> np.ndarray:
        if node.is_terminal():
            return np.array(node.returns())
        if node.is_chance_node():
            return sum(p * walk(node.child(a), responder) for a, p in node.chance_outcomes())
        player = node.current_player()
        label = node.information_state_string(player)
        weights = (best if player == responder else policy)[twin.entries(names[label])]
        pairs = zip(actions[label], weights, strict=True)
        return sum(w * walk(node.child(a), responder) for a, w in pairs if w > 0.0)

    root = spiel.new_initial_state()
    assert values[:, 1] == pytest.approx(walk(root, -1), abs=1e-9)
    for player in range(game.players):
        assert values[player, 0] == pytest.approx(walk(root, player)[player], abs=1e-9)


def _nearly_pure(game: Game, seed: int) -> np.ndarray:
    """[S] one action at most infosets, two at one in twenty."""
    random = np.random.default_rng(seed)
    sizes = np.diff(game.layout.first)
    policy = np.zeros(game.entries)
    for part in (1.0, 0.3):
        chosen = game.layout.first[:-1] + random.integers(sizes)
        mixed = random.random(game.infosets) < (1.0 if part == 1.0 else 0.05)
        policy[chosen[mixed]] += part
    return policy / np.repeat(np.add.reduceat(policy, game.layout.first[:-1]), sizes)


def _values(twin: Twin, policy: np.ndarray) -> np.ndarray:
    game, state = twin.game, engine.new_state(twin.game)
    for player in range(game.players):
        assert engine.accept(game.integers, game.numbers, state, policy, player) == -1
    values = np.empty((game.players, 2))
    engine.best_responses(game.integers, game.numbers, state, np.empty(game.infosets, np.uint32), values)
    return values


@pytest.mark.parametrize(
    ("name", "infosets", "entries", "sequences", "uniform"),
    [
        ("kuhn2", 12, 24, 24, 0.4583333),
        ("kuhn3", 48, 96, 96, 0.6875),
        ("leduc2", 936, 2184, 2184, 2.3736111),
        ("goofspiel3", 114, 234, 234, 0.6666667),
        ("goofspiel4", 6056, 12512, 15008, 0.7465278),
        ("liars_dice4", 1024, 2040, 2040, 0.6550596),
        ("liars_dice5", 5120, 10230, 10230, 0.7208709),
    ],
)
def test_sizes_and_uniform_exploitability_are_the_published_ones(
    name: str, infosets: int, entries: int, sequences: int, uniform: float
) -> None:
    """arXiv 2602.16928, figures 3 and 4 at zero updates."""
    game = Twin(name).game
    assert (game.infosets, game.entries, game.sequences) == (infosets, entries, sequences)
    assert engine.exploitability(game, engine.uniform(game)) == pytest.approx(uniform, abs=1e-7)


@pytest.mark.parametrize("name", ["kuhn3", "leduc2", "goofspiel3"])
def test_layout_lets_every_pass_be_one_sweep(name: str) -> None:
    twin = Twin(name, seed=3)
    layout, total = twin.game.layout, twin.game.sequences
    assert sorted(twin.game.order) == list(range(twin.game.entries))
    sizes = np.diff(layout.first)
    for infoset in range(twin.game.infosets):
        for cell in range(layout.cells[infoset], layout.cells[infoset + 1]):
            assert layout.parent[cell] < layout.base[infoset] or layout.parent[cell] >= total
        width = (layout.cells[infoset + 1] - layout.cells[infoset]) * sizes[infoset]
        assert layout.base[infoset + 1] - layout.base[infoset] == width
    changes = np.flatnonzero(np.diff(sizes)) + 1
    assert len(changes) <= 8 * twin.game.players  # infosets of one size lie together, level by level


def test_a_seed_shuffles_infosets_and_actions_and_changes_nothing_else() -> None:
    plain, shuffled, again = (Twin("leduc2", seed) for seed in (None, 1, 1))
    assert np.array_equal(shuffled.game.order, again.game.order)
    assert (shuffled.game.order != plain.game.order).mean() > 0.9
    policy = plain.random_policy(0)
    moved = np.empty_like(policy)
    moved[shuffled.game.order] = policy[plain.game.order]
    for twin, own in ((plain, policy), (shuffled, moved)):
        assert _values(twin, own) == pytest.approx(_values(plain, policy), abs=1e-12)


def test_terminals_that_pay_nobody_are_left_out() -> None:
    tables = Twin("leduc2").tables
    assert 0 < len(tables.terminal_payoffs) < 5520
    assert (tables.terminal_payoffs != 0.0).any(axis=1).all()


def test_tables_survive_the_trip_to_bytes() -> None:
    tables = Twin("kuhn3").tables
    back = from_bytes(to_bytes(tables))
    for field in dataclasses.fields(Tables):
        assert np.array_equal(getattr(back, field.name), getattr(tables, field.name))


def test_a_changed_number_does_not_pass_the_checksum() -> None:
    tables = Twin("kuhn2").tables
    data = to_bytes(tables)
    payoff = tables.terminal_payoffs[3, 0]
    forged = data.replace(payoff.tobytes(), (payoff + 1.0).tobytes(), 1)
    assert forged != data
    with pytest.raises(GameError, match="checksum|cannot be read"):
        from_bytes(forged)


@pytest.mark.parametrize(
    "damage", [lambda data: b"", lambda data: data[:500], lambda data: data[:-60] + b"x" * 60]
)
def test_a_damaged_cache_is_made_anew(tmp_path: Path, damage) -> None:
    game = load("kuhn2")
    data = cached(game, tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(damage(data))
    assert np.array_equal(from_bytes(cached(game, tmp_path)).history_chance, from_bytes(data).history_chance)
    assert from_bytes(file.read_bytes()).players == 2


def test_the_cache_is_read_and_keyed_by_the_game(tmp_path: Path) -> None:
    cached(load("kuhn2"), tmp_path)
    other = to_bytes(Twin("kuhn3").tables)
    (file,) = tmp_path.iterdir()
    file.write_bytes(other)
    assert cached(load("kuhn_poker(players=2)"), tmp_path) == other
    cached(load("kuhn3"), tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_without_a_place_for_the_cache_games_still_compile(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert from_bytes(cached(load("kuhn2"), tmp_path / "file")).players == 2


@pytest.mark.parametrize("name", ["kuhn", "leduc_poker(players=77)", "goofspiel(", "mfg_crowd_modelling"])
def test_a_game_that_cannot_be_compiled_is_said_to_a_person(name: str) -> None:
    with pytest.raises(GameError, match=r"kuhn|leduc|goofspiel|mean-field"):
        Compiler(load(name)).tables()


def test_absent_mindedness_is_refused() -> None:
    tables = Twin("kuhn2").tables
    forgetful = dataclasses.replace(tables, cell_infoset=np.zeros_like(tables.cell_infoset))
    with pytest.raises(GameError, match="absent-minded"):
        arrange(forgetful)
