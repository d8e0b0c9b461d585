"""The referee half of the target: plays the matrix game and measures the exploitability of the averages."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from problems.problem import CandidateError
from sandbox.channel import ArraySpec
from sandbox.crossing import Candidate


def rollout(candidate: Candidate, game: bytes, settings: dict[str, Any]) -> dict[str, Any]:
    """Exploitability max_i (A y)_i - min_j (x A)_j of the average policies x, y after the last iteration."""
    _can_compute(settings.get("device", "cpu"))
    payoffs = np.array(json.loads(game))
    order = np.random.default_rng(settings["seed"])
    payoffs = payoffs[order.permutation(len(payoffs))][:, order.permutation(payoffs.shape[1])]
    names = [(f"values{p}", f"policy{p}") for p in (0, 1)]
    specs = [ArraySpec(name, "float64", (payoffs.shape[p],)) for p in (0, 1) for name in names[p]]
    arrays = candidate.open({"actions": list(payoffs.shape), "ones": np.ones(3)}, specs)
    policies = [np.full(n, 1.0 / n) for n in payoffs.shape]
    sums = [np.zeros(n) for n in payoffs.shape]
    done = 0
    try:
        while done < settings["iterations"]:
            for p, values in ((0, payoffs @ policies[1]), (1, -policies[0] @ payoffs)):
                arrays[names[p][0]][:] = values
                candidate.call(p)
                policies[p] = _checked(arrays[names[p][1]].copy())
                sums[p] += policies[p]
            done += 1
    except CandidateError as error:
        error.artifact = {"iterations": done}
        raise
    x, y = (total / settings["iterations"] for total in sums)
    exploitability = float((payoffs @ y).max() - (x @ payoffs).min())
    return {"iterations": settings["iterations"], "exploitability": exploitability}


def _can_compute(device: str) -> None:
    """Raises CandidateError, so that a probe of the sandbox tells in one line what torch lacks here."""
    if device == "cpu":
        return
    import torch

    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        told = str(error).splitlines()[0]
        raise CandidateError("error", f"the referee cannot compute on {device}: {told}") from None


def _checked(policy: np.ndarray) -> np.ndarray:
    if not np.isfinite(policy).all() or (policy < 0).any() or abs(policy.sum() - 1) > 1e-6:
        raise CandidateError("invalid", f"not a distribution over actions: {policy.tolist()}")
    return policy
