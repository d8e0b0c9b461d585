"""What a report says, taken from the journal alone: nothing is run, nothing is asked."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from equilibrist.bring import options
from equilibrist.budget import Spent
from equilibrist.reading import listing
from equilibrist.reading.laboratory import Laboratory, Shown
from equilibrist.reading.view import Row, SessionView
from equilibrist.render import span
from memory.records import Lesson, Result
from problems import PROBLEMS
from problems.problem import Problem

TOP = 10
_VARYING = re.compile(r"[0-9a-f]{12}|[-+]?\b[0-9][0-9.]*(?:e-?[0-9]+)?")
"""What differs between messages that say the same: ids and figures."""
FEW = 0.3
"""Share of early stops or failures from which the report mentions it as a limit of the search."""


@dataclass
class Wall:
    """Games of one kind, how often they were used, and what came out."""

    name: str
    games: tuple[str, ...]
    use: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    """``confirmation``, ``finalists`` or ``distillation`` events' data about the wall."""


@dataclass
class Facts:
    view: SessionView
    problem: Problem | None
    """None when this installation does not know it."""
    question: str
    best: Row | None
    bar: Row | None
    source: str
    result: Result | None
    line: list[Row]
    """From a baseline to the best program."""
    notation: tuple[str, str]
    """LaTeX and Unicode, empty where the problem has none or the program resists."""
    distillation: dict[str, Any] | None
    tally: list[tuple[str, int]]
    reasons: list[tuple[str, int]]
    """Why programs failed or were rejected, alike ones together."""
    operators: list[dict[str, Any]]
    arms: list[dict[str, Any]]
    walls: list[Wall]
    listed: list[tuple[int, Row]]
    """The first ranks and every baseline."""
    lessons: list[tuple[Lesson, list[Shown]]]
    spent: Spent
    duration: str
    attacks: str
    own_games: str
    """Options that name games of the user's own, for a command that judges the program again."""
    threats: list[str]


def gather(known: Laboratory, view: SessionView) -> Facts:
    """All facts of a session."""
    problem = PROBLEMS.get(view.problem)
    rows, best, bar = view.experiments, view.best, view.best_baseline
    source, result = view.result(best) if best else ("", None)
    distilled = [
        e.data for e in view.events("distillation") if best and e.data.get("program_id") == best.program_id
    ]
    spent = view.spend()
    lessons = [x for x in known.lessons().values() if x.session == view.name]
    ordered = sorted(lessons, key=lambda x: -abs(x.effect or 0.0))[:TOP]
    walls = _walls(view, problem)
    facts = Facts(
        view=view,
        problem=problem,
        question=_question(problem, view),
        best=best,
        bar=bar,
        source=source,
        result=result,
        line=list(reversed(view.lineage(best))) if best else [],
        notation=_notation(problem, source),
        distillation=distilled[-1] if distilled else None,
        tally=Counter(row.status for row in rows).most_common(),
        reasons=_reasons(rows),
        operators=_operators(rows),
        arms=listing.arms(rows),
        walls=walls,
        listed=[(i, row) for i, row in enumerate(view.ranked, 1) if i <= TOP or row.number is None],
        lessons=[(lesson, known.influence(lesson.id)) for lesson in ordered],
        spent=spent,
        duration=_duration(view),
        attacks=_attacks(view),
        own_games=options(view.problem, view.config.get("games") or ()),
        threats=[],
    )
    facts.threats = threats(facts)
    return facts


def _question(problem: Problem | None, view: SessionView) -> str:
    """The first paragraph of the problem's statement, without headings."""
    statement = problem.statement if problem else ""
    lines = [line for line in statement.splitlines() if not line.startswith("#")]
    return "\n".join(lines).strip().split("\n\n")[0] or f"Problem {view.problem}."


def _notation(problem: Problem | None, source: str) -> tuple[str, str]:
    if problem is None or problem.notation is None or not source:
        return "", ""
    try:
        made = problem.notation(source)
    except Exception:  # a program that the notation does not cover is still shown as code
        return "", ""
    return str(made.latex), str(made.unicode)


def _reasons(rows: Sequence[Row]) -> list[tuple[str, int]]:
    reasons = [
        f"{row.status}: {_VARYING.sub('…', row.message.strip().splitlines()[0])[:160]}"
        for row in rows
        if row.status != "ok" and row.message.strip()
    ]
    return Counter(reasons).most_common(TOP)


