"""The symbols of regret minimisation, for formulas."""

from __future__ import annotations

from problems.notation import Notation, Words
from problems.notation import notation as written

WORDS = Words(
    names={
        "regrets": ("R", "R"),
        "average": ("S", "S"),
        "regret": ("r^t", "rᵗ"),
        "policy": ("\\sigma^t", "σᵗ"),
        "realisation": ("\\pi_i\\sigma^t", "πᵢσᵗ"),
        "reach": ("\\pi_i", "πᵢ"),
        "opponent_reach": ("\\pi_{-i}", "π₋ᵢ"),
        "t": ("t", "t"),
        "actions": ("|A|", "|A|"),
    },
    helpers={
        "normalise": ("\\frac{[{}]^+}{\\sum_a [{}]^+}", "[{}]⁺ / Σₐ[{}]⁺"),
        "softmax": ("\\operatorname{softmax}({})", "softmax({})"),
        "sum": ("\\sum_a ({})", "Σₐ({})"),
        "mean": ("\\operatorname{mean}_a({})", "meanₐ({})"),
        "max": ("\\max_a({})", "maxₐ({})"),
        "min": ("\\min_a({})", "minₐ({})"),
        "expand": ("{}", "{}"),
        "uniform": ("1/|A|", "1/|A|"),
        "zeros": ("0", "0"),
        "ones": ("1", "1"),
    },
    headings={
        "accumulate_average": "Average policy's weights",
        "accumulate_regret": "Cumulative regrets",
        "next_policy": "Next policy",
        "average_policy": "Average policy",
    },
)


def notation(source: str) -> Notation:
    """A rule's formulas. Raises SyntaxError or ValueError for what is no program."""
    return written(source, WORDS)
