"""Extensive-form games as sequence-form arrays: compile, arrange, play, best response.

Only ``compile.py`` needs OpenSpiel. A game is named by a short id below or by any OpenSpiel string.
"""

from problems.brought import BroughtError

_BOARD = "board_width=2,board_height=2,ship_sizes=[1;2],ship_values=[1.0;2.0],allow_repeated_shots=False"
GAMES: dict[str, str] = {
    "kuhn2": "kuhn_poker(players=2)",
    "kuhn3": "kuhn_poker(players=3)",
    "kuhn4": "kuhn_poker(players=4)",
    "leduc2": "leduc_poker(players=2)",
    "leduc2_iso": "leduc_poker(players=2,suit_isomorphism=True)",
    "leduc3": "leduc_poker(players=3)",
    "leduc3_iso": "leduc_poker(players=3,suit_isomorphism=True)",
    "goofspiel3": "goofspiel(num_cards=3)",
    "goofspiel4": "goofspiel(num_cards=4)",
    "goofspiel5": "goofspiel(num_cards=5)",
    "liars_dice4": "liars_dice(dice_sides=4)",
    "liars_dice5": "liars_dice(dice_sides=5)",
    "liars_dice6": "liars_dice(dice_sides=6)",
    "goofspiel4_imp": "goofspiel(num_cards=4,imp_info=True,points_order=descending)",
    "goofspiel5_imp": "goofspiel(num_cards=5,imp_info=True,points_order=descending)",
    "goofspiel5_imp_up": "goofspiel(num_cards=5,imp_info=True,points_order=ascending)",
    "goofspiel3_3p": "goofspiel(players=3,num_cards=3)",
    "blotto5": "blotto(coins=5,fields=3)",
    "blotto10": "blotto(coins=10,fields=3)",
    "blotto5_3p": "blotto(players=3,coins=5,fields=3)",
    "battleship2": f"battleship({_BOARD},num_shots=2)",
    "battleship3": f"battleship({_BOARD},num_shots=3)",
    "battleship2_general": f"battleship({_BOARD},num_shots=2,loss_multiplier=2.0)",
    "sheriff2": "sheriff(num_rounds=2)",
    "sheriff3": "sheriff(num_rounds=3)",
}
"""Short ids. All parameters not named are OpenSpiel's. Kuhn, Leduc (without the two ``iso``), Goofspiel
3 to 5 and Liar's Dice are the eleven of Li et al. 2026 (arXiv 2602.16928). ``docs/scores.md`` says on which
wall each stands, and which are general-sum."""


class GameError(BroughtError):
    """A game that cannot be compiled or read, told to a person."""
