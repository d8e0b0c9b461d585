"""A regret rule as an OpenSpiel solver, in one file: torch, numpy and open_spiel are all that it needs.

This very file is the body of what ``equilibrist export`` writes: the part between the marks is replaced by
the rule, nothing else is changed. It imports nothing of ours.
"""

# --- exported from here ---
import argparse
import inspect

import numpy as np
import pyspiel
import torch
from open_spiel.python import policy
from open_spiel.python.algorithms import exploitability

# --- the rule ---


class Rule:
    """CFR+ (Tammelin 2014): regrets floored at zero, linear averaging."""

    def __init__(self, infosets):
        self.infosets = infosets
        self.regrets = infosets.zeros()
        self.average = infosets.zeros()

    def accumulate_average(self, t, realisation):
        self.average.add_(realisation, alpha=t)

    def accumulate_regret(self, regret):
        self.regrets = torch.clamp(self.regrets + regret, min=0.0)

    def next_policy(self):
        return self.infosets.normalise(self.regrets)

    def average_policy(self):
        return self.infosets.normalise(self.average)


# --- the solver ---
SNAP = 1e-15  # regrets below are rounding noise of exact ties: zero (where more than 1 is paid, times that)


class Infosets:
    """One player's n infosets and s entries (infoset, action), ragged; helpers work on the last dimension."""

    def __init__(self, sizes):
        self.actions = torch.tensor(sizes, dtype=torch.float64)
        self.count, self.sequences = len(sizes), int(sum(sizes))
        self.index = torch.repeat_interleave(torch.arange(self.count), torch.tensor(sizes, dtype=torch.int64))

    def zeros(self):
        return torch.zeros(self.sequences, dtype=torch.float64)

    def ones(self):
        return torch.ones(self.sequences, dtype=torch.float64)

    def uniform(self):
        return 1.0 / self.expand(self.actions)

    def expand(self, y):
        return torch.index_select(y, -1, self.index)

    def sum(self, x):
        return self._reduce(x, "sum")

    def mean(self, x):
        return self.sum(x) / self.actions

    def max(self, x):
        return self._reduce(x, "amax")

    def min(self, x):
        return self._reduce(x, "amin")

    def normalise(self, x):
        weights = torch.clamp(x.double(), min=0.0)
        total = self.expand(self.sum(weights))
        return torch.where(total > 0, weights / torch.where(total > 0, total, 1.0), self.uniform())

    def softmax(self, x):
        weights = torch.exp(x - self.expand(self.max(x)))
        return weights / self.expand(self.sum(weights))

    def _reduce(self, x, kind):
        x = x.double()
        out = x.new_zeros((*x.shape[:-1], self.count))
        index = self.index.expand(x.shape)
        return out.scatter_reduce(-1, index, x, kind, include_self=False)


