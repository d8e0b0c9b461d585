"""AlphaRank (Omidshafiei et al. 2019) at infinite intensity: marginals of its chain over profiles.

From every profile one player deviates, to a strategy that pays with rate 1 - NOISE, one that costs with rate
NOISE, one that does neither with rate 1/2 (Rowland et al. 2019). The chances are those of the jump chain,
iterated from the last ones, over the time that it stays. As profiles multiply, only the newest strategies of
larger populations are ranked, MOST profiles in all.
"""

import torch


class Rule:
    NOISE = 0.01
    STEPS = 200
    PRECISION = 1e-9
    TIE = 1e-12
    MOST = 4000

    def __init__(self, game):
        self.game = game
        self.joint = torch.ones((1,) * game.players)

    def train(self):
        return self.solve()

    def evaluate(self):
        return self.solve()

    def solve(self):
        size, players = self.game.sizes[0], self.game.players
        newest = min(size, int(self.MOST ** (1 / players)))
        payoffs = [tensor[(slice(size - newest, None),) * players] for tensor in self.game.payoffs]
        joint = self.stationary(payoffs, newest)
        mixtures = torch.zeros(players, size)
        for player in range(players):
            others = [other for other in range(players) if other != player]
            mixtures[player, size - newest :] = joint.sum(dim=others)
        return self.game.normalise(mixtures.reshape(-1))

    def stationary(self, payoffs, newest):
        """Chances of every profile [newest, ..., newest]."""
        graph = [self.neighbours(tensor, player) for player, tensor in enumerate(payoffs)]
        leaving = sum(rates for _, _, _, rates in graph)
        if newest == 1:
            return torch.ones_like(payoffs[0])
        chain = self.started(payoffs[0]) * leaving
        chain = chain / chain.sum()
        for _ in range(self.STEPS):
            moved = 0.5 * (chain + self.arriving(graph, chain / leaving))
            change = float(torch.abs(moved - chain).sum())
            chain = moved
            if change < self.PRECISION:
                break
        self.joint = chain / leaving
        self.joint = self.joint / self.joint.sum()
        return self.joint

    def started(self, like):
        """The last chances, with a little for profiles that are new."""
        joint = torch.full_like(like, 1e-3 / like.numel())
        common = (slice(min(like.shape[0], self.joint.shape[0])),) * like.dim()
        joint[common] += self.joint[common]
        return joint

    def neighbours(self, tensor, player):
        """Along a player's axis, moved to the end: order by payoff, first and last equal, rate of leaving."""
        worth, order = torch.sort(tensor.movedim(player, -1).contiguous(), dim=-1)
        tie = self.TIE * torch.abs(worth).max()
        low = torch.searchsorted(worth, worth - tie, right=False)
        high = torch.searchsorted(worth, worth + tie, right=True)
        rates = (worth.shape[-1] - high) * (1 - self.NOISE) + 0.5 * (high - low - 1) + low * self.NOISE
        return order, low, high, torch.zeros_like(worth).scatter(-1, order, rates).movedim(-1, player)

    def arriving(self, graph, mass):
        total = torch.zeros_like(mass)
        for player, (order, low, high, _) in enumerate(graph):
            own = mass.movedim(player, -1).gather(-1, order)
            below = torch.nn.functional.pad(torch.cumsum(own, -1), (1, 0))
            worse = below.gather(-1, low)
            equal = below.gather(-1, high) - worse - own
            better = below[..., -1:] - below.gather(-1, high)
            came = worse * (1 - self.NOISE) + 0.5 * equal + better * self.NOISE
            total += torch.zeros_like(own).scatter(-1, order, came).movedim(-1, player)
        return total
