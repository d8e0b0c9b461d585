"""A pair of meta-strategy solvers inside OpenSpiel's PSRO, in one file: torch, numpy and open_spiel are all
that it needs.

This very file is the body of what ``equilibrist export`` writes: the part between the marks is replaced by
the rule, nothing else is changed. It imports nothing of ours.
"""

# --- exported from here ---
import argparse
import contextlib
import inspect
import io
import sys
import types

import numpy as np
import pyspiel
import torch
from open_spiel.python import policy
from open_spiel.python.algorithms import exploitability, policy_aggregator, policy_utils
from scipy.optimize import linprog

try:
    import cvxpy  # noqa: F401
except ImportError:  # psro_v2 imports it for a solver of its own that is not used here
    sys.modules["cvxpy"] = types.ModuleType("cvxpy")
    sys.modules["cvxpy"].ECOS = "ECOS"
from open_spiel.python.algorithms.psro_v2 import meta_strategies, psro_v2

# --- the rule ---


class Rule:
    """Regret matching+ (Tammelin 2014), linearly averaged, for training and as the answer."""

    STEPS = 500

    def __init__(self, game):
        self.game = game
        self.regrets = game.zeros()
        self.average = game.zeros()

    def train(self):
        return self.solve()

    def evaluate(self):
        return self.solve()

    def solve(self):
        self.regrets = self.game.zeros()
        self.average = self.game.zeros()
        self.game.repeat(self.step, self.STEPS)
        return self.game.normalise(self.average)

    def step(self, t, payoff, strategy):
        gain = payoff - self.game.expand(self.game.sum(payoff * strategy))
        self.regrets = torch.clamp(self.regrets + gain, min=0.0)
        new = self.game.normalise(self.regrets)
        self.average = self.average + t * new
        return new


# --- the solver ---
TIE = 1e-12  # actions whose values differ by less are equally good, and a best response plays them alike


