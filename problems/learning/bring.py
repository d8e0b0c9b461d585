"""A PettingZoo environment of the user's own, validated before a session is built on it."""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.metadata
import io
import json
import re
import sys
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from problems.brought import Brought, BroughtError, named
from problems.learning.adapter import Adapted
from problems.learning.envs.base import at_random
from problems.learning.returns import played

ENTRY = re.compile(r"([A-Za-z_][\w.]*):([A-Za-z_]\w*)(\(.*\))?", re.DOTALL)
LIMIT = 30.0
"""Seconds that an evaluation is planned to take at most; the sandbox ends a program at 300."""
SEEDS, COPIES, JUDGEMENTS, EPISODES = 5, 8, 5, 8
MOST, FEWEST = 80, 8
"""Iterations of training."""
LEARNING = 0.02
"""Seconds of networks and rule per agent and iteration, as measured for small networks on one core."""
LONGEST = 1000
CYCLES = 60
MOST_TEXT = 2_000_000
"""Characters of source that travel with an environment."""


def bring(text: str) -> Brought:
    """``package.module:function``, perhaps with arguments in parentheses: ``pkg.env:make(size=3)``.

    Raises:
        BroughtError: it cannot be imported or made, fails PettingZoo's API test, has spaces that cannot be
        learnt,
            gives numbers that are not finite, never ends, or is too slow.
    """
    told = _entry(text)
    with _here():
        _api_test(told)
        told["files"] = _sources(told["entry"])
        told["plan"], about, seconds = _plan(told)
    content = json.dumps(told, sort_keys=True).encode()
    stable = json.dumps([told["entry"], told["arguments"], told["files"], _version(told["entry"])])
    return Brought(named(text.strip(), stable.encode()), content, about, seconds)


def _entry(text: str) -> dict[str, Any]:
    found = ENTRY.fullmatch(text.strip())
    if found is None:
        raise BroughtError(
            f"{text!r} does not say where an environment is made; write package.module:function, e.g. "
            "my_package.my_env:parallel_env, with arguments as my_package.my_env:parallel_env(size=3)."
        )
    module, function, given = found.groups()
    try:
        call = ast.parse(f"f{given or '()'}", mode="eval").body
        assert isinstance(call, ast.Call)
        if call.args:
            raise ValueError("arguments need names")
        arguments = {str(word.arg): ast.literal_eval(word.value) for word in call.keywords}
        json.dumps(arguments)
    except (SyntaxError, ValueError, TypeError, AssertionError) as error:
        raise BroughtError(f"The arguments in {text!r} cannot be read: {error}.") from None
    return {"entry": f"{module}:{function}", "arguments": arguments, "files": {}}


@contextlib.contextmanager
def _here() -> Any:
    """The current folder on the search path, the environment's prints and warnings kept to itself."""
    sys.path.insert(0, str(Path.cwd()))
    importlib.invalidate_caches()
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        sys.path.remove(str(Path.cwd()))


def _made(told: dict[str, Any]) -> Any:
    """One environment, by the user's own function."""
    module, _, function = told["entry"].partition(":")
    try:
        loaded = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] != module.partition(".")[0]:
            raise BroughtError(f"{module} needs the package {error.name}, which is not installed.") from None
        where = f" (looked in {Path.cwd()} and in this Python's packages)"
        raise BroughtError(f"{told['entry']}: there is no module {error.name}{where}.") from None
    except Exception as error:
        raise BroughtError(f"{module} cannot be imported: {_told(error)}") from None
    if not hasattr(loaded, function):
        near = [name for name in ("parallel_env", "env", "raw_env") if hasattr(loaded, name)]
        hint = f"; it has {', '.join(near)}" if near else ""
        raise BroughtError(f"{module} has no {function}{hint}.")
    try:
        return getattr(loaded, function)(**told["arguments"])
    except Exception as error:
        raise BroughtError(f"{told['entry']} cannot be made: {_told(error)}") from None


def _api_test(told: dict[str, Any]) -> None:
    """PettingZoo's own test of its interface."""
    from pettingzoo import AECEnv, ParallelEnv
    from pettingzoo.test import api_test, parallel_api_test

    environment = _made(told)
    if not isinstance(environment, AECEnv | ParallelEnv):
        kind = type(environment).__name__
        raise BroughtError(
            f"{told['entry']} gives a {kind}, neither pettingzoo.ParallelEnv nor pettingzoo.AECEnv."
        )
    try:
        if isinstance(environment, AECEnv):
            api_test(environment, num_cycles=CYCLES)
        else:
            parallel_api_test(environment, num_cycles=CYCLES)
    except Exception as error:
        raise BroughtError(f"{told['entry']} fails PettingZoo's API test: {_told(error)}") from None


