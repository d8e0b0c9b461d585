"""A pair of meta-strategy solvers as one file for OpenSpiel's psro_v2, and how that file is checked."""

from __future__ import annotations

import itertools
import random
from functools import partial
from pathlib import Path
from typing import Any

from problems.brought import keep, kept, named
from problems.exporting import written
from problems.games import GAMES
from problems.problem import Export

EPOCHS = 6


def drawn() -> dict[str, str]:
    """Two games in Gambit's form, payoffs drawn at random: name -> text.

    In no infoset that can be reached are two actions equally good. Where they are, rounding decides which
    strategies enter a population, and OpenSpiel sums in another order than our referee.
    """
    texts = {"two players": _text(2, 3, 3, (0, 1, 0)), "three players": _text(3, 2, 3, (0, 1, 2))}
    return {named(name, text.encode()): text for name, text in texts.items()}


def _text(players: int, hands: int, actions: int, turns: tuple[int, ...]) -> str:
    """A game in Gambit's form: hands are dealt, then players move in turn and see all moves; with two players
    it is zero-sum."""
    chance, outcomes = random.Random(players), itertools.count(1)
    infosets: list[dict[Any, int]] = [{} for _ in range(players)]
    names = " ".join(f'"{action}"' for action in range(actions))
    deals = list(itertools.product(range(hands), repeat=players))
    chances = " ".join(f'"{k}" 1/{len(deals)}' for k in range(len(deals)))
    called = " ".join(f'"{player}"' for player in range(players))
    lines = [f'EFG 2 R "drawn" {{ {called} }}', f'c "" 1 "" {{ {chances} }} 0']

    def node(deal: tuple[int, ...], moves: tuple[int, ...]) -> None:
        if len(moves) == len(turns):
            paid = [round(chance.gauss(), 6) for _ in range(players)]
            if players == 2:
                paid[1] = -paid[0]
            lines.append(f't "" {next(outcomes)} "" {{ {" ".join(map(str, paid))} }}')
            return
        player = turns[len(moves)]
        own = infosets[player]
        infoset = own.setdefault((deal[player], moves), len(own) + 1)
        lines.append(f'p "" {player + 1} {infoset} "" {{ {names} }} 0')
        for action in range(actions):
            node(deal, (*moves, action))

    for deal in deals:
        node(deal, ())
    return "\n".join(lines) + "\n"


def games() -> tuple[str, ...]:
    """The drawn games, compiled."""
    import pyspiel

    from problems.games.compile import Compiler
    from problems.games.tables import to_bytes

    for name, text in drawn().items():
        keep(name, to_bytes(Compiler(pyspiel.load_efg_game(text)).tables()))
    return tuple(drawn())


def told(game: str) -> dict[str, str]:
    """How OpenSpiel loads a game. Raises ValueError for one of the user's files."""
    if game in drawn():
        return {"efg": drawn()[game]}
    if kept(game) is not None:
        raise ValueError(f"{game} comes from a file, which the check cannot hand to OpenSpiel; name others.")
    return {"string": GAMES.get(game, game)}


EXPORT = Export(
    write=partial(written, Path(__file__).with_name("solver.py"), ()),
    outside="problems.metasolver.outside",
    games=games,
    told=told,
    settings={"checkpoints": list(range(1, EPOCHS + 1)), "trace": True},
    compared={"payoffs": 1e-9, "train": 1e-6, "evaluate": 1e-6, "exploitability": 1e-6},
    when=f"within {EPOCHS} epochs",
    framework="OpenSpiel",
    offers="class MetaStrategy, used as psro_v2's meta_strategy_method",
    hint="--game kuhn_poker --epochs 20",
    doubt="Where actions are equally good, as in games of cards, rounding decides which strategies enter a "
    "population, here and there differently. The games that are taken without --games have none such.",
)