class Solver:
    """The rule in self-play with alternating updates; used as ``open_spiel.python.algorithms.cfr.CFRSolver``.

    The tree is walked once and kept as arrays, level by level, so that an iteration makes no Python calls
    per history.
    """

    def __init__(self, game, rule=None):
        if game.get_type().dynamics != pyspiel.GameType.Dynamics.SEQUENTIAL:
            raise ValueError("The solver needs a sequential game: pyspiel.convert_to_turn_based(game).")
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        self._game, self._players = game, game.num_players()
        self._current = policy.TabularPolicy(game)
        self._average = self._current.__copy__()
        self._infosets = [{} for _ in range(self._players)]  # information state -> (number, actions)
        self._walk(game.new_initial_state())
        self._rules, self._places, self._policies = [], [], []
        for own in self._infosets:
            infosets = Infosets([len(actions) for _, actions in own.values()])
            self._rules.append((rule or Rule)(infosets))
            rows = [self._current.state_lookup[state] for state in own]
            legal = [actions for _, actions in own.values()]
            self._places.append((np.repeat(rows, [len(a) for a in legal]), np.concatenate(legal)))
            self._policies.append(infosets.uniform())
        self._iteration = 0

    def evaluate_and_update_policy(self):
        """One iteration: every player learns in turn."""
        self._iteration += 1
        for player in range(self._players):
            self._learn(player)

    def current_policy(self):
        for player in range(self._players):
            self._current.action_probability_array[self._places[player]] = self._policies[player].numpy()
        return self._current

    def average_policy(self):
        for player, rule in enumerate(self._rules):
            self._average.action_probability_array[self._places[player]] = rule.average_policy().numpy()
        return self._average

    def _learn(self, player):
        rule, infosets = self._rules[player], self._rules[player].infosets
        regret, own, others = self._traverse(player)
        reach = torch.from_numpy(own)
        played = self._policies[player]
        values = {
            "t": self._iteration,
            "policy": played,
            "regret": torch.from_numpy(regret),
            "reach": reach,
            "realisation": infosets.expand(reach) * played,
            "opponent_reach": torch.from_numpy(others),
        }
        for name in ("accumulate_average", "accumulate_regret", "next_policy"):
            method = getattr(rule, name)
            made = method(**{asked: values[asked] for asked in inspect.signature(method).parameters})
        made = torch.clamp(made.double(), min=0.0)
        self._policies[player] = made / infosets.expand(infosets.sum(made))

    def _traverse(self, player):
        """Counterfactual regrets [s], own reach [n] and the others' reach [n] under the current policies."""
        probability = self._chance.copy()
        for owner, entries in enumerate(self._policies):
            taken = self._owner_of_edge == owner
            probability[taken] = entries.numpy()[self._entry[taken]]
        mine = self._owner_of_edge == player
        own, others = np.ones(len(probability)), np.ones(len(probability))
        for nodes in self._levels[1:]:
            above = self._parent[nodes]
            own[nodes] = own[above] * np.where(mine[nodes], probability[nodes], 1.0)
            others[nodes] = others[above] * np.where(mine[nodes], 1.0, probability[nodes])
        value = self._payoffs[:, player].copy()
        for nodes in self._levels[:0:-1]:
            np.add.at(value, self._parent[nodes], probability[nodes] * value[nodes])
        edges = np.flatnonzero(mine)
        above = self._parent[edges]
        infosets = self._rules[player].infosets
        regret = np.bincount(
            self._entry[edges], others[above] * (value[edges] - value[above]), infosets.sequences
        )
        regret[np.abs(regret) < self._snap[player]] = 0.0
        decisions = np.flatnonzero(self._decider == player)
        place = self._infoset_of[decisions]
        visits = np.bincount(place, minlength=infosets.count)
        reach = np.bincount(place, own[decisions], infosets.count) / visits
        return regret, reach, np.bincount(place, others[decisions], infosets.count)

    def _walk(self, root):
        """The tree as arrays [nodes]; an edge is known by the node that it leads to."""
        parent, depth, edge_owner, edge_infoset, edge_action = [], [], [], [], []
        chance, decider, infoset_of, payoffs = [], [], [], []
        waiting = [(root, -1, 0, -1, 0, 0, 1.0)]
        while waiting:
            state, above, level, owner, infoset, action, likely = waiting.pop()
            node = len(parent)
            for column, item in zip(
                (parent, depth, edge_owner, edge_infoset, edge_action, chance),
                (above, level, owner, infoset, action, likely),
                strict=True,
            ):
                column.append(item)
            payoffs.append(state.returns() if state.is_terminal() else [0.0] * self._players)
            decider.append(-1)
            infoset_of.append(-1)
            if state.is_terminal():
                continue
            if state.is_chance_node():
                for outcome, likely in state.chance_outcomes():
                    waiting.append((state.child(outcome), node, level + 1, -1, 0, 0, likely))
                continue
            player, legal = state.current_player(), state.legal_actions()
            known = self._infosets[player]
            number = known.setdefault(state.information_state_string(player), (len(known), legal))[0]
            decider[node], infoset_of[node] = player, number
            for k, taken in enumerate(legal):
                waiting.append((state.child(taken), node, level + 1, player, number, k, 1.0))
        self._parent, self._chance = np.array(parent), np.array(chance)
        self._owner_of_edge, self._decider = np.array(edge_owner), np.array(decider)
        self._infoset_of, self._payoffs = np.array(infoset_of), np.array(payoffs)
        depths = np.array(depth)
        self._levels = [np.flatnonzero(depths == level) for level in range(depths.max() + 1)]
        likely = np.ones(len(depths))
        for nodes in self._levels[1:]:
            likely[nodes] = likely[self._parent[nodes]] * self._chance[nodes]
        self._snap = SNAP * np.abs(likely[:, None] * self._payoffs).max(axis=0, initial=1.0)
        self._entry = np.array(edge_action)
        for player, own in enumerate(self._infosets):
            first = np.concatenate(([0], np.cumsum([len(actions) for _, actions in own.values()])))
            edges = self._owner_of_edge == player
            self._entry[edges] += first[np.array(edge_infoset)[edges]]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--game", default="kuhn_poker")
    parser.add_argument("--iterations", type=int, default=1000)
    parser.add_argument("--print_freq", type=int, default=100)
    options = parser.parse_args()
    game = pyspiel.load_game(options.game)
    if game.get_type().dynamics == pyspiel.GameType.Dynamics.SIMULTANEOUS:
        game = pyspiel.convert_to_turn_based(game)
    solver = Solver(game)
    for t in range(1, options.iterations + 1):
        solver.evaluate_and_update_policy()
        if t % options.print_freq == 0 or t == options.iterations:
            conv = exploitability.nash_conv(game, solver.average_policy())
            print(f"iteration {t}  exploitability {conv / game.num_players():.6e}", flush=True)


if __name__ == "__main__":
    main()