class MetaGame:
    """The meta-game as the rule sees it: N players with n strategies each; [s] has one entry per strategy, a
    player's adjacent, [N] one per player. Helpers that reduce or spread work on the last dimension."""

    def __init__(self, payoffs):
        self.update(payoffs)

    def update(self, payoffs):
        """``payoffs``: per player an array [n, ..., n], its expected payoff for every profile."""
        self.payoffs = [torch.tensor(tensor, dtype=torch.float64) for tensor in payoffs]
        self.players, self.sizes = len(payoffs), list(self.payoffs[0].shape)
        if len(set(self.sizes)) > 1:
            raise ValueError(f"The rule needs equally many strategies of every player, not {self.sizes}.")
        self.sequences = sum(self.sizes)
        self.strategies = torch.tensor(self.sizes, dtype=torch.float64)
        self.index = torch.repeat_interleave(torch.arange(self.players), self.sizes[0])

    def zeros(self):
        return torch.zeros(self.sequences, dtype=torch.float64)

    def ones(self):
        return torch.ones(self.sequences, dtype=torch.float64)

    def uniform(self):
        return torch.full((self.sequences,), 1.0 / self.sizes[0], dtype=torch.float64)

    def expand(self, y):
        return torch.index_select(y, -1, self.index)

    def sum(self, x):
        return self._parts(x).sum(-1)

    def mean(self, x):
        return self._parts(x).mean(-1)

    def max(self, x):
        return self._parts(x).amax(-1)

    def min(self, x):
        return self._parts(x).amin(-1)

    def normalise(self, x):
        weights = torch.clamp(self._parts(x), min=0.0)
        total = weights.sum(-1, keepdim=True)
        return torch.where(total == 0.0, 1.0 / self.sizes[0], weights / total).flatten(-2)

    def softmax(self, x):
        return self._parts(x).softmax(-1).flatten(-2)

    def project(self, x, floor=0.0):
        """The nearest mixtures with no entry below ``floor`` (Held, Wolfe and Crowder 1974)."""
        parts, n = self._parts(x) - floor, self.sizes[0]
        if n * floor >= 1.0:
            return torch.full_like(x, 1.0 / n)
        ordered = torch.sort(parts, dim=-1, descending=True).values
        thresholds = (torch.cumsum(ordered, -1) - (1.0 - n * floor)) / torch.arange(1, n + 1)
        last = (ordered > thresholds).sum(-1, keepdim=True) - 1
        found = torch.gather(thresholds, -1, last.clamp(min=0))
        return (torch.clamp(parts - found, min=0.0) + floor).flatten(-2)

    def payoff(self, strategy):
        """[s]: expected payoff of each strategy against the others' mixtures."""
        mixtures, found = self._parts(strategy), []
        for player, tensor in enumerate(self.payoffs):
            for other in reversed(range(self.players)):
                if other != player:
                    tensor = tensor.movedim(other, -1) @ mixtures[other]
            found.append(tensor)
        return torch.cat(found)

    def repeat(self, step, steps, strategy=None, alternating=True):
        """``strategy = step(...)``, ``steps`` times. The players take turns, and in a player's turn its part
        of the strategy and of the rule's state moves alone; or all at once."""
        names = inspect.signature(step).parameters
        strategy = (self.uniform() if strategy is None else strategy).double().clone()
        for t in range(1, int(steps) + 1):
            for player in range(self.players) if alternating else (None,):
                before = {} if player is None else {n: v.clone() for n, v in self._state(step).items()}
                values = {"t": t, "strategy": strategy.clone()}
                if "payoff" in names:
                    values["payoff"] = self.payoff(strategy)
                moved = step(**{name: values[name] for name in names})
                if player is None:
                    strategy = moved.clone()
                    continue
                own = slice(player * self.sizes[0], (player + 1) * self.sizes[0])
                strategy[own] = moved[own]
                for name, value in self._state(step).items():
                    if name in before and before[name].shape == value.shape:
                        place = own if value.shape[-1] == self.sequences else slice(player, player + 1)
                        before[name][..., place] = value[..., place]
                        setattr(step.__self__, name, before[name])
        return strategy

    def nash(self):
        """[s]: maximin mixtures by linear programming."""
        if self.players != 2:
            raise ValueError(f"nash() is for two players, and there are {self.players}")
        first, second = (tensor.numpy() for tensor in self.payoffs)
        return torch.cat([_maximin(first), _maximin(second.T)])

    def _state(self, step):
        kept = vars(step.__self__).items() if hasattr(step, "__self__") else ()
        wide = ((self.sequences,), (self.players,))
        return {n: v for n, v in kept if isinstance(v, torch.Tensor) and tuple(v.shape[-1:]) in wide}

    def _parts(self, x):
        if x.shape[-1:] != (self.sequences,):
            raise ValueError(
                f"expected [..., {self.sequences}] (one entry per strategy), got {list(x.shape)}"
            )
        return x.double().unflatten(-1, (self.players, self.sizes[0]))


def _maximin(payoffs):
    """max v subject to x payoffs >= v, x a mixture of the rows."""
    rows, columns = payoffs.shape
    scale = float(np.abs(payoffs).max()) or 1.0
    found = linprog(
        np.append(np.zeros(rows), -1.0),
        A_ub=np.hstack((-payoffs.T / scale, np.ones((columns, 1)))),
        b_ub=np.zeros(columns),
        A_eq=np.append(np.ones(rows), 0.0)[None],
        b_eq=[1.0],
        bounds=[(0, None)] * rows + [(None, None)],
        method="highs",
    )
    x = np.maximum(found.x[:-1], 0.0)
    return torch.from_numpy(x / x.sum())


