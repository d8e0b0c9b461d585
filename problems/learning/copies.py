"""Copies of a PettingZoo environment side by side, as exported training scripts have them: this text goes
into the file (``script.py``). It imports nothing of ours."""

# --- exported from here ---
import numpy as np
from gymnasium import spaces
from gymnasium.spaces.utils import flatdim, flatten

# --- the environment ---


class Space:
    """How one agent's observations become vectors, and numbers become its actions."""

    def __init__(self, environment, name):
        observation, action = environment.observation_space(name), environment.action_space(name)
        self.masked = isinstance(observation, spaces.Dict) and "action_mask" in observation.spaces
        self.shown = observation["observation"] if self.masked else observation
        self.size, self.space = int(flatdim(self.shown)), action
        self.continuous = isinstance(action, spaces.Box)
        if self.continuous:
            self.actions = int(np.prod(action.shape))
        elif isinstance(action, spaces.MultiDiscrete):
            self.actions = int(np.prod(action.nvec))
        elif isinstance(action, spaces.Discrete):
            self.actions = int(action.n)
        else:
            raise ValueError(f"The actions of {name} are {action}, neither Discrete, MultiDiscrete nor Box.")
        self.kind = f"{name.rstrip('0123456789')} {self.size} {action}"

    def flat(self, seen):
        return np.asarray(flatten(self.shown, seen["observation"] if self.masked else seen), np.float32)

    def mask(self, seen, info):
        given = seen["action_mask"] if self.masked else (info or {}).get("action_mask")
        return np.ones(self.actions, bool) if given is None else np.asarray(given).ravel().astype(bool)

    def action(self, number):
        """[-1, 1] -> the Box's bounds; a number -> an action."""
        if self.continuous:
            low, high = self.space.low, self.space.high
            scaled = low + (np.clip(number, -1.0, 1.0).reshape(low.shape) + 1.0) / 2.0 * (high - low)
            return scaled.astype(self.space.dtype)
        if isinstance(self.space, spaces.MultiDiscrete):
            nvec = self.space.nvec
            return np.array(np.unravel_index(int(number), nvec.ravel()), self.space.dtype).reshape(nvec.shape)
        return int(number) + int(self.space.start)

    def draw(self, parameters, legal, numbers):
        """Actions from a policy's parameters [B, K] by uniform numbers [B, M]: Box-Muller, or Gumbel."""
        if self.continuous:
            mean, log_std = np.split(parameters, 2, axis=1)
            half = numbers.shape[1] // 2
            angle = 2.0 * np.pi * numbers[:, half : half + self.actions]
            normal = np.sqrt(-2.0 * np.log(numbers[:, : self.actions])) * np.cos(angle)
            return mean + np.exp(log_std) * normal
        scores = parameters - np.log(-np.log(numbers[:, : self.actions]))
        return np.where(legal, scores, -np.inf).argmax(1)


class Copies:
    """Copies of the environment side by side; arrays are [B, ...]. Truncation ends an episode like
    termination; who left is dead until the next. Agents whose names differ in a number alone, and whose
    spaces are equal, have one role: they share networks, and a mark in the observation says who is who."""

    def __init__(self, make, count, seed):
        self.chance, self.copies = np.random.default_rng(seed), [make() for _ in range(count)]
        first = self.copies[0]
        if not hasattr(first, "possible_agents") or hasattr(first, "agent_iter"):
            raise ValueError("This is no parallel environment of PettingZoo.")
        self.names = list(first.possible_agents)
        self.spaces = [Space(first, name) for name in self.names]
        kinds = [space.kind for space in self.spaces]
        self.roles = [list(dict.fromkeys(kinds)).index(kind) for kind in kinds]
        self.marks = []
        for i, kind in enumerate(kinds):
            alike = [j for j, other in enumerate(kinds) if other == kind]
            self.marks.append(np.eye(len(alike))[alike.index(i)] if len(alike) > 1 else np.zeros(0))
        self.most = 2 * max(space.actions for space in self.spaces)
        self.seen, self.infos = [{}] * count, [{}] * count
        self.reset(np.ones(count, bool))

    def reset(self, where):
        seeds = self.chance.integers(2**31 - 1, size=len(self.copies))
        for b in np.flatnonzero(where):
            self.seen[b], self.infos[b] = self.copies[b].reset(seed=int(seeds[b]))

    def observe(self):
        """Per agent [B, observation]."""
        out = []
        for name, space, mark in zip(self.names, self.spaces, self.marks, strict=True):
            table = np.zeros((len(self.copies), space.size + len(mark)), np.float32)
            for b, copy in enumerate(self.copies):
                if name in copy.agents:
                    table[b, : space.size] = space.flat(self.seen[b][name])
            table[:, space.size :] = mark
            out.append(table)
        return out

    def acting(self):
        return np.array([[name in copy.agents for name in self.names] for copy in self.copies])

    def legal(self):
        """Per agent [B, actions]; who does not act has its first action alone."""
        out = []
        for name, space in zip(self.names, self.spaces, strict=True):
            table = np.zeros((len(self.copies), space.actions), bool)
            table[:, 0] = True
            for b, copy in enumerate(self.copies):
                if name in copy.agents and not space.continuous:
                    table[b] = space.mask(self.seen[b][name], self.infos[b].get(name))
            out.append(table)
        return out

    def step(self, actions):
        """Rewards [B, N], which episodes are over [B], who is dead [B, N]."""
        rewards, ended = np.zeros((len(self.copies), len(self.names))), np.zeros(len(self.copies), bool)
        for b, copy in enumerate(self.copies):
            agents = [(i, name) for i, name in enumerate(self.names) if name in copy.agents]
            chosen = {name: self.spaces[i].action(actions[i][b]) for i, name in agents}
            self.seen[b], given, _, _, self.infos[b] = copy.step(chosen)
            rewards[b] = [float(given.get(name, 0.0)) for name in self.names]
            ended[b] = not copy.agents
        return rewards, ended, ~self.acting()
