"""The analyst's part: the diff in words, its effect in figures, and what follows for earlier lessons."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from agents.genetic.dialogue import Call, Dialogue
from agents.genetic.operators import spoken_of, topics
from agents.genetic.program import Program, parsed
from agents.genetic.render import ancestors_of

NOTABLE = 0.02
"""Difference of score below which nothing was seen."""
STRONG = 0.1
"""Difference on one game that makes a mixed result an insight of its own."""
MOST_CHANGES = 3
"""Changes of a diff that are told one by one."""
LONGEST = 90


def analyse(dialogue: Dialogue) -> tuple[str, list[Call]]:
    """The next reply: read the result, the programs and what is known of such changes; then the analysis."""
    brief = dialogue.brief
    own, parent = brief["program_id"], brief["parent_id"]
    looks = [
        Call("read_result", {"program_id": own}),
        Call("compare_programs", {"first_id": parent, "second_id": own}),
        Call("read_program", {"program_id": own}),
        Call("read_program", {"program_id": parent}),
        Call(
            "recall_lessons", {"query": str(brief.get("hypothesis", "changes of the rule"))[:300], "limit": 8}
        ),
    ]
    missing = dialogue.missing(looks)
    if missing:
        return "What came out, and what is known of such changes?", missing
    explanation, lessons = _analysis(dialogue)
    return "", [Call("submit_analysis", {"explanation": explanation, "lessons": lessons})]


def _analysis(dialogue: Dialogue) -> tuple[str, list[dict[str, Any]]]:
    own, parent = (dialogue.program(dialogue.brief[key]) or {} for key in ("program_id", "parent_id"))
    result = next((answer.result for answer in dialogue.of("read_result")), {})
    changes = changes_in_words(str(parent.get("source", "")), str(own.get("source", "")))
    changes = f"{_about(dialogue, parent)}: {changes}"
    before, after = parent.get("score"), result.get("score")
    if result.get("status") != "ok" or before is None or after is None:
        return _of_failure(dialogue, changes, result)
    effect = round(after - before, 4)
    games = {
        g: round(s - parent["games"][g], 4)
        for g, s in result.get("games", {}).items()
        if g in parent["games"]
    }
    measured = f"{_label(parent)} {before:.3f} -> {after:.3f} ({effect:+.3f}); {_per_game(games)}."
    if result.get("stopped_early"):
        measured += " The evaluation was stopped early as hopeless."
    lesson = _lesson(changes, effect, games, dialogue)
    lesson["observation"] = measured
    return _explanation(dialogue, changes, effect, games, measured), [lesson]


def _about(dialogue: Dialogue, parent: Mapping[str, Any]) -> str:
    """ "Discounting, starting from CFR+": the topic and the rule that was changed, in words that last."""
    topic = " and ".join(topics(str(dialogue.brief.get("operator", "")))) or "a rewrite"
    program = parsed(str(parent.get("source", "")))
    known = " and ".join(ancestors_of(program)) if program else ""
    own = str(parent.get("name") or "#").startswith("#")
    start = f"a descendant of {known}" if own and known else known or _label(parent)
    return f"{topic[:1].upper()}{topic[1:]}, starting from {start}"


def _lesson(changes: str, effect: float, games: Mapping[str, float], dialogue: Dialogue) -> dict[str, Any]:
    good = [game for game, change in games.items() if change > STRONG]
    bad = [game for game, change in games.items() if change < -STRONG]
    if good and bad:
        kind, verb = "insight", f"helped on {_and(good)} and hurt on {_and(bad)}, {effect:+.2f} on average"
    elif effect > NOTABLE:
        kind, verb = "success", f"raised the score by {effect:.2f}"
    elif effect < -NOTABLE:
        kind, verb = "failure", f"lowered the score by {-effect:.2f}"
    else:
        kind, verb = "open_question", f"made next to no difference ({effect:+.3f}); does it matter elsewhere"
    mark = "?" if kind == "open_question" else "."
    supports, contradicts = _relations(dialogue, changes, effect)
    return {
        "text": f"{changes} {verb} ({_per_game(games)}){mark}",
        "kind": kind,
        "games": list(games),
        "effect": effect,
        "supports": supports,
        "contradicts": contradicts,
    }


def _explanation(
    dialogue: Dialogue, changes: str, effect: float, games: Mapping[str, float], measured: str
) -> str:
    if effect > NOTABLE:
        verdict = "The hypothesis held"
    elif effect < -NOTABLE:
        verdict = "The hypothesis is refuted"
    else:
        verdict = "The hypothesis is neither confirmed nor refuted by more than noise"
    best = max(games, key=lambda game: games[game], default=None)
    worst = min(games, key=lambda game: games[game], default=None)
    spread = ""
    if best is not None and worst is not None and games[best] - games[worst] > STRONG:
        spread = f" The effect is uneven: {best} {games[best]:+.3f}, {worst} {games[worst]:+.3f}."
    claim = str(dialogue.brief.get("hypothesis", "")).strip().rstrip(".")
    return f"{verdict}. Claimed: {claim}. Measured: {measured}{spread} What was changed: {changes}."


def _of_failure(
    dialogue: Dialogue, changes: str, result: Mapping[str, Any]
) -> tuple[str, list[dict[str, Any]]]:
    """A program without a score teaches what not to write."""
    status, message = result.get("status", "unknown"), " ".join(str(result.get("message", "")).split())[:300]
    explanation = (
        f"The hypothesis was not tested, because the program ended as {status}: {message.rstrip('.')}. "
        f"Changed: {changes}."
    )
    lesson = {"text": f"{changes} ended as {status}: {message}", "kind": "failure", "observation": message}
    return explanation, [lesson]


def changes_in_words(before: str, after: str) -> str:
    """What a diff does, statement by statement, with constants as numbers; from the syntax trees alone."""
    first, second = parsed(before), parsed(after)
    if first is None or second is None:
        return "rewriting the program"
    old, new = _statements(first), _statements(second)
    told = []
    for method in dict.fromkeys([*new, *old]):
        mine, theirs = old.get(method, []), new.get(method, [])
        for tag, a, b, c, d in SequenceMatcher(None, mine, theirs, autojunk=False).get_opcodes():
            if tag == "equal" or method == "__init__":
                continue
            gone, come = "; ".join(mine[a:b]), "; ".join(theirs[c:d])
            told.append(_told(method, gone, come))
    if not told:
        return "changing nothing but the initial state"
    more = len(told) - MOST_CHANGES
    return "; ".join(told[:MOST_CHANGES]) + (f"; and {more} changes more" if more > 0 else "")


def _told(method: str, gone: str, come: str) -> str:
    if gone and come:
        return f"in `{method}`, writing `{_cut(come)}` for `{_cut(gone)}`"
    return f"in `{method}`, adding `{_cut(come)}`" if come else f"in `{method}`, leaving out `{_cut(gone)}`"


def _cut(code: str) -> str:
    return code if len(code) <= LONGEST else code[: LONGEST - 1].rsplit(" ", 1)[0] + " …"


def _statements(program: Program) -> dict[str, list[str]]:
    """The statements of every method as text, without ``self.``, constants replaced by their values."""
    values = {name: ast.unparse(node.value) for name, node in program.constants.items()}

    def plain(node: ast.stmt) -> str:
        code = re.sub(r"self\.(\w+)", lambda found: values.get(found[1], found[1]), ast.unparse(node))
        return " ".join(code.split())

    return {name: [plain(s) for s in method.body] for name, method in program.methods.items()}


def _relations(dialogue: Dialogue, changes: str, effect: float) -> tuple[list[str], list[str]]:
    """Recalled lessons about the same methods and kind of change: those that agree, those that do not."""
    if abs(effect) <= NOTABLE:
        return [], []
    recalled = [
        lesson for answer in dialogue.of("recall_lessons") for lesson in answer.result.get("lessons", [])
    ]
    recalled += dialogue.brief.get("lessons", [])
    supports: list[str] = []
    contradicts: list[str] = []
    for lesson in {lesson["id"]: lesson for lesson in recalled}.values():
        sign = _direction(lesson)
        if sign and _is_alike(changes, str(lesson["text"])):
            (supports if sign * effect > 0 else contradicts).append(lesson["id"])
    return supports, contradicts


def _direction(lesson: Mapping[str, Any]) -> float:
    """Positive when a lesson says that its change helps, negative when it hurts, 0 when it does not say."""
    if lesson.get("effect"):
        return float(lesson["effect"])
    return {"success": 1.0, "failure": -1.0}.get(str(lesson.get("kind")), 0.0)


def _is_alike(changes: str, lesson: str) -> bool:
    """Do two texts speak of the same methods and, before the colon if there is one, of the same operators?"""
    methods, others = (set(re.findall(r"[Ii]n `(\w+)`", words)) for words in (changes, lesson))
    mine, theirs = (spoken_of(words.partition(", starting from ")[0]) for words in (changes, lesson))
    return methods == others and bool(mine) and mine == theirs


def _per_game(games: Mapping[str, float]) -> str:
    return ", ".join(f"{game} {change:+.2f}" for game, change in games.items()) or "no game in common"


def _and(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def _label(program: Mapping[str, Any]) -> str:
    return str(program.get("name") or program.get("program_id") or "parent")
