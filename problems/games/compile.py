"""OpenSpiel games -> tables, cached on disk. The only file that needs OpenSpiel."""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import os
import tempfile
from array import array
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyspiel

from problems.brought import kept
from problems.games import GAMES, GameError
from problems.games.tables import FORMAT, Tables, from_bytes, to_bytes

MAX_HISTORIES = 5_000_000
"""Above this a game is refused: minutes to enumerate, gigabytes to hold."""


@lru_cache(maxsize=8)
def pack(name: str) -> bytes:
    """The compiled game as bytes without code, from the user's cache or made now.

    Args:
        name: a short id of ``GAMES``, an OpenSpiel string, e.g. ``kuhn_poker(players=3)``, or the name of a
            game that was brought (``problems.brought``).

    Raises:
        GameError: OpenSpiel does not know the game, or it does not fit the sequence form.
    """
    return kept(name) or cached_here(load(name))


def cached_here(game: Any) -> bytes:
    """The compiled game from the user's cache, or compiled and put there."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cached(game, cache / "equilibrist" / "games")


def cached(game: Any, folder: Path) -> bytes:
    """The compiled game from ``folder``, or compiled and put there; a damaged file is replaced."""
    key = hashlib.sha256(f"{FORMAT} {game}".encode()).hexdigest()[:24]
    path = folder / f"{key}.npz"
    with contextlib.suppress(OSError, GameError):
        data = path.read_bytes()
        from_bytes(data)
        return data
    data = to_bytes(Compiler(game).tables())
    with contextlib.suppress(OSError):  # without a cache it only takes longer
        _write(path, data)
    return data


def load(name: str) -> Any:
    """OpenSpiel's game, made turn-based where players move at once."""
    text = GAMES.get(name, name)
    family, known = text.partition("(")[0].strip(), pyspiel.registered_names()
    if family not in known:
        near = difflib.get_close_matches(family, [*GAMES, *known], n=3)
        hint = f" Near it: {', '.join(near)}." if near else ""
        raise GameError(f"OpenSpiel cannot load the game {name!r}: it has none of that name.{hint}")
    try:
        game = pyspiel.load_game(text)
    except (pyspiel.SpielError, RuntimeError) as error:
        raise GameError(f"OpenSpiel cannot load the game {name!r}: {error}") from error
    return playable(game, name)


def playable(game: Any, name: str) -> Any:
    """The game, turn-based. Raises GameError where it has no tree or no infosets."""
    kind = game.get_type()
    if kind.dynamics == pyspiel.GameType.Dynamics.SIMULTANEOUS:
        game = pyspiel.convert_to_turn_based(game)
    elif kind.dynamics != pyspiel.GameType.Dynamics.SEQUENTIAL:
        raise GameError(f"The game {name!r} is neither sequential nor simultaneous (a mean-field game?).")
    if kind.chance_mode == pyspiel.GameType.ChanceMode.SAMPLED_STOCHASTIC:
        raise GameError(f"The game {name!r} only samples its chance moves, so its tree cannot be listed.")
    if not kind.provides_information_state_string:
        raise GameError(f"The game {name!r} does not name its information states.")
    return game


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all, also when two processes write the same game."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        try:
            file.write(data)
            file.flush()
            Path(file.name).replace(path)
        except OSError:
            Path(file.name).unlink()
            raise


class Compiler:
    """Walks the tree once, depth first, and appends to flat buffers: no object per history.

    After :meth:`tables`, ``labels[player][infostate] -> (infoset, legal actions)`` says what OpenSpiel
    calls the infosets.
    """

    def __init__(self, game: Any) -> None:
        self.game = game
        self.players: int = game.num_players()
        self.labels: list[dict[str, tuple[int, list[int]]]] = [{} for _ in range(self.players)]
        self._cells: dict[tuple[int, int], int] = {}
        self._cell_first = array("i")
        self._sequences = 0
        self._infoset_player, self._infoset_actions = array("i"), array("i")
        self._cell_infoset, self._cell_parent = array("i"), array("i")
        self._terminal_sequences, self._terminal_payoffs = array("i"), array("d")
        self._history_cell, self._history_sequences = array("i"), array("i")
        self._history_chance = array("d")
        self._histories = 0

    def tables(self) -> Tables:
        self._visit(self.game.new_initial_state(), [-1] * self.players, 1.0)
        return Tables(
            infoset_player=_array(self._infoset_player),
            infoset_actions=_array(self._infoset_actions),
            cell_infoset=_array(self._cell_infoset),
            cell_parent=_array(self._cell_parent),
            terminal_sequences=_array(self._terminal_sequences).reshape(-1, self.players),
            terminal_payoffs=_array(self._terminal_payoffs).reshape(-1, self.players),
            history_cell=_array(self._history_cell),
            history_sequences=_array(self._history_sequences).reshape(-1, self.players),
            history_chance=_array(self._history_chance),
        )

    def _visit(self, state: Any, sequences: list[int], chance: float) -> None:
        self._histories += 1
        if self._histories > MAX_HISTORIES:
            raise GameError(f"{self.game} has more than {MAX_HISTORIES:,} histories: too large to compile.")
        if state.is_terminal():
            payoffs = [chance * payoff for payoff in state.returns()]
            if any(payoffs):
                self._terminal_sequences.extend(sequences)
                self._terminal_payoffs.extend(payoffs)
        elif state.is_chance_node():
            for action, probability in state.chance_outcomes():
                if probability > 0.0:
                    self._visit(state.child(action), sequences, chance * probability)
        else:
            self._decide(state, sequences, chance)

    def _decide(self, state: Any, sequences: list[int], chance: float) -> None:
        player = state.current_player()
        actions = state.legal_actions()
        infoset = self._infoset(player, state.information_state_string(player), actions)
        past = sequences[player]
        cell = self._cells.get((infoset, past))
        if cell is None:
            cell = self._cells[infoset, past] = len(self._cell_infoset)
            self._cell_infoset.append(infoset)
            self._cell_parent.append(past)
            self._cell_first.append(self._sequences)
            self._sequences += len(actions)
        self._history_cell.append(cell)
        self._history_sequences.extend(sequences)
        self._history_chance.append(chance)
        first = self._cell_first[cell]
        for i, action in enumerate(actions):
            sequences[player] = first + i
            self._visit(state.child(action), sequences, chance)
        sequences[player] = past

    def _infoset(self, player: int, label: str, actions: list[int]) -> int:
        infoset, known = self.labels[player].setdefault(label, (len(self._infoset_player), actions))
        if infoset == len(self._infoset_player):
            self._infoset_player.append(player)
            self._infoset_actions.append(len(actions))
        elif known != actions:
            raise GameError(f"{self.game}: one information state has two sets of legal actions:\n{label}")
        return infoset


def _array(values: array[Any]) -> np.ndarray:
    return np.array(values, dtype=np.int32 if values.typecode == "i" else np.float64)
