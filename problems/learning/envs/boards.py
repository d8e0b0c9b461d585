"""Tic-tac-toe and Connect Four: take turns, only free squares are legal, see the board as the own and
theirs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from problems.learning.envs.base import Agent, Chance, Environment, Step


class Board(Environment):
    """Players 0 and 1 on ``rows`` x ``columns``; ``run`` in a row wins. With ``falls`` an action is a column
    and a piece falls to the lowest free square, as in Connect Four."""

    STATE = ("board", "mover")

    def __init__(self, batch: int, chance: Chance, rows: int, columns: int, run: int, falls: bool) -> None:
        super().__init__(batch, chance)
        self.rows, self.columns, self.falls = rows, columns, falls
        squares = rows * columns
        self.lines = np.array(_lines(rows, columns, run))  # [L, run]
        actions = columns if falls else squares
        self.agents = tuple(Agent(f"player_{i + 1}", 2 * squares, actions, role=i, team=i) for i in range(2))
        self.board: Any = np.zeros((batch, 2, squares), bool)
        self.mover = np.zeros(batch, int)

    def reset(self, where: np.ndarray) -> None:
        self.board[where] = False
        self.mover[where] = 0

    def observe(self) -> list[np.ndarray]:
        flat = self.board.reshape(self.batch, -1)
        turned = self.board[:, ::-1].reshape(self.batch, -1)
        return [flat.astype(np.float32), turned.astype(np.float32)]

    def free(self) -> np.ndarray:
        """[B, actions] what the mover may do."""
        empty = ~self.board.any(1)
        return empty[:, : self.columns] if self.falls else empty  # row 0 is the top

    def legal(self) -> list[np.ndarray | None]:
        free, turn = self.free(), self.acting()
        waiting = np.arange(free.shape[1]) == 0
        return [np.where(turn[:, i, None], free, waiting) for i in range(2)]

    def acting(self) -> np.ndarray:
        return self.mover[:, None] == np.arange(2)

    def squares(self, action: np.ndarray) -> np.ndarray:
        """[B] where a piece comes to lie."""
        if not self.falls:
            return action
        columns = self.board.any(1).reshape(self.batch, self.rows, self.columns)
        height = np.take_along_axis(columns, action[:, None, None], 2)[:, :, 0].sum(1)
        return (self.rows - 1 - height) * self.columns + action

    def step(self, actions: Sequence[np.ndarray]) -> Step:
        rows = np.arange(self.batch)
        square = self.squares(np.where(self.mover == 0, actions[0], actions[1]))
        self.board[rows, self.mover, square] = True
        won = self.won(self.board[rows, self.mover])
        rewards = np.zeros((self.batch, 2), np.float32)
        rewards[rows, self.mover] = won
        rewards[rows, 1 - self.mover] = -won.astype(np.float32)
        ended = won | self.board.any(1).all(1)
        self.mover = 1 - self.mover
        return Step(rewards, ended, np.repeat(ended[:, None], 2, 1))

    def won(self, own: np.ndarray) -> np.ndarray:
        """[B, squares] -> [B]"""
        hit: Any = own[:, self.lines].all(2)
        return np.asarray(hit.any(1))


def _lines(rows: int, columns: int, run: int) -> list[list[int]]:
    found = []
    for r in range(rows):
        for c in range(columns):
            for dr, dc in ((0, 1), (1, 0), (1, 1), (1, -1)):
                line = [(r + k * dr, c + k * dc) for k in range(run)]
                if all(0 <= y < rows and 0 <= x < columns for y, x in line):
                    found.append([y * columns + x for y, x in line])
    return found


def tactician(environment: Environment, agent: int, numbers: np.ndarray) -> np.ndarray:
    """Wins where it can, else blocks where it must, else plays at random."""
    assert isinstance(environment, Board)
    free = environment.free()
    rows, actions = np.arange(environment.batch), free.shape[1]
    score = np.array(numbers[:, :actions])
    for action in range(actions):
        square = environment.squares(np.full(environment.batch, action))
        for player, worth in ((agent, 4.0), (1 - agent, 2.0)):
            own = environment.board[:, player].copy()
            own[rows, np.clip(square, 0, own.shape[1] - 1)] = True
            score[:, action] += worth * environment.won(own)
    chosen = np.where(free, score, -1.0).argmax(1)
    return np.where(environment.acting()[:, agent], chosen, 0)