def _told(error: BaseException) -> str:
    """The error, and the last line of it that is neither ours nor a library's; else the test's own line."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "site-packages" not in f.filename and f.filename != __file__]
    shown = next((f for f in reversed(own) if not f.filename.startswith(sys.prefix)), frames[-1])
    text = str(error) or (frames[-1].line or "")
    return f"{type(error).__name__}: {text} ({Path(shown.filename).name}, line {shown.lineno}: {shown.line})"


def _sources(entry: str) -> dict[str, str]:
    """Every module of the user's own that was imported, and the rest of its package: path -> text."""
    root = Path.cwd()
    top = entry.partition(":")[0].partition(".")[0]
    paths = {
        Path(str(module.__file__))
        for module in list(sys.modules.values())
        if getattr(module, "__file__", None) and str(module.__file__).endswith(".py")
    }
    own = {path for path in paths if path.is_relative_to(root) and "site-packages" not in path.parts}
    if (root / top).is_dir():
        own |= set((root / top).rglob("*.py"))
    elif not (root / f"{top}.py").is_file():
        return {}
    ours = Path(__file__).resolve().parents[2]
    own = {path for path in own if not (path.is_relative_to(ours) and path.parts[len(ours.parts)] in _OURS)}
    files = {str(path.relative_to(root)): path.read_text(encoding="utf-8") for path in sorted(own)}
    if sum(map(len, files.values())) > MOST_TEXT:
        raise BroughtError(f"The package of {entry} has more than {MOST_TEXT:,} characters of source.")
    return files


_OURS = ("agents", "equilibrist", "memory", "problems", "sandbox", "tools", "tests")


def _version(entry: str) -> str:
    top = entry.partition(".")[0].partition(":")[0]
    try:
        return importlib.metadata.version(top)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _plan(told: dict[str, Any]) -> tuple[dict[str, Any], str, float]:
    """How to train on it: from random play, by which every space and number is seen once."""
    try:
        length, returns, cost, agents = _random_play(told)
    except BroughtError:
        raise
    except Exception as error:
        raise BroughtError(f"{told['entry']} fails in random play: {_told(error)}") from None
    steps = int(min(max(length, 16), 64))
    batch = steps * COPIES * SEEDS
    per_iteration = batch * cost + LEARNING * agents
    judging = JUDGEMENTS * EPISODES * SEEDS * length * cost
    iterations = int(min(MOST, (LIMIT - judging) / per_iteration))
    if iterations < FEWEST:
        raise BroughtError(
            f"{told['entry']} takes {1000 * cost:.3g} ms a step; {LIMIT:.0f} s are not enough for "
            f"{FEWEST} batches of {batch} steps. Make it faster, or its {length:.0f} steps fewer."
        )
    low = float(returns.mean())
    unit = max(3.0 * float(returns.std()), 0.1 * abs(low), 1e-3)
    plan = {"iterations": iterations, "steps": steps, "copies": COPIES, "low": low, "high": low + unit}
    about = (
        f"{agents} agents, {length:.0f} steps an episode, {1000 * cost:.2g} ms a step; "
        f"random play returns {low:.3g}, which counts as 0, and {low + unit:.3g} counts as 1"
    )
    return plan | {"episodes": EPISODES}, about, iterations * per_iteration + judging


def _random_play(told: dict[str, Any]) -> tuple[float, np.ndarray, float, int]:
    """Mean length, returns per copy, seconds a step, number of agents."""
    probe = _Counted(told, 4 * COPIES, np.random.default_rng(0))
    probe.reset(np.ones(probe.batch, bool))
    started = time.process_time()
    everybody = dict.fromkeys(range(len(probe.agents)), at_random)
    chance = np.random.default_rng(1)
    per_copy = played_alone(probe, everybody, chance)
    if probe.steps >= LONGEST:
        raise BroughtError(f"{told['entry']}: an episode of random play is not over after {LONGEST} steps.")
    cost = (time.process_time() - started) / (probe.steps * probe.batch)
    return probe.length(), per_copy, max(cost, 1e-6), len(probe.agents)


def played_alone(probe: _Counted, scripts: Any, chance: Any) -> np.ndarray:
    """[B] mean over agents of the return of one episode in every copy."""
    played(probe, None, chance, scripts)
    return probe.total.mean(1)


class _Counted(Adapted):
    """Keeps the length and the return of every copy's first episode."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.steps = 0
        self.total = np.zeros((self.batch, len(self.agents)))
        self.lengths = np.zeros(self.batch)
        self.going = np.ones(self.batch, bool)

    def observe(self) -> list[np.ndarray]:
        for copy, seen in zip(self.copies, self.seen, strict=True):
            for name, space in zip(self.names, self.spaces, strict=True):
                if name in copy.agents:
                    space.confine(copy.observe(name) if self.turns else seen[name], name)
        return super().observe()

    def _together(self, b: int, actions: Any) -> Any:
        before = list(self.copies[b].agents)
        rewards = super()._together(b, actions)
        if missing := [name for name in before if name not in rewards]:
            raise BroughtError(f"`step` gave no reward to {missing[0]}, which was alive before it.")
        return rewards

    def step(self, actions: Any) -> Any:
        self.observe()  # as training does, so that a fault in an observation shows
        made = super().step(actions)
        self.steps += 1
        self.total += made.rewards * self.going[:, None]
        self.lengths += self.going
        self.going &= ~made.ended
        return made

    def length(self) -> float:
        return float(self.lengths.mean())
