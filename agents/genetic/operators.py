"""The operators by name, how often each is tried at first, and the words for it in lessons."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agents.genetic import constants, expressions, recombination, schedules, states
from agents.genetic.scene import Change, Scene


@dataclass(frozen=True)
class Operator:
    apply: Callable[[Scene], Change | None]
    """Changes the scene's program in place and says what it did; None when there is nothing to do it to."""
    weight: float
    topic: str
    """What it is about, in a lesson."""
    words: tuple[str, ...]
    """Parts of words by which any lesson may speak of it."""


OPERATORS = {
    "tune_constant": Operator(constants.tune_constant, 1.5, "tuning a constant", ("tuning", "constant from")),
    "jitter_constants": Operator(
        constants.jitter_constants, 0.6, "moving all constants together", ("constants together",)
    ),
    "mix_constants": Operator(constants.mix_constants, 0.5, "mixing constants", ("mixing constants",)),
    "wrap": Operator(
        expressions.wrap, 0.5, "a nonlinear function around a term", ("nonlinear", "square root", "saturat")
    ),
    "insert_term": Operator(expressions.insert_term, 0.6, "an extra term", ("extra term",)),
    "replace_variable": Operator(
        expressions.replace_variable, 0.2, "another variable", ("another variable",)
    ),
    "replace_operator": Operator(
        expressions.replace_operator, 0.2, "another arithmetic operator", ("arithmetic operator",)
    ),
    "delete_term": Operator(expressions.delete_term, 0.6, "ablation", ("ablat", "leaving out", "simpl")),
    "add_floor": Operator(expressions.add_floor, 0.4, "a floor under a state", ("floor", "clamp", "clip")),
    "bend_time": Operator(
        schedules.bend_time, 1.0, "another function of time", ("function of time", "averaging weight")
    ),
    "weigh_by_time": Operator(
        schedules.weigh_by_time, 0.8, "weighing increments by time", ("weighing", "weighted averag")
    ),
    "schedule_constant": Operator(
        schedules.schedule_constant, 0.8, "a schedule for a constant", ("schedul", "anneal")
    ),
    "start_late": Operator(
        schedules.start_late, 0.8, "warm-up", ("warm-up", "warm up", "late start", "restart")
    ),
    "discount_state": Operator(states.discount_state, 1.2, "discounting", ("discount", "decay", "forget")),
    "anticipate": Operator(states.anticipate, 1.2, "optimism (prediction)", ("optimis", "predict")),
    "lead": Operator(
        states.lead, 1.0, "a trend against a running mean", ("trend", "derivative", "ahead of its")
    ),
    "sharpen": Operator(states.sharpen, 1.0, "an exponent on the weights", ("exponent", "sharpen")),
    "smooth_input": Operator(
        states.smooth_input, 0.4, "momentum (running mean)", ("momentum", "running mean", "smooth")
    ),
    "scale_input": Operator(
        states.scale_input,
        0.4,
        "normalising the input",
        ("normalising the input", "scale-free", "scale invariant"),
    ),
    "tell_signs_apart": Operator(
        states.tell_signs_apart, 0.6, "asymmetry of gains and losses", ("asymmetr", "boost")
    ),
    "take_method": Operator(
        recombination.take_method, 1.0, "crossover of methods", ("crossover of methods",)
    ),
    "take_expression": Operator(
        recombination.take_expression, 0.4, "crossover of expressions", ("crossover of expr",)
    ),
    "take_statement": Operator(
        recombination.take_statement, 0.6, "crossover of statements", ("crossover of stat",)
    ),
    "borrow": Operator(recombination.borrow, 1.0, "a borrowed improvement", ("borrowed",)),
    "recollect": Operator(recombination.recollect, 60.0, "a remembered improvement", ("remembered",)),
}


def topics(names: str) -> list[str]:
    """What the operators of a program ("wrap+sharpen") are about; unknown names are left out."""
    return list(dict.fromkeys(OPERATORS[name].topic for name in names.split("+") if name in OPERATORS))


def spoken_of(text: str) -> set[str]:
    """The operators that a text speaks of."""
    lower = text.lower()
    return {n for n, operator in OPERATORS.items() if any(word in lower for word in operator.words)}
