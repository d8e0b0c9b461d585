"""Putting a library in order: principles from several lessons, and what may be retired. Pure functions.

A *head* is what precedes the colon of a lesson ("Discounting, starting from CFR+: …"): the mechanism it is
about. Lessons with one head are one question asked several times, and a principle is the answer over all
of them, with the lessons of its side as sources and those of the other as counter-evidence.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from memory.records import Lesson, LessonDraft

FEWEST = 3
"""Independent experiments that a principle needs."""
PATIENCE = 12
"""Proposals that a lesson must have been shown to before it can be called useless."""
_HEAD = 90
_Z = 1.96


@dataclass(frozen=True)
class Principle:
    problem: str
    draft: LessonDraft
    against: tuple[str, ...]
    """Ids of the lessons that speak against it."""
    supersedes: tuple[str, ...]
    """Ids of earlier principles about the same mechanism."""


def head(text: str) -> str:
    """The mechanism that a lesson names, empty when it names none."""
    start, colon, _ = text.partition(":")
    return " ".join(start.split()) if colon and 0 < len(start) <= _HEAD else ""


def principles(lessons: Iterable[Lesson]) -> list[Principle]:
    """What several independent experiments on one mechanism say together, where the mean of their effects is
    told from zero at 95 %; none that is known in these words already."""
    groups: dict[tuple[str, str], list[Lesson]] = {}
    known: dict[tuple[str, str], list[Lesson]] = {}
    for lesson in lessons:
        about = (lesson.problem, head(lesson.text).casefold())
        if about[1] and lesson.status != "retired":
            (known if lesson.sources else groups).setdefault(about, []).append(lesson)
    found = []
    for about, group in groups.items():
        made = _principle(about[0], group, known.get(about, ()))
        if made is not None:
            found.append(made)
    return found


def _principle(problem: str, group: list[Lesson], known: Iterable[Lesson]) -> Principle | None:
    measured = {x.supported_by: x for x in group if x.effect is not None and x.supported_by}.values()
    effects = [x.effect or 0.0 for x in measured]
    experiments = {name for x in measured for name in x.supported_by}
    if len(effects) < FEWEST or len(experiments) < FEWEST:
        return None
    mean, error = statistics.fmean(effects), statistics.stdev(effects) / math.sqrt(len(effects))
    if abs(mean) <= _Z * error or mean == 0:
        return None
    sources = tuple(x.id for x in measured if (x.effect or 0.0) * mean > 0)
    against = tuple(x.id for x in measured if (x.effect or 0.0) * mean < 0)
    gains = sum(effect > 0 for effect in effects)
    text = (
        f"{head(group[0].text)}: over {len(effects)} changes of this kind the score changed by {mean:+.3f} "
        f"on average; {gains} gained, {len(effects) - gains} did not."
    )
    if len(sources) < 2 or any(text == x.text for x in known):
        return None
    draft = LessonDraft(
        text=text,
        kind="success" if mean > 0 else "failure",
        observation=f"Effects from {min(effects):+.3f} to {max(effects):+.3f}, mean {mean:+.3f} "
        f"± {error:.3f} (standard error), of {len(experiments)} experiments.",
        games=tuple(sorted({game for x in measured for game in x.games})),
        sources=sources,
    )
    return Principle(problem, draft, against, tuple(x.id for x in known))


def useless(lessons: Mapping[str, Lesson]) -> dict[str, str]:
    """Lessons that were shown often and helped less than lessons do on average, by Wilson's upper bound of
    their rate at 95 %: id -> why."""
    alive = [lesson for lesson in lessons.values() if lesson.status != "retired"]
    shown, helped = sum(x.shown for x in alive), sum(x.helped for x in alive)
    average = helped / shown if shown else 0.0
    return {
        x.id: f"useless: helped {x.helped} of {x.shown} proposals that were shown it, where lessons help "
        f"{average:.0%} on average"
        for x in alive
        if x.shown >= PATIENCE and _upper(x.helped, x.shown) < average
    }


def _upper(successes: int, count: int) -> float:
    share, z2 = successes / count, _Z * _Z
    centre = share + z2 / (2 * count)
    return (centre + _Z * math.sqrt(share * (1 - share) / count + z2 / (4 * count * count))) / (
        1 + z2 / count
    )
