"""A game whose sweeps run on a GPU: beside a rule on the processor, or with the rule on it too."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from problems.games.device import Exchange, Sweeps
from problems.games.layout import Game
from problems.problem import CandidateError
from problems.regret.table import Batch, Candidate, Table


class DeviceTable(Table):
    """Judged is on the host, by the engine of record."""

    def __init__(self, device: str, candidate: Candidate, game: Game, *constants: Any) -> None:
        super().__init__(candidate, game, *constants)
        shared: Any = self.exchange
        self.apart = not isinstance(shared, torch.Tensor)
        """Whether the rules are elsewhere: then what passes is copied to the device and back."""
        whole = torch.zeros(shared.shape, dtype=torch.float64, device=device) if self.apart else shared
        if self.apart:
            self.shown = Exchange(game, _wide(torch.from_numpy(shared)))
        self.sweeps = Sweeps(game, _wide(whole))
        self.host = np.empty((game.entries, *shared.shape[1:]))
        """[S, (B)] policies that were fetched from the device."""
        self.given = self.host

    def judge(self, iteration: int) -> None:
        for player in range(self.players):
            self._must_be_sound(player)
        self._fetch(self.sweeps.policy)
        for player in range(self.players):
            super()._accept(self.state, player, "next_policy")
        super().judge(iteration)

    def _regrets(self, learnt: int, player: int) -> None:
        if learnt >= 0:
            self._show(learnt)
        self.sweeps.step(learnt, player)
        if self.wants_opponents:
            self.sweeps.opponent_reaches(player)
        if self.apart:
            shown, there, own = self.shown, self.sweeps.exchange, self.sweeps.players[player]
            shown.regret[own.entries] = there.regret[own.entries]
            shown.realisation[own.entries] = there.realisation[own.entries]
            if self.wants_opponents:
                shown.opponent_reach[own.infosets] = there.opponent_reach[own.infosets]
            if learnt >= 0:
                self._must_be_sound(learnt)

    def _accept(self, state: np.ndarray, player: int, method: str) -> None:
        if state is self.state:
            self._show(player)
            self.sweeps.accept(player)
            return
        if self.apart:
            self.given = self.exchange
        else:
            self._fetch(self.sweeps.exchange.policy)
        super()._accept(state, player, method)

    def _show(self, player: int) -> None:
        if self.apart:
            span = self.sweeps.players[player].entries
            self.sweeps.exchange.policy[span] = self.shown.policy[span]

    def _must_be_sound(self, player: int) -> None:
        if fault := self.sweeps.refused(player):
            raise CandidateError("invalid", f"what next_policy returned {fault}")

    def _policies(self) -> np.ndarray:
        return self.given

    def _fetch(self, policies: torch.Tensor) -> None:
        self.host[:] = policies.cpu().numpy().reshape(self.host.shape)
        self.given = self.host


class DeviceBatch(DeviceTable, Batch):
    """The same for several settings at once."""


def _wide(exchange: torch.Tensor) -> torch.Tensor:
    """[3 S + I, B], B = 1 if there is no batch."""
    return exchange.view(len(exchange), -1)
