"""What a learning rule must define."""

from __future__ import annotations

from problems.check import faults

OF_THE_BATCH = (
    "t",
    "rewards",
    "dones",
    "acting",
    "old_values",
    "next_values",
    "old_central_values",
    "next_central_values",
    "actions",
    "legal",
    "old_log_probability",
    "old_policy",
    "old_log_policy",
    "others_rewards",
    "others_policy",
    "others_actions",
)
QUANTITIES = (
    *OF_THE_BATCH,
    "epoch",
    "advantage",
    "returns",
    "values",
    "central_values",
    "log_probability",
    "entropy",
    "divergence",
    "logits",
    "policy",
    "log_policy",
)
METHODS = {
    "__init__": ("batch",),
    "advantages": OF_THE_BATCH,
    "policy_loss": QUANTITIES,
    "value_loss": QUANTITIES,
}
"""Method of Rule -> parameters it may name (rule.py holds the same lists; a test compares them)."""


def check(source: str) -> list[str]:
    """Static faults, each a sentence for the author; empty when there are none."""
    return faults(source, METHODS)
