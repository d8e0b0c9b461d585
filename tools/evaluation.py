"""A program's judgement: static checks, then games cheapest first, each run once and recorded."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from memory.records import Result, program_id
from problems.problem import Problem
from sandbox.job import Job, Limits, Outcome, Sandbox
from tools.constants import with_constants

Recorded = Callable[[str, str, Callable[[], dict[str, Any]]], dict[str, Any]]
"""``Journal.recorded``: what is written under (kind, key), else what the function gives, written first."""

PATIENCE = 2
"""Games that a program may lose to every baseline before it can be called hopeless."""


@dataclass(frozen=True)
class Bar:
    """When a program is hopeless: worse than the worst baseline on each of the first games.

    Losing the mean is no ground to stop: a rule that is best on one later game must survive. A stopped
    program's score credits each game not played with the worst baseline's, so it ranks below them all.
    """

    worst: Mapping[str, float]
    """Score of the worst baseline per game."""

    def stops(self, games: Mapping[str, float]) -> bool:
        return len(games) >= PATIENCE and all(
            score < self.worst.get(game, -math.inf) for game, score in games.items()
        )

    def bound(self, games: Mapping[str, float], wall: Sequence[str]) -> float:
        """Upper estimate of a stopped program's mean over the wall's games."""
        return math.fsum(games.get(game, self.worst.get(game, 0.0)) for game in wall) / len(wall)


@dataclass(frozen=True)
class Patience(Bar):
    """For variations of one program, whose own scores ``worst`` holds.

    Who has lost ``most`` against them, summed over games, is stopped, and credited with those of the others.
    """

    most: float

    def stops(self, games: Mapping[str, float]) -> bool:
        return math.fsum(self.worst.get(game, score) - score for game, score in games.items()) > self.most


def bar_of(baselines: Sequence[Result]) -> Bar:
    """The bar that these baselines set; one that nothing fails when none was played."""
    played = [result.games for result in baselines if result.status == "ok"]
    games = set.intersection(*(set(scores) for scores in played)) if played else set()
    return Bar({game: min(scores[game] for scores in played) for game in sorted(games)})


@dataclass(frozen=True)
class Evaluator:
    """Judges programs of one problem in one sandbox. Safe to use from several threads."""

    problem: Problem
    sandbox: Sandbox
    recorded: Recorded
    limits: Limits = Limits()
    repeat: int = 0
    """Other repeats show the program infosets and actions in other orders: the same numbers but for rounding,
    and so a measure of the chaos in them. Where chance matters (*learning*) they have other seeds."""

    def smoke(self, source: str) -> Result:
        """Tiny games only: does it run at all, and how does it behave (``curves``)? Never a score."""
        faults = self.problem.check(source)
        if faults:
            return Result(status="rejected", message=_sentences(faults))
        seconds, output = 0.0, ""
        curves: dict[str, dict[str, list[float]]] = {}
        for game in self.problem.smoke:
            outcome = self._play(source, game, self.problem.smoke_settings, self._brief())
            seconds, output = seconds + outcome.seconds, output + outcome.output
            curves[game] = _series(outcome.artifact)
            if outcome.status != "ok":
                break
        message = "" if outcome.status == "ok" else f"{game}: {outcome.message}"
        return Result(
            status=outcome.status,
            message=message,
            curves=curves,
            output=output,
            seconds=seconds,
            sandbox=outcome.sandbox,
        )

    def evaluate(self, source: str, games: Sequence[str], bar: Bar | None = None) -> Result:
        """Checks, smoke run, then ``games`` in order, up to the first failure or until the bar says stop."""
        smoke = self.smoke(source)
        if smoke.status != "ok":
            return smoke
        artifacts: dict[str, Mapping[str, Any]] = {}
        outcomes: list[Outcome] = []
        scores: dict[str, float] = {}
        for game in games:
            outcome = self._play(source, game, self.problem.settings, self.limits)
            outcomes.append(outcome)
            if outcome.status != "ok":
                break
            artifacts[game] = outcome.artifact
            scores = dict(self.problem.score(artifacts).games)
            if bar is not None and bar.stops(scores) and len(scores) < len(games):
                break
        return self._result(games, outcomes, artifacts, bar)

    def sweep(
        self,
        source: str,
        games: Sequence[str],
        settings: Sequence[Mapping[str, float]],
        bar: Bar | None = None,
    ) -> list[Result]:
        """One program with several settings of its constants (class attributes in capitals), side by side in
        the sandbox's slots. Each is judged as a program of its own, under its own id.

        Raises:
            KeyError: the program has no such constant.
        """
        sources = [with_constants(source, values) for values in settings]
        with ThreadPoolExecutor(self.sandbox.slots, thread_name_prefix="sweep") as pool:
            return list(pool.map(lambda text: self.evaluate(text, games, bar), sources))

    def _brief(self) -> Limits:
        """Of the smoke run: what a train game may take at most, however patient the evaluation is, so that a
        program that never comes back is found out before its first long game."""
        seconds, given = self.problem.seconds, self.limits
        shorter = {
            "wall_seconds": min(seconds, given.wall_seconds),
            "cpu_seconds": min(seconds, given.cpu_seconds),
        }
        return given.model_copy(update=shorter)

    def _play(self, source: str, game: str, settings: Mapping[str, Any], limits: Limits) -> Outcome:
        """One run in the sandbox, or what the journal says it gave.

        The order in which infosets and actions are shown depends on program and game alone, so that
        the same program gets the same score in every session.
        """
        name = program_id(source)
        shown = json.dumps(dict(settings), sort_keys=True)
        order = f"{name} {game}" + (f" {self.repeat}" if self.repeat else "")
        run_of = f"{name} {self.problem.name} {game} {shown}" + (f" {self.repeat}" if self.repeat else "")
        key = hashlib.sha256(run_of.encode()).hexdigest()[:24]
        job = Job(
            problem=self.problem.name,
            program=source,
            game=game,
            settings=dict(settings) | ({"repeat": self.repeat} if self.repeat else {}),
            seed=int(hashlib.sha256(order.encode()).hexdigest()[:8], 16),
            limits=limits,
        )

        def run() -> dict[str, Any]:
            outcome = self.sandbox.run(job)
            return {"program_id": name, "game": game, "outcome": outcome.model_dump(mode="json")}

        return Outcome.model_validate(self.recorded("outcome", key, run)["outcome"])

    def _result(
        self,
        games: Sequence[str],
        outcomes: Sequence[Outcome],
        artifacts: Mapping[str, Mapping[str, Any]],
        bar: Bar | None,
    ) -> Result:
        last = outcomes[-1]
        failed = last.status != "ok"
        score = self.problem.score(artifacts) if artifacts else None
        played = dict(score.games) if score else {}
        stopped = not failed and len(artifacts) < len(games)
        total = None if score is None or failed else score.score
        if stopped and bar is not None:
            total = bar.bound(played, games)
        return Result(
            status=last.status,
            message=f"{games[len(outcomes) - 1]}: {last.message}" if failed else "",
            score=total,
            stopped_early=stopped,
            games=played,
            details=dict(score.details) if score else {},
            curves={game: _series(artifact) for game, artifact in artifacts.items()},
            output="".join(outcome.output for outcome in outcomes),
            seconds=sum(outcome.seconds for outcome in outcomes),
            sandbox=last.sandbox,
        )


def _series(artifact: Mapping[str, Any]) -> dict[str, list[float]]:
    """The artifact's lists of numbers, by name."""
    return {
        name: [float(value) for value in values]
        for name, values in artifact.items()
        if isinstance(values, list) and values and all(isinstance(value, int | float) for value in values)
    }


def _sentences(faults: Sequence[str]) -> str:
    return " ".join(fault.rstrip(".") + "." for fault in faults)
