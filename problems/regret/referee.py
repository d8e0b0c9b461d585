"""The referee half: plays the game, owns its values and exploitability. Never runs a program."""

from __future__ import annotations

from typing import Any

from problems.games.layout import Game, arrange
from problems.games.tables import from_bytes
from problems.problem import CandidateError
from problems.regret.examine import against_sequence, altered
from problems.regret.table import Batch, Candidate, Table

LARGE = 1_000_000
"""Payoffs of a game whose sweeps are faster on a GPU; those of smaller ones stay on the processor."""


def rollout(candidate: Candidate, game: bytes, settings: dict[str, Any]) -> dict[str, Any]:
    """Self-play of one rule: every player runs it, and sees its own infosets alone.

    Args:
        game: what ``compile.pack`` gave.
        settings: ``checkpoints``, ascending iterations at which the average policy is judged, the last one
            ends the run; ``alternating``, whether players learn one after another (else all at once, from
            the same policies); ``seed``, which shuffles infosets and actions; optionally ``constants``, B
            settings of the rule's constants (mappings with the same names), to be run at once; ``device``,
            where the sweeps of large games run. For trials: ``sequence`` (see ``examine.against_sequence``,
            which then plays instead); ``scale``, ``shift`` of payoffs; ``relabel``, another order of infosets
            and actions.

    Returns:
        Equally long series, one number per checkpoint: ``iterations``; ``exploitability`` of the average
        policies (NashConv / players); ``last_iterate``, the same of the current ones; and ``value_1`` ..
        ``value_N``, each player's expected payoff under the average policies. With ``constants`` they lie one
        deeper, ``{"batch": [B times such series]}``.

    Raises:
        CandidateError: the candidate failed; ``artifact`` holds the series up to there.
    """
    if "sequence" in settings:
        return against_sequence(candidate, settings)
    tables = altered(from_bytes(game), settings)
    arranged = arrange(tables, settings["seed"] + settings.get("relabel", 0))
    table = _table(candidate, arranged, settings)
    done = 0
    for checkpoint in settings["checkpoints"]:
        try:
            table.play(checkpoint - done, settings["alternating"])
            done = checkpoint
            table.judge(done)
        except CandidateError as error:
            error.artifact = table.artifact()
            raise
    return table.artifact()


def _table(candidate: Candidate, game: Game, settings: dict[str, Any]) -> Table:
    constants = [settings["constants"]] if "constants" in settings else []
    device, rules = settings.get("device", "cpu"), getattr(candidate, "device", None)
    if rules is None and (device == "cpu" or len(game.layout.payoff) < LARGE):
        return Batch(candidate, game, *constants) if constants else Table(candidate, game)
    from problems.regret.table_on_device import DeviceBatch, DeviceTable  # only now, for torch is large

    return (DeviceBatch if constants else DeviceTable)(rules or device, candidate, game, *constants)
