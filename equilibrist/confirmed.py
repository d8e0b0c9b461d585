"""A confirmation for reading."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from equilibrist.confirm import Confirmation, Part
from equilibrist.render import safe


def render(console: Console, made: Confirmation) -> None:
    console.print(Text(f"{made.program} {made.program_id} of session {made.session}", style="bold"))
    for part in made.parts:
        console.print(_table(part))
        for line in part.failed:
            console.print(Text(f"It failed on {safe(line)}", style="red"))
        where = ", ".join(map(safe, part.wins)) or "none"
        console.print(
            f"Games on which no baseline is better: {len(part.wins)} of {len(part.games)} ({where})"
        )
    for trial in made.trials:
        mark = Text("passed ", style="green") if trial.passed else Text("failed ", style="red")
        console.print(mark + Text(f"{trial.name}: {safe(trial.said)}. {trial.about}"))
    console.print(Text(sentence(made), style="bold green" if made.confirmed else "bold"))
    seen = (
        f"Confirmation {made.count} of this program; {made.programs} programs confirmed in this home so far."
    )
    console.print(Text(seen, style="dim"))


def sentence(made: Confirmation) -> str:
    """The verdict."""
    first = made.parts[0]
    if made.confirmed:
        return f"It beats every baseline over the {first.name} games by more than the spread."
    unbeaten = [other.baseline for other in first.against if not other.beaten]
    names = ", ".join(unbeaten)
    return f"Not confirmed: over the {first.name} games it does not beat {names} by more than the spread."


def _table(part: Part) -> Table:
    table = Table(
        "baseline", title=f"\n{part.name}: {', '.join(map(safe, part.games))}", title_justify="left"
    )
    what = "gain" if any(other.gain is not None for other in part.against) else "ratio"
    for column in ("wins", "ties", "losses", what, "spread", f"worst {what}"):
        table.add_column(column, justify="right")
    table.add_column("worst on")
    table.add_column("beaten")
    for other in part.against:
        if other.worst is None:
            table.add_row(safe(other.baseline), *["-"] * 6, safe(other.worst_game), "a run failed")
            continue
        if other.gain is not None:
            figures = (f"{other.gain:+.3f}", f"±{other.spread:.3f}", f"{other.worst:+.3f}")
        else:
            figures = (f"{other.ratio:.3g}", f"x{10**other.spread:.2f}", f"{other.worst:.3g}")
        counts = map(str, (other.wins, other.ties, other.losses))
        beaten = Text("yes", style="green") if other.beaten else Text("no", style="red")
        table.add_row(safe(other.baseline), *counts, *figures, safe(other.worst_game), beaten)
    return table
