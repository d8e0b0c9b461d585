"""Control arms: other ways to spend a session's budget, so that the search can be compared with them.

Plain sampling at equal budget matches several published systems (arXiv 2602.16805), so a search that is not
compared with it has shown nothing. Each arm sees the baselines and its own experiments, no others.

* ``search``: all that the agents and the memory can do.
* ``sampling``: independent programs of the same proposer, each from the session's first parent.
* ``climbing``: the same proposer, from the best of the arm so far; no inspirations, no memory.
* ``tuning``: no new structure: the constants of the best baseline, by CMA-ES.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import count

from agents.graph import run_experiment
from agents.state import Bench
from equilibrist.errors import Usage
from memory.archive import Archive, Entry
from memory.records import SEARCH, Experiment, Proposal, Result, program_id
from tools.evaluation import Bar, Patience
from tools.novelty import same_structure
from tools.tuning import Tuning, tune

TUNING = "tuning"
ARMS = (SEARCH, "sampling", "climbing", TUNING)
BURST = 12
"""Evaluations of one experiment of the arm ``tuning``, where the session does not say how many."""
PROMISING = 3
"""A program of the search may be tuned when its structure is among so many best, baselines included."""
OPERATOR = "cma_es"
HOPELESS = 3.0
"""Score, summed over games, that a setting of a program's constants may lose against the program as it is."""

Sweep = Callable[[Bar, str, Sequence[Mapping[str, float]], int], list[Result]]
"""Bar, source, settings, repeat: ``Evaluator.sweep`` on the train games."""


def shares(text: str) -> dict[str, float]:
    """``sampling,climbing:0.5`` as weights by arm; the search has weight one unless it says otherwise.

    Raises:
        Usage: an unknown arm, or a weight that is none.
    """
    found: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, weight = part.partition(":")
        if name not in ARMS:
            raise Usage(f"There is no arm '{name}'. Arms: {', '.join(ARMS)}; weights: search:2,sampling:1.")
        try:
            found[name] = float(weight or "1")
        except ValueError:
            found[name] = 0.0
        if not found[name] > 0:
            raise Usage(f"'{part}' has no weight above zero; arms look like: search:2,sampling:1.")
    return {SEARCH: 1.0, **found}


def turns(weights: Mapping[str, float]) -> Iterator[str]:
    """The arms of experiments 1, 2, …: each gets its share at every stage of the session, not by chance."""
    spent = dict.fromkeys(weights, 0)
    total = sum(weights.values())
    for number in count(1):
        due = {name: weights[name] / total * number - spent[name] for name in weights}
        arm = max(due, key=lambda name: due[name])
        spent[arm] += 1
        yield arm


class Lines:
    """What each arm knows so far, as archives that grow. Copies are cheap and do not change one another."""

    def __init__(self, archives: Mapping[str, Archive]) -> None:
        self._archives = dict(archives)

    @classmethod
    def of(cls, archive: Archive, weights: Iterable[str]) -> Lines:
        """From a session's whole archive."""
        known = {name: Archive(archive.baselines) for name in weights}
        for experiment in archive.experiments:
            known[experiment.arm] = known.get(experiment.arm, Archive(archive.baselines)).grown(experiment)
        return cls(known)

    def grown(self, experiment: Experiment) -> Lines:
        name = experiment.arm
        return Lines({**self._archives, name: self._archives[name].grown(experiment)})

    def __getitem__(self, name: str) -> Archive:
        own = self._archives[name]
        return Archive(own.baselines) if name == "sampling" else own


def conduct_one(number: int, bench: Bench, given: Proposal | None, sweep: Sweep, budget: int) -> Experiment:
    """One experiment of the bench's arm. ``budget``: evaluations to tune a promising program; 0 for none."""
    made: Tuning | None = None
    target = None if given else _target(bench, budget)
    if target is not None:
        made = _tuned(number, bench, target, sweep, budget or BURST)
    if made is None or target is None:
        return run_experiment(number, bench, given)
    hypothesis = (
        f"The structure of {target.name} is kept; its constants, tuned by CMA-ES over {made.evaluations} "
        f"evaluations, are expected to raise its score of {target.result.score:.4f}. Refuted if they do not."
    )
    proposal = Proposal(
        program_id=program_id(made.source),
        source=made.source,
        hypothesis=hypothesis,
        parent_id=target.program_id,
        operator=OPERATOR,
    )
    experiment = run_experiment(number, replace(bench, hand=OPERATOR), proposal)
    why = f"parent {target.name}: " + (
        "best of the arm, whose constants are tuned"
        if bench.arm == TUNING
        else "promising, so its constants are tuned"
    )
    brief = {
        **experiment.brief,
        "evaluations": made.evaluations,
        "parent_id": target.program_id,
        "inspiration_ids": [],
        "reason": f"{why}.",
    }
    return experiment.model_copy(update={"brief": brief})


def _target(bench: Bench, budget: int) -> Entry | None:
    """Whose constants are to be tuned now, if any.

    Of the search: the best whose structure was not tuned yet; when all promising ones were, the best whose
    last tuning raised its score. Tuning takes no more evaluations than the search's other experiments.
    """
    board = bench.archive.leaderboard
    if bench.arm == TUNING:
        return board[0] if board else None
    if bench.arm != SEARCH or budget < 1:
        return None
    experiments = bench.archive.experiments
    tuned = [e for e in experiments if e.proposal and e.proposal.operator == OPERATOR]
    if sum(e.evaluations for e in tuned) > len(experiments) - len(tuned):
        return None
    again = None
    for entry in _promising(board):
        rounds = [e for e in tuned if e.proposal and same_structure(e.proposal.source, entry.source)]
        if not rounds:
            return entry
        if again is None and _gained(rounds[-1], bench.archive):
            again = entry
    return again


def _promising(board: Sequence[Entry]) -> list[Entry]:
    """The best program of each of the best structures, less the baselines."""
    found: list[Entry] = []
    for entry in board:
        if len(found) == PROMISING:
            break
        if not any(same_structure(entry.source, better.source) for better in found):
            found.append(entry)
    return [entry for entry in found if entry.number is not None]


def _gained(experiment: Experiment, archive: Archive) -> bool:
    """Whether the tuned program scores more than the one that it came from."""
    parent = archive.entries.get(experiment.brief.get("parent_id", ""))
    before, after = parent.result.score if parent else None, experiment.result.score
    return before is not None and after is not None and after > before


def _tuned(number: int, bench: Bench, target: Entry, sweep: Sweep, budget: int) -> Tuning | None:
    """Through the journal: what was tuned once is not tuned again when the session is resumed."""
    material = f"{bench.seed} {number} {target.program_id}"
    seed = int(hashlib.sha256(material.encode()).hexdigest()[:8], 16) % 2**31

    def compute() -> dict[str, object]:
        bar = Patience(target.result.games, HOPELESS)
        found = tune(target.source, partial(sweep, bar), budget, seed)
        if found is None:
            return {"experiment": number, "parent_id": target.program_id, "source": None}
        return {
            "experiment": number,
            "parent_id": target.program_id,
            "source": found.source,
            "score": found.score,
            "evaluations": found.evaluations,
            "trace": list(found.trace),
        }

    said = bench.recorded("tuning", f"{number} {target.program_id}", compute)
    if said["source"] is None or program_id(said["source"]) in bench.archive.entries:
        return None
    return Tuning(said["source"], said["score"], said["evaluations"], tuple(said["trace"]))
