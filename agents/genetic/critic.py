"""The critic's part: is a program new, does it run, is it honest and no larger than it must be?"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any

from agents.genetic.dialogue import Answer, Call, Dialogue
from agents.genetic.kinds import TIME, Kinds
from agents.genetic.program import Program, number_of, parsed
from agents.genetic.simplify import simplify
from agents.genetic.variation import LARGEST

CLOSE = 0.01
"""Relative difference below which two constants are no different rules; of shares, what they lack of 1 is
compared too: discounts of 0.99 and 0.995 look 100 and 200 steps ahead."""
IDLE = 4
"""Syntax nodes without effect that are let pass."""
SIZES = frozenset({"count", "sequences", "actions", "shape", "numel", "size"})
"""Attributes that tell one game from another."""
SHORTEST_HYPOTHESIS = 40


def criticise(dialogue: Dialogue) -> tuple[str, list[Call]]:
    """The next reply: look at the program from all sides, then give a verdict."""
    brief = dialogue.brief
    own = brief["program_id"]
    looks = [
        Call("check_program", {"source": own}),
        Call("nearest_programs", {"source": own, "limit": 3}),
        Call("read_program", {"program_id": own}),
        Call("smoke_run", {"source": own}),
    ]
    missing = dialogue.missing(looks)
    if missing:
        return "Is it new, does it run, what is in it?", missing
    twins = [
        Call("read_program", {"program_id": near["program_id"]})
        for near in _nearest(dialogue)
        if near["same_structure"]
    ]
    missing = dialogue.missing(twins)
    if missing:
        return "It differs from these in constants only. By how much?", missing
    decision, reasons = _verdict(dialogue)
    return "", [Call("give_verdict", {"decision": decision, "reasons": reasons})]


def _verdict(dialogue: Dialogue) -> tuple[str, str]:
    if twin := _twin(dialogue):
        return "reject", twin
    objections = list(_objections(dialogue))
    if not objections:
        return "approve", _approval(dialogue)
    decision = "revise" if int(dialogue.brief.get("revisions_left", 0)) > 0 else "reject"
    fatal = [text for kind, text in objections if kind == "broken"]
    if decision == "reject" and not fatal:
        kept = " ".join(text for _, text in objections)
        return "approve", f"No revision is left, and it runs. My objections stay on record: {kept}"
    return decision, " ".join(text for _, text in objections)


def _objections(dialogue: Dialogue) -> Iterator[tuple[str, str]]:
    """("broken" or "poor", what is wrong and what to do)."""
    for check in dialogue.of("check_program"):
        for fault in check.result.get("faults", []):
            yield "broken", f"It fails the static check: {fault}"
    for smoke in dialogue.of("smoke_run"):
        if smoke.result.get("status") != "ok":
            shown = f"{smoke.result.get('status')}: {smoke.result.get('message')}"
            yield "broken", f"It fails the smoke run ({shown}). Mend that or try another change."
    if len(str(dialogue.brief.get("hypothesis", ""))) < SHORTEST_HYPOTHESIS:
        yield "poor", "The hypothesis does not say what was changed and what result would refute it."
    program = parsed(_source(dialogue, dialogue.brief["program_id"]))
    if program is not None:
        yield from (("poor", text) for text in _doubts(program, dialogue))


def _doubts(program: Program, dialogue: Dialogue) -> Iterator[str]:
    horizon = horizon_of(dialogue.statement)
    for name, value in _beside_time(program):
        if horizon and horizon / 2 <= abs(value) <= 2 * horizon:
            yield f"The constant {name} is tied to the horizon of {horizon} iterations; take a smaller one."
    for test in _tests(program):
        if any(isinstance(node, ast.Attribute) and node.attr in SIZES for node in ast.walk(test)):
            yield f"The condition `{ast.unparse(test)}` tells games apart by their size."
    plain = program.copy()
    simplify(plain)
    idle = program.size - plain.size
    if idle > IDLE:
        yield f"Parts of it have no effect ({idle} syntax nodes can go): simplify it."
    if program.size > LARGEST:
        yield f"It is too large to understand ({program.size} syntax nodes, at most {LARGEST}): simplify it."


def horizon_of(statement: str) -> int:
    """The longest run that a statement speaks of, in iterations; 0 when it names none."""
    counts = re.findall(r"(\d+) (?:iterations|epochs|steps)", statement)
    return max((int(count) for count in counts), default=0)


def _beside_time(program: Program) -> Iterator[tuple[str, float]]:
    """Constants that meet the iteration number in one comparison or operation."""
    kinds = Kinds(program)
    values = {f"self.{name}": number_of(node.value) for name, node in program.constants.items()}
    for name, method in program.rules.items():
        for node in ast.walk(method):
            if isinstance(node, ast.Compare):
                sides = [node.left, *node.comparators]
            elif isinstance(node, ast.BinOp):
                sides = [node.left, node.right]
            else:
                continue
            if any(kinds.of(side, name) == TIME for side in sides):
                for side in sides:
                    value = values.get(ast.unparse(side), number_of(side))
                    if value is not None:
                        yield f"`{ast.unparse(side)}` = {value:g}", float(value)


def _tests(program: Program) -> list[ast.expr]:
    return [node.test for node in ast.walk(program.rule) if isinstance(node, ast.If | ast.IfExp | ast.While)]


def _approval(dialogue: Dialogue) -> str:
    nearest = _nearest(dialogue)
    near = nearest[0] if nearest else None
    new = (
        f"its nearest relative is {_named(near)} (similarity {near['similarity']:.2f})"
        if near
        else "nothing is near"
    )
    return f"It meets the interface, runs on the tiny games and is new: {new}. The score can refute it."


def _twin(dialogue: Dialogue) -> str | None:
    """In a sentence, which evaluated program computes the same, or all but the same."""
    for check in dialogue.of("check_program"):
        if check.result.get("duplicate_of"):
            return f"It is the same program as {check.result['duplicate_of']}, which was evaluated already."
    mine = _numbers(_source(dialogue, dialogue.brief["program_id"]))
    for near in _nearest(dialogue):
        theirs = _numbers(_source(dialogue, near["program_id"])) if near["same_structure"] else None
        if theirs is not None and len(mine) == len(theirs):
            if all(map(_alike, mine, theirs)):
                return (
                    f"It differs from {_named(near)}, which was evaluated already, in constants alone, "
                    f"and by less than {CLOSE:.0%}."
                )
    return None


def _alike(a: float, b: float) -> bool:
    share = 0.0 < a < 1.0 and 0.0 < b < 1.0
    return abs(a - b) <= CLOSE * (min(max(a, b), 1.0 - min(a, b)) if share else max(abs(a), abs(b)))


def _numbers(source: str) -> list[float]:
    """All literals in the order of the text."""
    program = parsed(source)
    nodes = ast.walk(program.rule) if program else ()
    return [
        float(value)
        for node in nodes
        if isinstance(node, ast.Constant) and (value := number_of(node)) is not None
    ]


def _nearest(dialogue: Dialogue) -> list[Mapping[str, Any]]:
    found: list[Answer] = dialogue.of("nearest_programs")
    return list(found[-1].result.get("nearest", [])) if found else []


def _named(near: Mapping[str, Any]) -> str:
    return str(near.get("name") or near["program_id"])


def _source(dialogue: Dialogue, program_id: str) -> str:
    program = dialogue.program(program_id)
    return str(program["source"]) if program else ""
