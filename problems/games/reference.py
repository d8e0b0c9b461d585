"""What the engine computes, said plainly: NumPy and Python loops, slow. Tests hold the engine to it."""

from __future__ import annotations

import numpy as np

from problems.games.layout import Game


def reaches(game: Game, policy: np.ndarray) -> np.ndarray:
    """[X + N] own reach of every sequence under a policy [S]."""
    reach = np.ones(game.sequences + game.players)
    for infoset in range(game.infosets):
        own = policy[game.layout.first[infoset] : game.layout.first[infoset + 1]]
        for cell, sequences in _cells(game, infoset):
            reach[sequences] = reach[game.layout.parent[cell]] * own
    return reach


def gradient(game: Game, reach: np.ndarray, player: int) -> np.ndarray:
    """[X + N] expected payoff right after each of a player's sequences, own reach left out; else zero."""
    layout = game.layout
    result = np.zeros(game.sequences + game.players)
    others = layout.column.reshape(-1, game.players - 1)
    for sequence in _sequences(game, player):
        entries = slice(layout.row[sequence], layout.row[sequence + 1])
        result[sequence] = np.sum(layout.payoff[entries] * np.prod(reach[others[entries]], axis=1))
    return result


def regrets(game: Game, policy: np.ndarray, player: int) -> np.ndarray:
    """[S] counterfactual regrets of a player (not snapped), zero elsewhere."""
    quality = gradient(game, reaches(game, policy), player)
    result = np.zeros(game.entries)
    for infoset in reversed(range(*game.layout.start[player : player + 2])):
        entries = slice(game.layout.first[infoset], game.layout.first[infoset + 1])
        for cell, sequences in _cells(game, infoset):
            value = policy[entries] @ quality[sequences]
            result[entries] += quality[sequences] - value
            quality[game.layout.parent[cell]] += value
    return result


def opponent_reach(game: Game, policy: np.ndarray, player: int) -> np.ndarray:
    """[I] reach of everybody but the player at each of its infosets; zero elsewhere."""
    layout, reach = game.layout, reaches(game, policy)
    others = layout.history_column.reshape(-1, game.players - 1)
    result = np.zeros(game.infosets)
    for infoset in range(*layout.start[player : player + 2]):
        histories = slice(layout.history_row[infoset], layout.history_row[infoset + 1])
        result[infoset] = np.sum(layout.chance[histories] * np.prod(reach[others[histories]], axis=1))
    return result


def best_response(game: Game, policy: np.ndarray, player: int) -> tuple[float, float]:
    """A player's values of a best response to, and under, a policy [S]."""
    reach = reaches(game, policy)
    quality = gradient(game, reach, player)
    value = sum(reach[s] * quality[s] for s in _sequences(game, player))
    for infoset in reversed(range(*game.layout.start[player : player + 2])):
        cells = list(_cells(game, infoset))
        best = int(np.argmax(sum(quality[sequences] for _, sequences in cells)))
        for cell, sequences in cells:
            quality[game.layout.parent[cell]] += quality[sequences][best]
    return float(quality[game.sequences + player]), float(value)


def exploitability(game: Game, policy: np.ndarray) -> float:
    """NashConv / players."""
    values = [best_response(game, policy, player) for player in range(game.players)]
    return sum(best - value for best, value in values) / game.players


def _cells(game: Game, infoset: int) -> list[tuple[int, slice]]:
    """An infoset's cells and their sequences."""
    layout = game.layout
    size = int(layout.first[infoset + 1]) - int(layout.first[infoset])
    starts = range(int(layout.base[infoset]), int(layout.base[infoset + 1]), size)
    cells = range(int(layout.cells[infoset]), int(layout.cells[infoset + 1]))
    return [(cell, slice(start, start + size)) for cell, start in zip(cells, starts, strict=True)]


def _sequences(game: Game, player: int) -> list[int]:
    start = game.layout.start
    own = range(int(game.layout.base[start[player]]), int(game.layout.base[start[player + 1]]))
    return [*own, game.sequences + player]
