"""A distillation for reading: the ablation table, the rule that is left, its formulas."""

from __future__ import annotations

from rich.console import Console
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from equilibrist.distill import Distillation
from equilibrist.render import figure, safe

STYLE = {"inert": "yellow", "harms": "magenta", "helps": "green", "fails": "dim"}


def render(console: Console, made: Distillation) -> None:
    table = Table("step", "mechanism", title=f"\nAblations of {made.program} on {', '.join(made.games)}")
    table.title_justify = "left"
    for column in ("saves", "score", "difference", "it", "removed"):
        table.add_column(column, justify="right")
    for row in made.table:
        difference = "" if row.difference is None else f"{row.difference:+.4f}"
        verdict = Text(row.verdict, style=STYLE[row.verdict])
        what = f"{row.kind}: {safe(row.what)}"
        removed = "yes" if row.removed else ""
        table.add_row(str(row.step), what, str(row.saves), figure(row.score), difference, verdict, removed)
    console.print(table)
    console.print(Syntax(safe(made.source), "python", word_wrap=True, background_color="default"))
    if made.unicode:
        console.print(made.unicode, markup=False, soft_wrap=True)
    before, after = (figure(score).strip() for score in made.train)
    whole = f"{made.program}: {made.size} syntax nodes, score {made.score:.4f}"
    left = f"distilled, {made.distilled_id}: {made.distilled_size} nodes, {made.distilled_score:.4f}"
    console.print(f"\n{whole}; {left} (tolerance {made.tolerance:.4f}).", soft_wrap=True)
    console.print(f"On the train games: {before} and {after}.")
    if not made.complete:
        console.print("The limit ended the work: more may go. See --limit.", style="yellow")
