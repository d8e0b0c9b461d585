"""``equilibrist sessions``: every session in one row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from equilibrist.reading.laboratory import Laboratory
from equilibrist.reading.listing import best_so_far, rate
from equilibrist.render import figure, safe, sparkline

STATE_STYLE = {"done": "green", "running": "bold cyan", "unreadable": "red"}
SPARK = 16


def session_rows(home: Path) -> list[dict[str, Any]]:
    """Every session, oldest first, as JSON."""
    return [_row(view) for view in reversed(Laboratory(home).sessions())]


def _row(view: Any) -> dict[str, Any]:
    if view.fault:
        return {"session": view.name, "state": f"unreadable: {view.fault}"}
    rows, best, bar, spent = view.experiments, view.best, view.best_baseline, view.spend()
    return {
        "session": view.name,
        "state": view.state,
        "experiments": len(rows),
        "best": best.score if best else None,
        "program": best.program_id if best else None,
        "baseline": bar.score if bar else None,
        "climb": [score for _, score in best_so_far(rows)],
        "failed": sum(row.status not in ("ok", "rejected") for row in rows),
        "rejected": sum(row.status == "rejected" for row in rows),
        "per_minute": rate(rows),
        "tokens": spent.tokens,
        "usd": spent.usd,
        "config": view.config,
    }


def session_table(rows: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("session", "state"):
        table.add_column(column, no_wrap=True)
    for column in ("done", "failed", "best", "ahead"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("best so far", no_wrap=True)
    for column in ("per min", "cost"):
        table.add_column(column, justify="right")
    table.add_column("proposer")
    for row in rows:
        state = row["state"]
        if "experiments" not in row:
            table.add_row(row["session"], Text(safe(state), style="red"))
            continue
        config, best, bar = row["config"], row["best"], row["baseline"]
        ahead = None if best is None or bar is None else best - bar
        style = "green" if (ahead or 0.0) > 0 else "red"
        table.add_row(
            Text(row["session"], style="bold"),
            Text(safe(state), style=STATE_STYLE.get(state, "yellow")),
            f"{row['experiments']}/{config.get('experiments', '?')}",
            f"{row['failed'] + row['rejected']}",
            figure(best).strip(),
            Text("" if ahead is None else f"{ahead:+.4f}", style=style),
            sparkline(row["climb"], SPARK),
            "" if row["per_minute"] is None else f"{row['per_minute']:.1f}",
            f"${row['usd']:.2f}" if row["tokens"] else "-",
            safe(str(config.get("proposer", ""))),
        )
    return table
