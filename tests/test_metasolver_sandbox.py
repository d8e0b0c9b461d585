"""The metasolver's baselines through the wall: the same numbers as in this process, whatever the sandbox."""

from __future__ import annotations

import pytest

from problems.games.compile import pack
from problems.inprocess import InProcess
from problems.metasolver import PROBLEM, referee
from sandbox import open_sandbox
from sandbox.job import Job

SETTINGS = {"checkpoints": [1, 4, 8]}


@pytest.mark.parametrize("sandbox", ["landlock", "bubblewrap"])
def test_linear_programs_and_compiled_loops_are_the_same_in_every_sandbox(sandbox: str) -> None:
    """To the last bit: HiGHS and Numba work before the wall goes up, on one thread, on the same processor."""
    with open_sandbox(sandbox, slots=1, say=lambda line: None) as pool:
        for name in ("nash", "rm_plus", "alpharank", "distilled_shor"):
            source = PROBLEM.baselines[name]
            outcome = pool.run(Job(problem="metasolver", program=source, game="leduc2", settings=SETTINGS))
            here = referee.rollout(InProcess(PROBLEM.rule, source), pack("leduc2"), {**SETTINGS, "seed": 0})
            assert (outcome.status, outcome.message) == ("ok", "")
            assert outcome.artifact["exploitability"] == here["exploitability"], name
