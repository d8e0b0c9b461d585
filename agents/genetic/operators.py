"""The operators by name, how often each is tried at first, and the words by which a lesson may speak of it."""

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
    words: tuple[str, ...]


OPERATORS = {
    "tune_constant": Operator(constants.tune_constant, 1.5, ("constant", "tune")),
    "jitter_constants": Operator(constants.jitter_constants, 0.6, ("constants together",)),
    "mix_constants": Operator(constants.mix_constants, 0.5, ("constants towards",)),
    "wrap": Operator(expressions.wrap, 0.5, ("square root", "tanh", "saturat")),
    "insert_term": Operator(expressions.insert_term, 0.6, ("insert", "extra term")),
    "replace_variable": Operator(expressions.replace_variable, 0.2, ("variable",)),
    "replace_operator": Operator(expressions.replace_operator, 0.2, ("operator",)),
    "delete_term": Operator(expressions.delete_term, 0.6, ("delet", "simpl", "ablat")),
    "add_floor": Operator(expressions.add_floor, 0.4, ("floor", "clamp", "clip")),
    "bend_time": Operator(schedules.bend_time, 1.0, ("averaging weight", "iteration number")),
    "weigh_by_time": Operator(schedules.weigh_by_time, 0.8, ("weigh", "averag")),
    "schedule_constant": Operator(schedules.schedule_constant, 0.8, ("schedul", "fade", "grow", "anneal")),
    "start_late": Operator(schedules.start_late, 0.8, ("warm", "late", "skip", "forgetting", "restart")),
    "discount_state": Operator(states.discount_state, 1.2, ("discount", "decay", "scaling")),
    "anticipate": Operator(states.anticipate, 1.2, ("optimis", "predict", "anticipat", "once more")),
    "sharpen": Operator(states.sharpen, 1.0, ("exponent", "power", "sharpen")),
    "smooth_input": Operator(states.smooth_input, 0.4, ("momentum", "running mean", "smooth")),
    "scale_input": Operator(states.scale_input, 0.4, ("normalis", "scale", "largest")),
    "tell_signs_apart": Operator(states.tell_signs_apart, 0.6, ("boost", "asymmetr", "positive part")),
    "take_method": Operator(recombination.take_method, 1.0, ("crossover", "taking")),
    "take_expression": Operator(recombination.take_expression, 0.4, ("crossover",)),
    "take_statement": Operator(recombination.take_statement, 0.6, ("crossover",)),
    "borrow": Operator(recombination.borrow, 1.0, ("better than its parent", "borrow")),
}
