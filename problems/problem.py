"""What a research problem is: the contract between a problem's folder and everything else.

A problem's folder holds four things that run in three different processes, so they are named
by module path and never imported across the wall:

* the folder's ``__init__`` (host): ends in ``PROBLEM``, an instance of :class:`Problem`;
* ``referee.py`` (referee process): ``rollout(candidate, game, settings) -> dict``, where ``game`` is what
  ``pack`` returned and ``settings`` are the job's, with ``seed`` added; raises :class:`CandidateError`;
* ``rule.py`` or ``rule/`` (candidate process): ``serve(program, setup, arrays) -> list of callables``, where
  ``program`` is the namespace of the executed program. Its source travels alone: it imports torch, numpy,
  numba, scipy, the standard library and, relatively, its own modules, nothing else of ours;
* ``statement.md`` and ``baselines/*.py``: texts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from problems.brought import Brought

Wall = Literal["train", "dev", "sealed"]


class CandidateError(Exception):
    """The candidate failed: it raised, ran out of a limit, died, or handed over arrays that are not valid.

    A rollout raises it with status ``invalid``; ``candidate.open`` and ``candidate.call`` raise it with the
    other statuses. To save what was measured so far, the rollout sets ``artifact`` and lets it pass.
    """

    def __init__(self, status: Literal["error", "timeout", "out_of_memory", "invalid"], message: str) -> None:
        super().__init__(message)
        self.status = status
        self.artifact: dict[str, Any] = {}


@dataclass(frozen=True)
class Score:
    """A program's worth: higher is better."""

    score: float
    """Mean of ``games``."""
    games: Mapping[str, float]
    """One score per game, in the order in which the games were played."""
    details: Mapping[str, float]
    """Other figures worth showing, by name (the paper's own fitness, final exploitabilities)."""


@dataclass(frozen=True)
class Finding:
    """What a trial showed."""

    passed: bool
    said: str
    """One sentence with the figures that decided."""
    figures: Mapping[str, float]


@dataclass(frozen=True)
class Trial:
    """A property that a confirmation tests apart from the score: runs of its own, and how they are read."""

    name: str
    about: str
    """What a rule that passes has, in one sentence."""
    game: str
    runs: tuple[Mapping[str, Any], ...]
    """Settings handed to ``rollout``, one run each."""
    judge: Callable[[Sequence[Mapping[str, Any]]], Finding]
    """Artifacts of the runs, in their order."""


@dataclass(frozen=True)
class Export:
    """A program as one file, without any import of ours, for another framework; and how that file is checked:
    it is run where nothing of ours is, and must give there what our referee gives here."""

    write: Callable[[str, str], str]
    """(source, title) -> the file's text. Raises ValueError for a program that cannot be exported."""
    outside: str
    """Module path of what runs the file in the other process, where its text alone is executed:
    ``prepare({game: told}) -> {game: anything}``, before that process is confined, and
    ``measure(file's namespace, prepared game, settings) -> {series: [numbers]}``."""
    games: Callable[[], tuple[str, ...]]
    """What the file is checked on if nothing else is asked for; ``pack`` knows these from then on."""
    told: Callable[[str], Any]
    """What ``prepare`` must know of a game (JSON). Raises ValueError for one that the framework cannot
    load."""
    settings: Mapping[str, Any]
    """Of the run that is compared, here and there."""
    compared: Mapping[str, float]
    """Series -> how far it may be off, relative to its largest number."""
    when: str
    """Which part of a run is compared, for people."""
    framework: str
    offers: str
    """What is in the file."""
    hint: str
    """Arguments to try the file with."""
    doubt: str
    """What may be the matter if the file gives something else."""


@dataclass(frozen=True)
class Problem:
    """One research problem, seen from the host."""

    name: str
    statement: str
    """Formal description given to the agents (Markdown)."""
    baselines: Mapping[str, str]
    """Known rules as programs: name -> source, in the very interface that candidates use."""
    parent: str
    """Name of the baseline that a session starts from."""
    walls: Mapping[Wall, tuple[str, ...]]
    """Game names per wall, cheapest first."""
    smoke: tuple[str, ...]
    """Tiny games for the smoke run; on no wall's account."""
    settings: Mapping[str, Any]
    """Default settings handed to ``rollout`` (JSON)."""
    smoke_settings: Mapping[str, Any]
    referee: str
    """Module path of the referee half."""
    rule: str
    """Module path of the candidate half: a module, or a package of several."""
    pack: Callable[[str], bytes]
    """Host side: what the referee must know of a game (by name), as bytes without code (npz, no pickle)."""
    check: Callable[[str], list[str]]
    """Static faults of a program's source, each a sentence for its author; empty when there are none."""
    score: Callable[[Mapping[str, Mapping[str, Any]]], Score]
    """Artifacts by game (what ``rollout`` returned) -> score. A game that is missing because the
    evaluation stopped early is not in the mapping."""
    seconds: float = 60.0
    """Wall-clock and CPU time that a program may take on a train game."""
    horizons: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Settings of other lengths than the default, by name: a program is confirmed at horizons that it was not
    searched at, on dev and sealed games."""
    trials: tuple[Trial, ...] = ()
    """Properties that ``equilibrist confirm`` tests."""
    export: Export | None = None
    """How a program becomes a file that others run in their own framework."""
    notation: Callable[[str], Any] | None = None
    """Source -> the rule in mathematical notation (``problems.notation.Notation``)."""
    devices: tuple[str, ...] = ("cpu",)
    """Kinds of device that the referee can compute on."""
    device: str = "cpu"
    """Where it does, as the sandbox is asked for it (``cuda:0,1``)."""
    bring: Callable[[str], Brought] | None = None
    """Host side: a game of the user's own, as typed, validated; None where only known ones can be played.
    Raises ``problems.brought.BroughtError``."""


def tailored(problem: Problem, games: Sequence[str] = (), device: str = "cpu") -> Problem:
    """The problem with ``games`` for its train wall and its smoke run, which leave its other walls, and with
    its referee on another device."""
    if device != "cpu":
        kind = device.partition(":")[0]  # which GPU of several is the sandbox's business
        moved = {name: {**settings, "device": kind} for name, settings in problem.horizons.items()}
        settings = {**problem.settings, "device": kind}
        problem = replace(problem, device=device, settings=settings, horizons=moved)
    if not games:
        return problem
    held_out = {
        wall: tuple(game for game in names if game not in games) for wall, names in problem.walls.items()
    }
    return replace(problem, walls={**held_out, "train": tuple(games)}, smoke=tuple(games[:1]))
