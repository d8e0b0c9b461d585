"""An environment of the user's own, PettingZoo's or VMAS's, validated before a session is built on it."""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.metadata
import io
import json
import math
import re
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from problems.apart import patience
from problems.brought import Brought, BroughtError, named
from problems.learning.adapter import carried
from problems.learning.envs.base import Environment
from problems.learning.envs.vectorised import PACKAGE, Vectorised, is_scenario
from problems.learning.envs.vectorised import copies as scenario_copies
from problems.learning.faults import PATIENCE, RAISED, ROOT
from problems.learning.faults import told as told_of
from problems.learning.trial import Checked, Trial, random_play
from problems.syntax import parse_expression

ENTRY = re.compile(r"([A-Za-z_][\w.]*):([A-Za-z_]\w*)(\(.*\))?", re.DOTALL)
LIMIT, LIMIT_TOGETHER = 30.0, 60.0
"""Seconds that an evaluation is planned to take at most on a core of its own; the latter where all copies
step together: what is dear there is a step, however many copies take it. And what it may last on a machine
as busy as it is now: the sandbox ends a program after 300, two run at once, and it may become busier."""
SEEDS, COPIES, JUDGEMENTS, EPISODES = 5, 8, 5, 8
MOST, FEWEST = 80, 8
"""Iterations of training."""
LEARNING, LEARNING_STEP = 0.02, 3e-5
"""Seconds of networks and rule per agent and iteration, and for each of its steps, on one core."""
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
        with patience(PATIENCE):
            if told["entry"].partition(":")[0] != PACKAGE:
                _loaded(told)
            if is_scenario(told):
                told["vectorised"] = True
            else:
                _api_test(told)
        told["files"] = _sources(told["entry"])
        with carried(told["files"]):
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
        call = parse_expression(f"f{given or '()'}").body
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


def _loaded(told: dict[str, Any]) -> Any:
    """The user's own function, or class of a scenario."""
    module, _, function = told["entry"].partition(":")
    try:
        loaded = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] != module.partition(".")[0]:
            raise BroughtError(f"{module} needs the package {error.name}, which is not installed.") from None
        where = f" (looked in {Path.cwd()} and in this Python's packages)"
        raise BroughtError(f"{told['entry']}: there is no module {error.name}{where}.") from None
    except RAISED as error:
        raise BroughtError(f"{module} cannot be imported: {told_of(error)}") from None
    if not hasattr(loaded, function):
        near = [name for name in ("parallel_env", "env", "raw_env") if hasattr(loaded, name)]
        hint = f"; it has {', '.join(near)}" if near else ""
        raise BroughtError(f"{module} has no {function}{hint}.")
    return getattr(loaded, function)


def _made(told: dict[str, Any]) -> Any:
    """One environment."""
    make = _loaded(told)
    try:
        return make(**told["arguments"])
    except RAISED as error:
        raise BroughtError(f"{told['entry']} cannot be made: {told_of(error)}") from None


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
    except RAISED as error:
        raise BroughtError(f"{told['entry']} fails PettingZoo's API test: {told_of(error)}") from None


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
    ours = {ROOT / name for name in _OURS}
    own = {path for path in own if not ours & set(path.parents)}
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
    """How to train on it, what it is, and the seconds that an evaluation takes."""
    together = bool(told.get("vectorised"))
    trial = _trial(told, together)
    length, cost = trial.length, trial.cost
    copies, limit = (scenario_copies(told), LIMIT_TOGETHER) if together else (COPIES, LIMIT)
    episodes = copies if together else EPISODES  # a step of fewer copies would cost as much
    steps = int(min(max(length, 16), 64))
    batch = steps * copies * SEEDS
    per_iteration = batch * cost + trial.agents * (LEARNING + LEARNING_STEP * batch)
    judging = JUDGEMENTS * episodes * SEEDS * length * cost * (trial.agents if trial.opposed else 1)
    iterations, now = _batches(per_iteration, judging, limit, trial.share)
    if iterations < FEWEST:
        raise BroughtError(
            f"{told['entry']} takes {1000 * cost:.3g} ms a step; {limit:.0f} s are not enough for "
            f"{FEWEST} batches of {batch} steps. Make it faster, or its {length:.0f} steps fewer."
        )
    low = float(trial.returns.mean())
    spread = trial.returns.std(0).mean() if trial.opposed else 3.0 * trial.returns.mean(1).std()
    unit = max(float(spread), 0.1 * abs(low), 1e-3)
    plan: dict[str, Any] = {"iterations": now, "steps": steps, "copies": copies}
    plan |= {"low": low, "high": low + unit}
    if trial.opposed:
        plan["measure"] = "scripts"
    about = (
        f"{trial.agents} agents, {length:.0f} steps an episode, {1000 * cost:.2g} ms a step; "
        f"random play returns {low:.3g}, which counts as 0, and {low + unit:.3g} counts as 1"
    )
    if trial.opposed:
        about += "; what one gains others lose, so each agent is judged with all others at random play"
    if now < iterations:
        about += (
            f"; this machine is busy and has {trial.share:.0%} of a core for it, so {now} batches are learnt "
            f"from instead of {iterations}"
        )
    return plan | {"episodes": episodes}, about, (now * per_iteration + judging) / trial.share


def _batches(each: float, judging: float, limit: float, share: float) -> tuple[int, int]:
    """How many there is time for on a core of its own, and in what share of one a busy machine has left."""
    idle = int(min(MOST, (limit - judging) / each))
    return idle, min(idle, max(FEWEST, int((LIMIT_TOGETHER * share - judging) / each)))


def _trial(told: dict[str, Any], together: bool) -> Trial:
    chance = np.random.default_rng(0)
    torch.set_num_threads(1)  # as the referee does: two that wait for each other on a busy machine cost more
    try:
        if together:
            dearest = math.inf
            probe: Environment = Vectorised(told, "cpu", SEEDS * scenario_copies(told), chance)
        else:
            dearest = LIMIT / (FEWEST * 16 * COPIES * SEEDS)
            with patience(PATIENCE):
                probe = Checked(told, 4 * COPIES, chance)
    except BroughtError:
        raise
    except RAISED as error:
        raise BroughtError(f"{told['entry']} cannot be made: {told_of(error)}") from None
    return random_play(probe, told["entry"], dearest, PATIENCE)