def _operators(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """What was tried, by what made it: how many, how many improved on their parent, and the greatest gain."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.operator or row.author or "unknown", []).append(row)
    made: list[dict[str, Any]] = []
    for name, part in groups.items():
        gains = [row.gain for row in part if row.gain is not None]
        improved = sum(gain > 0 for gain in gains)
        made.append(
            {
                "name": name,
                "count": len(part),
                "scored": len(gains),
                "improved": improved,
                "best": max(gains, default=None),
            }
        )
    return sorted(made, key=lambda one: (-one["improved"], -one["count"]))[:20]


def _walls(view: SessionView, problem: Problem | None) -> list[Wall]:
    walls = problem.walls if problem else {}
    train = tuple(view.games) or tuple(walls.get("train", ()))
    confirmations = [event.data for event in view.events("confirmation")]
    races = [event.data for event in view.events("finalists")]
    distillations = [event.data for event in view.events("distillation")]
    scored = [row for row in view.experiments if row.games]
    runs = sum(len(row.games) for row in scored)
    use = f"{len(scored)} programs ({runs:,} runs) and {len(view.baselines)} baselines were run on them"
    spent = sum(int(data.get("evaluations", 0)) for data in distillations)
    dev_use = f"{len(races)} races of finalists, {len(distillations)} distillations ({spent:,} ablations)"
    sealed = [d for d in confirmations if any(p.get("name") == "sealed" for p in d.get("parts", ()))]
    other = [d for d in confirmations if d not in sealed]
    made = [
        Wall("train", train, use),
        Wall("dev", tuple(walls.get("dev", ())), dev_use, [*races, *distillations]),
        Wall(
            "sealed", tuple(walls.get("sealed", ())), f"{len(sealed)} confirmations in this session", sealed
        ),
    ]
    return made + ([Wall("chosen by hand", (), f"{len(other)} confirmations", other)] if other else [])


def _duration(view: SessionView) -> str:
    """To the session's end: a confirmation may be months later."""
    if not view.lines.began:
        return "nothing was run"
    marks = view.events("started", "ended")
    over = marks[-1].time if marks and marks[-1].kind == "ended" else view.lines.time
    first, last = (datetime.fromisoformat(time) for time in (view.lines.began, over))
    return span((last - first).total_seconds())


def _attacks(view: SessionView) -> str:
    events = view.events("attacks")
    if not events:
        return "The sandbox was not attacked in this session."
    data = events[-1].data
    results = data.get("results", [])
    held = sum(bool(one.get("held")) for one in results)
    return (
        f"Sandbox {data.get('sandbox', '')}: {held} of {len(results)} attacks held before the first program."
    )


def threats(facts: Facts) -> list[str]:
    """What stands against the result, from the record."""
    best, bar = facts.best, facts.bar
    if best is None:
        return ["No program of the session was scored over every game, so there is no result to threaten."]
    scored = sum(row.complete for row in facts.view.experiments)
    found = [
        f"The score is the best of {scored} scored programs on the same train games: the maximum of many is "
        "biased upwards."
    ]
    if bar and (best.score or 0.0) <= (bar.score or 0.0):
        found.append(f"It does not beat the best baseline, {bar.name} ({bar.score:.4f}).")
    found.append(_generality(facts, best))
    if facts.distillation is None:
        found.append("It was not distilled: parts of it may do nothing, and what helps is not known.")
    return [*found, *_search(facts.view), _chance(facts.problem)]


def _generality(facts: Facts, best: Row) -> str:
    sealed = next(wall for wall in facts.walls if wall.name == "sealed")
    judged = [data for data in sealed.rows if data.get("program_id") == best.program_id]
    if not judged:
        return "It was not run on the sealed games: nothing here says that it generalises."
    if not judged[-1].get("confirmed"):
        return "On the sealed games it was not confirmed."
    count = judged[-1].get("programs", 1)
    return f"It was confirmed on the sealed games, as one of {count} programs confirmed in this home."


def _search(view: SessionView) -> list[str]:
    """What the way of searching leaves open."""
    rows, found = view.experiments, []
    stopped = sum(row.score is not None and not row.complete for row in rows)
    failed = sum(row.status != "ok" for row in rows)
    if stopped > FEW * len(rows):
        found.append(
            f"{stopped} of {len(rows)} evaluations were stopped as hopeless; late bloomers are missed."
        )
    if failed > FEW * len(rows):
        found.append(f"{failed} of {len(rows)} proposals failed or were rejected.")
    if len({row.arm for row in rows}) < 2:
        found.append("No control arm shared the budget, so the search is not compared with a simpler one.")
    if lessons := (view.about.get("memory") or {}).get("lessons", 0):
        found.append(f"It began with {lessons} lessons of earlier sessions, so it does not repeat them.")
    if any(event.data.get("sandbox") == "unconfined" for event in view.events("started")):
        found.append("Programs ran unconfined: their scores could have been forged.")
    return found


def _chance(problem: Problem | None) -> str:
    if problem is not None and (seeds := problem.settings.get("seeds")):
        return f"Every score is of the same {seeds} seeds: under others the order may be another."
    return "One run per program and game: late iterates are chaotic in floating point."
