"""What a learning rule must define."""

from __future__ import annotations

from problems.check import faults

QUANTITIES = (
    *("t", "epoch", "advantage", "returns", "rewards", "dones", "acting"),
    *("old_values", "next_values", "old_central_values", "next_central_values", "values", "central_values"),
    *("log_probability", "entropy", "divergence", "logits", "policy", "log_policy"),
    *("old_log_probability", "old_policy", "old_log_policy", "legal", "actions"),
    *("others_rewards", "others_policy", "others_actions"),
)
METHODS = {
    "__init__": ("batch",),
    "advantages": QUANTITIES,
    "policy_loss": QUANTITIES,
    "value_loss": QUANTITIES,
}
"""Method of Rule -> parameters it may name (rule.py holds the same lists; a test compares them)."""


def check(source: str) -> list[str]:
    """Static faults, each a sentence for the author; empty when there are none."""
    return faults(source, METHODS)