class MetaStrategy:
    """The rule as ``PSROSolver(..., meta_strategy_method=MetaStrategy())``, one object per run.

    What it returns are the mixtures that best responses are trained against; ``answer`` are those over the
    population of the same epoch that are to be judged (per player an array).

    Args:
        every: the answer is found in epochs divisible by it alone.
    """

    def __init__(self, every=1, rule=None):
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        torch.set_flush_denormal(True)
        self._make, self._rule, self._game = rule or Rule, None, None
        self.every, self.answer = every, None

    def __call__(self, solver, return_joint=False):
        self.update(solver.get_meta_game())
        epoch = self._game.sizes[0]
        if epoch % self.every == 0:
            self.answer = self.mixtures("evaluate", epoch)
        trained = self.mixtures("train", epoch)
        if not return_joint:
            return trained
        return trained, meta_strategies.get_joint_strategy_from_marginals(trained)

    def update(self, payoffs):
        """The population has grown: new strategies enter what the rule keeps per strategy with zero."""
        if self._rule is None:
            self._game = MetaGame([np.zeros((1,) * len(payoffs))] * len(payoffs))
            self._rule = self._make(self._game)
        shape = self._game.players, self._game.sizes[0]
        self._game.update(payoffs)
        more = self._game.sizes[0] - shape[1]
        for name, value in list(vars(self._rule).items()):
            if isinstance(value, torch.Tensor) and value.shape[-1:] == (shape[0] * shape[1],):
                wider = torch.nn.functional.pad(value.unflatten(-1, shape), (0, more))
                setattr(self._rule, name, wider.flatten(-2))

    def mixtures(self, name, epoch):
        """Per player what ``train`` or ``evaluate`` gives."""
        method = getattr(self._rule, name)
        made = method(**dict.fromkeys(inspect.signature(method).parameters, epoch))
        if isinstance(made, (list, tuple)):
            made = torch.cat([part.reshape(-1) for part in made])
        parts = made.reshape(self._game.players, -1).numpy()
        return list(parts / parts.sum(axis=1, keepdims=True))


class BestResponses:
    """An oracle of ``psro_v2``: exact best responses that play equally good actions alike."""

    def __call__(self, game, training_parameters, **_):
        return [[self._response(game, **given) for given in player] for player in training_parameters]

    def _response(self, game, current_player, total_policies, probabilities_of_playing_policies, **_):
        mixed = aggregated(game, total_policies, probabilities_of_playing_policies)
        table = policy_utils.policy_to_dict(mixed, game)
        best = pyspiel.TabularBestResponse(game, current_player, table, -1.0, TIE)
        return Response(game, best.get_best_response_policy())


class Response(policy.Policy):
    """A table of OpenSpiel's C++ part as a policy of its Python part."""

    def __init__(self, game, table):
        super().__init__(game, list(range(game.num_players())))
        self.table = table

    def action_probabilities(self, state, player_id=None):
        player = state.current_player() if player_id is None else player_id
        return dict(self.table.get_state_policy(state.information_state_string(player)))


class ExactPSRO(psro_v2.PSROSolver):
    """``PSROSolver`` with exact payoffs in place of sampled ones."""

    def sample_episodes(self, policies, num_episodes):
        tables = [own.table for own in policies]
        return np.array(pyspiel.expected_returns(self._game.new_initial_state(), tables, -1, True))


def aggregated(game, policies, mixtures):
    """The policy of every player who draws a strategy before the game and keeps to it."""
    players = list(range(game.num_players()))
    return policy_aggregator.PolicyAggregator(game).aggregate(players, policies, mixtures)


def psro(game, method):
    """A solver in its first epoch, when all have the uniform policy; ``iteration()`` leads to the next."""
    first = [Response(game, pyspiel.UniformRandomPolicy(game)) for _ in range(game.num_players())]
    with contextlib.redirect_stdout(io.StringIO()):
        return ExactPSRO(
            game,
            BestResponses(),
            sims_per_entry=1,
            initial_policies=first,
            meta_strategy_method=method,
            training_strategy_selector="probabilistic",
            sample_from_marginals=True,
        )


def judged(game, solver, method):
    """Exploitability (NashConv / players) of the rule's answer."""
    mixed = aggregated(game, solver.get_policies(), method.answer)
    return exploitability.nash_conv(game, mixed) / game.num_players()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--game", default="kuhn_poker")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--print_freq", type=int, default=1)
    options = parser.parse_args()
    game = pyspiel.load_game(options.game)
    if game.get_type().dynamics == pyspiel.GameType.Dynamics.SIMULTANEOUS:
        game = pyspiel.convert_to_turn_based(game)
    method = MetaStrategy(options.print_freq)
    solver = psro(game, method)
    for epoch in range(1, options.epochs + 1):
        if epoch > 1:
            solver.iteration()
        if epoch % options.print_freq == 0:
            print(f"epoch {epoch}  exploitability {judged(game, solver, method):.6e}", flush=True)


if __name__ == "__main__":
    main()
