"""A game of the user's own, validated before a session is built on it: OpenSpiel string or Gambit file."""

from __future__ import annotations

import contextlib
import math
import os
import random
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyspiel

from problems.brought import Brought, named
from problems.games import GameError
from problems.games.compile import MAX_HISTORIES, Compiler, cached_here, load, playable
from problems.games.tables import Tables, from_bytes, to_bytes

PROBES = 300
"""Random plays by which the size of a tree is estimated."""
CERTAIN = 50
"""A tree whose estimate is that many times the limit is refused without being walked."""

Timed = Callable[[Tables], float]
"""Seconds that one evaluation of a usual rule takes on the game."""


def bring(text: str, timed: Timed, limit: float) -> Brought:
    """The user's game, compiled and timed.

    Args:
        text: a short id of ``GAMES``, an OpenSpiel string, or the path of a Gambit file (``.efg``).
        timed: estimates an evaluation on the compiled game.
        limit: seconds that an evaluation may take.

    Raises:
        GameError: no such file or game, a fault in it, a tree too large to compile, or too slow to evaluate.
    """
    if text.endswith(".efg"):
        game, name, data = _gambit(Path(text))
    else:
        name, data = text.strip(), None
        if name.startswith("efg_game"):
            raise GameError("Give a Gambit file by its path, e.g. --game my_game.efg.")
        game = load(name)
    estimate = histories(game)
    if estimate > CERTAIN * MAX_HISTORIES:
        raise GameError(
            f"{text}: the tree has about {estimate:.1e} histories ({PROBES} random plays); at most "
            f"{MAX_HISTORIES:.0e} can be compiled. Make it smaller: fewer cards, dice, rounds or players."
        )
    try:
        packed = cached_here(game) if data is None else to_bytes(Compiler(game).tables())
        tables = from_bytes(packed)
        _worthwhile(tables, text)
        seconds = timed(tables)
    except GameError as error:
        told = " ".join(str(error).replace(str(game), text).split())
        raise GameError(told if text in told else f"{text}: {told}") from None
    if seconds > limit:
        raise GameError(
            f"{text}: one evaluation would take about {seconds:.0f} s, {limit:.0f} s are allowed. "
            f"The game has {len(tables.history_cell):,} decision histories; a smaller one is needed."
        )
    return Brought(name, None if data is None else packed, _about(tables), seconds)


def histories(game: Any, probes: int = PROBES) -> float:
    """Estimated histories of a tree by random probing (Knuth 1975): unbiased, of high variance."""
    drawn = random.Random(0)
    total = 0.0
    for _ in range(probes):
        state, width, count = game.new_initial_state(), 1.0, 1.0
        while not state.is_terminal():
            actions = state.legal_actions()
            if not actions:
                raise GameError(f"{game}: a history that is not over has no legal action: {state}")
            width *= len(actions)
            count += width
            if not math.isfinite(count):
                return math.inf
            state.apply_action(drawn.choice(actions))
        total += count
    return total / probes


def _gambit(path: Path) -> tuple[Any, str, bytes]:
    """The game in a Gambit file, its name, and what the name stands for."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise GameError(f"The game file {path} cannot be read: {error}") from None
    _players(path, text)
    try:
        with _muted():
            game = pyspiel.load_efg_game(text)
            state = game.new_initial_state()
        assert state is not None
    except (pyspiel.SpielError, RuntimeError, IndexError, ValueError) as error:
        told = "it ends in the middle of a node" if isinstance(error, IndexError) else _in_words(str(error))
        raise GameError(
            f"{path} is no game in Gambit's extensive form as OpenSpiel reads it: {told}. "
            'A file starts with: EFG 2 R "title" { "player 1" "player 2" }'
        ) from None
    content = text.encode()
    return playable(game, str(path)), named(path.name, content), content


_HEADER = re.compile(r'EFG\s+2\s+\S+\s+"[^"]*"\s*\{([^}]*)\}')
_MOVE = re.compile(r'^\s*p\s+"[^"]*"\s+(\d+)', re.MULTILINE)
_FAULTS = {
    "payoffs.size()": "an outcome must pay every player",
    "prob_sum": "the probabilities of a chance node must sum to one",
    "prob <= 1.0": "a probability must lie between 0 and 1",
    "prob >= 0": "a probability must lie between 0 and 1",
    '== "EFG"': "it does not begin with EFG",
    "infoset_num_to_states_count_": "a player's infosets must be numbered from 1 without a gap",
    "string_data_.length()": "it ends in the middle of a node",
}
"""OpenSpiel's conditions, in words."""


def _players(path: Path, text: str) -> None:
    """A player that the header does not name crashes OpenSpiel's reader."""
    if (header := _HEADER.search(text)) is None:
        return
    names = header[1].count('"') // 2
    for move in _MOVE.finditer(text):
        if not 1 <= int(move[1]) <= names:
            line = text.count("\n", 0, move.start(1)) + 1
            raise GameError(f"{path}, line {line}: player {move[1]} moves; the header names {names}.")


def _in_words(told: str) -> str:
    words = " ".join(told.split("efg_game.cc:")[-1].split())
    for condition, meaning in _FAULTS.items():
        if condition in words:
            _, _, where = words.partition("while parsing ")
            return f"{meaning} ({where})" if where else meaning
    return words


@contextlib.contextmanager
def _muted() -> Iterator[None]:
    """OpenSpiel prints its exceptions besides."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _worthwhile(tables: Tables, text: str) -> None:
    """A game in which nothing is decided or nothing is paid teaches nothing."""
    if not np.isfinite(tables.terminal_payoffs).all():
        raise GameError(f"{text}: an outcome pays what is no finite number.")
    if not len(tables.infoset_actions) or int(tables.infoset_actions.max()) < 2:
        raise GameError(f"{text}: no player ever has a choice in this game.")
    if not np.any(tables.terminal_payoffs):
        raise GameError(f"{text}: every outcome pays nothing to everybody.")


def _about(tables: Tables) -> str:
    actions = int(tables.infoset_actions.sum())
    return (
        f"{tables.players} players, {len(tables.infoset_player):,} infosets, {actions:,} infoset actions, "
        f"{len(tables.history_cell):,} decision histories{_forgotten(tables)}"
    )


def _forgotten(tables: Tables) -> str:
    """A warning where players forget what they did or knew."""
    if len(tables.cell_infoset) == len(tables.infoset_player):
        return ""
    player = int(tables.infoset_player[np.bincount(tables.cell_infoset).argmax()]) + 1
    return (
        f". Imperfect recall: player {player} forgets what it did or knew, so no rule is sure to converge, "
        "and exploitability may miss a better response"
    )


def clock(play: Callable[[], None], times: int) -> float:
    """Seconds of ``play`` repeated so often, by a few repeats after one that warms up."""
    play()
    started, count = time.process_time(), 0
    while count < 3 or (time.process_time() - started < 0.05 and count < 50):
        play()
        count += 1
    return (time.process_time() - started) / count * times
