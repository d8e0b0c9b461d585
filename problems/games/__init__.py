"""Extensive-form games as sequence-form arrays: compile, arrange, play, best response.

Only ``compile.py`` needs OpenSpiel. A game is named by a short id below or by any OpenSpiel string.
"""

GAMES: dict[str, str] = {
    "kuhn2": "kuhn_poker(players=2)",
    "kuhn3": "kuhn_poker(players=3)",
    "kuhn4": "kuhn_poker(players=4)",
    "leduc2": "leduc_poker(players=2)",
    "leduc3": "leduc_poker(players=3)",
    "goofspiel3": "goofspiel(num_cards=3)",
    "goofspiel4": "goofspiel(num_cards=4)",
    "goofspiel5": "goofspiel(num_cards=5)",
    "liars_dice4": "liars_dice(dice_sides=4)",
    "liars_dice5": "liars_dice(dice_sides=5)",
    "liars_dice6": "liars_dice(dice_sides=6)",
}
"""Short ids. All parameters not named are OpenSpiel's defaults, as in Li et al. 2026 (arXiv 2602.16928)."""


class GameError(Exception):
    """A game that cannot be compiled or read, told to a person."""
