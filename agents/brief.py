"""What the proposer is given: a parent, inspirations and lessons, chosen from the archive, with the reason.

The parent is drawn, by seed and experiment number, from three sources: the session's own programs by rank of
score, those with many children less often (as ShinkaEvolve weighs its archive, arXiv 2509.19349), within an
island where there are several (Tanese 1989); the best program of one game, so that a specialist survives
(quality-diversity, Mouret and Clune 2015); now and then a baseline, so that the search can leave a dead end.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from itertools import islice

from memory.archive import Archive, Entry
from memory.records import Lesson
from problems.problem import Problem
from sandbox.job import Record
from tools.recall import told

RESTART = 0.1
"""Share of experiments that start from a baseline."""
STALL, STALLED = 60, 0.2
"""Experiments without a new best program after which the search counts as stalled; the share then."""
MIGRATION = 0.2
"""Share of the parents by rank that may come from another island."""
NICHE = 0.25
"""Share that start from the best program of one game."""
DECAY = 0.6
"""Weight of a rank relative to the rank above it."""
RANKED = 100
"""Ranks looked at; further down a weight is nothing beside the first one's."""
INSPIRATIONS = 2
LESSONS = 5
WITHOUT_MEMORY = 0.2
"""Share of experiments that are shown no lessons, so that the effect of memory can be measured."""


class Brief(Record):
    experiment: int
    parent_id: str
    inspiration_ids: tuple[str, ...]
    lessons: tuple[Lesson, ...]
    memory: bool
    """Whether this experiment may use the memory at all."""
    reason: str


def write_brief(  # noqa: PLR0913 (each is drawn from, none belongs to another)
    problem: Problem,
    archive: Archive,
    seed: int,
    number: int,
    recall: Callable[[str, int], Sequence[Lesson]],
    arm: str = "search",
    islands: int = 1,
    without_memory: float = WITHOUT_MEMORY,
) -> Brief:
    """The brief of experiment ``number``. Deterministic, given what ``recall`` returns.

    Control arms get a parent and nothing else: ``climbing`` the best of what it made, every other arm the
    parent that the session starts from.
    """
    if arm != "search":
        return _control(problem, archive, number, arm)
    dice = random.Random(f"brief {seed} {number}")
    parent, why_parent = _parent(problem, archive, dice, number, islands)
    inspirations, why_inspirations = _inspirations(archive, parent, dice)
    memory = dice.random() >= without_memory
    reasons = [why_parent, *why_inspirations]
    if not memory:
        reasons.append("made without lessons, to measure what they are worth")
    return Brief(
        experiment=number,
        parent_id=parent.program_id,
        inspiration_ids=tuple(entry.program_id for entry in inspirations),
        lessons=tuple(recall(question(problem, archive, parent), LESSONS)) if memory else (),
        memory=memory,
        reason="; ".join(reasons) + ".",
    )


def question(problem: Problem, archive: Archive, parent: Entry) -> str:
    """What the memory is asked before a proposal: how to mend the parent's weakest game."""
    game = _weakest_game(archive, parent)
    about = f" on {game}" if game else ""
    return f"How to improve {parent.name}{about} in {problem.name}? {parent.hypothesis}".strip()[:400]


def fields(brief: Brief) -> dict[str, object]:
    """The part of a brief that messages and the record show."""
    return {
        "parent_id": brief.parent_id,
        "inspiration_ids": list(brief.inspiration_ids),
        "lessons": told(brief.lessons),
        "reason": brief.reason,
    }


def _first(problem: Problem, archive: Archive) -> Entry:
    first = archive.named(problem.parent)
    if first is None:
        raise ValueError(
            f"The baseline {problem.parent!r} is not in the archive: evaluate the baselines first."
        )
    return first


def _control(problem: Problem, archive: Archive, number: int, arm: str) -> Brief:
    parent, why = _first(problem, archive), "where the session starts"
    ranked = (entry for entry in archive.leaderboard if entry.number is not None or entry is parent)
    if arm == "climbing":
        parent, why = next(ranked), "best of the arm"
    return Brief(
        experiment=number,
        parent_id=parent.program_id,
        inspiration_ids=(),
        lessons=(),
        memory=False,
        reason=f"control arm {arm}; parent {parent.name}: {why}; made without lessons.",
    )


def _parent(
    problem: Problem, archive: Archive, dice: random.Random, number: int, islands: int
) -> tuple[Entry, str]:
    first = _first(problem, archive)
    ranked = (entry for entry in archive.leaderboard if entry.number is not None or entry is first)
    own = list(islice(ranked, RANKED))
    draw = dice.random()
    if len(own) < 2:
        return first, f"parent {first.name}: where the session starts"
    if draw < (STALLED if _stalls(archive, number) else RESTART):
        baselines = [archive.entries[baseline.program_id] for baseline in archive.baselines]
        parent = dice.choice(baselines)
        why = "restart from a baseline" + (", for the search has stalled" if draw >= RESTART else "")
        return parent, f"parent {parent.name}: {why}"
    if draw < RESTART + NICHE:
        game = dice.choice(sorted(archive.own_champions))
        parent = archive.own_champions[game]
        return parent, f"parent {parent.name}: best of the session on {game}"
    island, where = own, "the session"
    if islands > 1 and dice.random() >= MIGRATION:
        place = number % islands
        native = [entry for entry in own if entry is first or (entry.number or 0) % islands == place]
        if len(native) > 1:
            island, where = native, f"island {place + 1} of {islands}"
    tried = [len(archive.children(entry.program_id)) for entry in island]
    weights = [DECAY**rank / math.sqrt(1 + children) for rank, children in enumerate(tried)]
    parent = dice.choices(island, weights)[0]
    return parent, f"parent {parent.name}: rank {island.index(parent) + 1} of {where} by score"


def _stalls(archive: Archive, number: int) -> bool:
    """Whether the best of the session has not changed for long."""
    best = next((entry for entry in archive.leaderboard if entry.number is not None), None)
    return best is not None and number - (best.number or 0) > STALL


def _inspirations(archive: Archive, parent: Entry, dice: random.Random) -> tuple[list[Entry], list[str]]:
    """First whoever is best where the parent is weakest, then by rank."""
    top = islice(archive.leaderboard, RANKED)
    others = [entry for entry in top if entry.program_id != parent.program_id]
    chosen: list[Entry] = []
    reasons: list[str] = []
    game = _weakest_game(archive, parent)
    if game:
        chosen.append(archive.champions[game])
        reasons.append(f"inspiration {chosen[0].name}: best on {game}, where the parent lags most")
    while len(chosen) < INSPIRATIONS and len(chosen) < len(others):
        left = [entry for entry in others if all(entry is not taken for taken in chosen)]
        chosen.append(dice.choices(left, [DECAY**rank for rank in range(len(left))])[0])
        reasons.append(f"inspiration {chosen[-1].name}: by rank")
    return chosen, reasons


def _weakest_game(archive: Archive, entry: Entry) -> str | None:
    """The game on which the entry is furthest behind the best known; None when it is behind on none."""
    gaps = {
        game: archive.champions[game].result.games[game] - score
        for game, score in entry.result.games.items()
        if game in archive.champions
    }
    worst = max(gaps, key=lambda game: gaps[game], default=None)
    return worst if worst is not None and gaps[worst] > 0 else None
