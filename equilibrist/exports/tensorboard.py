"""TensorBoard event files: scores and cost over experiments, curves of the best program, hypotheses."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from equilibrist.reading.listing import best_so_far
from equilibrist.reading.view import SessionView


def write(view: SessionView, out: Path | None) -> str:
    from torch.utils.tensorboard import SummaryWriter

    folder = out or Path("runs") / view.name
    folder.mkdir(parents=True, exist_ok=True)
    with SummaryWriter(str(folder)) as writer:
        for row in view.experiments:
            at, time = row.number, datetime.fromisoformat(row.time).timestamp()
            if row.score is not None:
                writer.add_scalar("score/program", row.score, at, time)
            for game, score in row.games.items():
                writer.add_scalar(f"games/{game}", score, at, time)
            if row.hypothesis:
                writer.add_text("hypothesis", row.hypothesis, at, time)
        for number, score in best_so_far(view.experiments):
            writer.add_scalar("score/best", score, number)
        view.spend()
        for step, cost in enumerate(view.costs):
            time = datetime.fromisoformat(cost.time).timestamp()
            writer.add_scalar("cost/tokens", cost.spent.tokens, step, time)
            writer.add_scalar("cost/usd", cost.spent.usd, step, time)
        if best := view.best:
            for game, curves in view.result(best)[1].curves.items():
                for x, y in zip(curves.get("iterations", ()), curves.get("exploitability", ()), strict=False):
                    writer.add_scalar(f"curves of {best.name}/{game}", y, int(x))
    return str(folder)
