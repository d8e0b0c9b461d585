"""OpenSpiel games as arrays of histories in depth-first order."""

from __future__ import annotations

from array import array
from typing import Any, NamedTuple

import numpy as np
import pyspiel

from problems.games.compile import load

CHANCE = -1
TERMINAL = -2


class Histories(NamedTuple):
    """A game tree. Histories are numbered depth first: a history's first child is the next number, each
    further one the ``end`` of the child before it. Infosets are in order of first visit; sequences
    (infoset, action) are ragged."""

    actor: np.ndarray
    """[histories] int8: player to move, or ``CHANCE``, or ``TERMINAL``."""
    infoset: np.ndarray
    """[histories] int32: infoset of a decision, row of ``payoffs`` of a terminal history, -1 at chance."""
    end: np.ndarray
    """[histories] int32: one past the last descendant."""
    chance: np.ndarray
    """[histories] float64: probability of the edge into this history where its parent is chance, else 1."""
    payoffs: np.ndarray
    """[distinct payoffs, players] float64."""
    first: np.ndarray
    """[infosets + 1] int32: first sequence of each infoset."""
    levels: np.ndarray
    """[histories] int32: histories by depth; no infoset spans two depths."""
    level_first: np.ndarray
    """[depths + 1] int64: first entry of ``levels`` at each depth."""


def enumerate_game(game: str) -> Histories:
    """Stream a game out of OpenSpiel: about 4 us and 25 bytes a history.

    Args:
        game: a short id of ``problems.games.GAMES`` or an OpenSpiel string.

    Raises:
        GameError: OpenSpiel does not know the game.
        ValueError: an infoset has histories at different depths, so no level-wise best response exists.
    """
    walk = _Walk()
    walk.visit(load(game).new_initial_state())
    depths = np.frombuffer(walk.depths, np.int8)
    _check_levels(walk, depths)
    return Histories(
        actor=np.frombuffer(walk.actor, np.int8),
        infoset=np.frombuffer(walk.infoset, np.int32),
        end=np.frombuffer(walk.end, np.int32),
        chance=np.frombuffer(walk.chance, np.float64),
        payoffs=np.array(list(walk.payoffs), np.float64),
        first=np.concatenate([[0], np.cumsum(np.frombuffer(walk.actions, np.int32))]).astype(np.int32),
        levels=np.argsort(depths, kind="stable").astype(np.int32),
        level_first=np.concatenate([[0], np.cumsum(np.bincount(depths))]),
    )


class _Walk:
    """The columns of :class:`Histories` as they grow."""

    def __init__(self) -> None:
        self.actor, self.depths = array("b"), array("b")
        self.infoset, self.end, self.actions = array("i"), array("i"), array("i")
        self.chance = array("d")
        self.infosets: dict[tuple[int, str], int] = {}
        self.payoffs: dict[tuple[float, ...], int] = {}

    def visit(self, state: Any, chance: float = 1.0, depth: int = 0) -> None:
        """Append ``state`` and its descendants."""
        number = len(self.actor)
        player = state.current_player()
        self.chance.append(chance)
        self.depths.append(depth)
        self.end.append(0)
        if state.is_terminal():
            self._append(TERMINAL, self.payoffs.setdefault(tuple(state.returns()), len(self.payoffs)))
        elif player == pyspiel.PlayerId.CHANCE:
            self._append(CHANCE, -1)
            for action, probability in state.chance_outcomes():
                self.visit(state.child(action), probability, depth + 1)
        else:
            actions = state.legal_actions()
            self._append(player, self._infoset(player, state, len(actions)))
            for action in actions:
                self.visit(state.child(action), 1.0, depth + 1)
        self.end[number] = len(self.actor)

    def _append(self, actor: int, infoset: int) -> None:
        self.actor.append(actor)
        self.infoset.append(infoset)

    def _infoset(self, player: int, state: Any, actions: int) -> int:
        number = self.infosets.setdefault(
            (player, state.information_state_string(player)), len(self.infosets)
        )
        if number == len(self.actions):
            self.actions.append(actions)
        return number


def _check_levels(walk: _Walk, depths: np.ndarray) -> None:
    decisions = np.frombuffer(walk.actor, np.int8) >= 0
    infosets = np.frombuffer(walk.infoset, np.int32)[decisions]
    depth_of = np.zeros(len(walk.actions), np.int8)
    depth_of[infosets] = depths[decisions]
    if (depth_of[infosets] != depths[decisions]).any():
        raise ValueError("an infoset of this game has histories at different depths")
