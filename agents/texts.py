"""Messages: a fenced JSON block for programs, then the same in prose and code for language models."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from memory.archive import Entry
from memory.records import Lesson
from problems.problem import Problem
from tools.desk import Program
from tools.programs import diff

HYPOTHESIS_SHOWN = 300
"""Characters of the hypothesis of a program that is only mentioned."""


@cache
def prompt(role: str) -> str:
    return (Path(__file__).parent / "prompts" / f"{role}.md").read_text(encoding="utf-8")


def system(role: str, problem: Problem) -> str:
    """The role's prompt with the problem's statement."""
    return f"{prompt(role).rstrip()}\n\n# The problem: {problem.name}\n\n{problem.statement.strip()}\n"


def message(head: dict[str, Any], *parts: str) -> str:
    block = fenced("json", json.dumps(head, ensure_ascii=False))
    return "\n\n".join([block, *(part for part in parts if part)])


def fenced(language: str, text: str) -> str:
    """A code block that the text cannot close: the fence is longer than any run of backticks in it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def quoted(text: str) -> str:
    """An agent's words as a quotation, so that no heading or list in them can pass for ours."""
    return "\n".join(f"> {line}" for line in text.strip().splitlines())


def hypothesis(text: str) -> str:
    return f"Hypothesis:\n\n{quoted(text)}"


def code(title: str, program: Program) -> str:
    """A program's source under a title that says how it did."""
    return f"## {title}: {label(program)}\n\n{profile(program)}\n\n{fenced('python', program.source)}"


def changes(parent: Program, program: Program) -> str:
    """How a program differs from its parent, and how the parent did."""
    text = diff(parent.source, program.source, parent.program_id, program.program_id)
    return f"## Diff to its parent {label(parent)}\n\n{profile(parent)}\n\n{fenced('diff', text)}"


def label(program: Program) -> str:
    return f"{program.name} ({program.program_id})" if program.name else program.program_id


def profile(program: Program) -> str:
    """Scores per game in one line, or what went wrong."""
    result = program.result
    if result is None:
        return "Not evaluated."
    if result.status != "ok":
        return f"Status {result.status}: {result.message}"
    games = ", ".join(f"{game} {score:.4f}" for game, score in result.games.items())
    stopped = " (stopped early as hopeless)" if result.stopped_early else ""
    return f"Score {figure(result.score)}{stopped}: {games}."


def gaps(program: Program, champions: Mapping[str, Entry]) -> str:
    """A program against the best known on each game, in Markdown, the greatest gap first."""
    scores = program.result.games if program.result else {}
    known = [game for game in scores if game in champions]
    behind = {game: champions[game].result.games[game] - scores[game] for game in known}
    if not behind:
        return ""
    lines = ["| game | its score | best known | by | behind |", "|---|---|---|---|---|"]
    for game in sorted(behind, key=lambda name: -behind[name]):
        best = champions[game]
        row = [figure(scores[game]), figure(best.result.games[game]), label(best), figure(behind[game])]
        lines.append(f"| {game} | " + " | ".join(row) + " |")
    return "\n".join(lines)


def attempts(children: Sequence[Entry], parent: Program) -> str:
    """What was tried from the same parent, the latest last, and what came of it."""
    if not children:
        return ""
    return "## Tried from this parent already\n\n" + "\n".join(_attempt(child, parent) for child in children)


def _attempt(child: Entry, parent: Program) -> str:
    mine, theirs = child.result.score, parent.result.score if parent.result else None
    change = f", {mine - theirs:+.4f} on its parent" if mine is not None and theirs is not None else ""
    said = " ".join(child.hypothesis.split())
    return f"* {label(child)}{change}. {profile(child)}\n" + quoted(said[:HYPOTHESIS_SHOWN])


def table(programs: Sequence[Program]) -> str:
    """Scores per game side by side, in Markdown."""
    games = list(dict.fromkeys(game for p in programs if p.result for game in p.result.games))
    lines = ["| program | score | " + " | ".join(games) + " |", "|---|---|" + "---|" * len(games)]
    for program in programs:
        scores = program.result.games if program.result else {}
        cells = [label(program), figure(program.result.score if program.result else None)]
        lines.append("| " + " | ".join(cells + [figure(scores.get(game)) for game in games]) + " |")
    return "\n".join(lines)


def moments(values: Sequence[float], count: int = 7) -> str:
    """A series at evenly spaced moments, the first and the last among them."""
    last = len(values) - 1
    places = sorted({round(i * last / (count - 1)) for i in range(count)})
    return ", ".join(f"{values[place]:.3g}" for place in places)


def lessons(found: Sequence[Lesson]) -> str:
    if not found:
        return ""
    return "## Lessons from earlier experiments\n\n" + "\n".join(map(_lesson, found))


def _lesson(lesson: Lesson) -> str:
    """What is claimed, what was measured, and which experiments stand behind it."""
    effect = "" if lesson.effect is None else f", effect {lesson.effect:+.4f}"
    spread = "" if lesson.spread is None else f" ± {lesson.spread:.4f}"
    games = f", on {', '.join(lesson.games)}" if lesson.games else ""
    sides = (("for", lesson.supported_by), ("against", lesson.contradicted_by))
    evidence = "; ".join(f"{side}: {', '.join(names)}" for side, names in sides if names)
    why = f"{lesson.status}: {lesson.reason}" if lesson.reason else lesson.status
    said = f"{lesson.text} Measured: {lesson.observation}" if lesson.observation else lesson.text
    behind = f" Evidence, {evidence}." if evidence else ""
    head = f"* [{lesson.id}, {lesson.kind}, {why}{effect}{spread}{games}]{behind}"
    return f"{head}\n{quoted(' '.join(said.split()))}"


def steering(remarks: Sequence[str]) -> str:
    if not remarks:
        return ""
    lines = "\n".join(f"* {remark}" for remark in remarks)
    return f"## From the people who run this session: heed it\n\n{lines}"


def figure(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"
