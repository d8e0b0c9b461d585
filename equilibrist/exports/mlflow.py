"""One MLflow run per session: configuration, scores over experiments, the best program and all others."""

from __future__ import annotations

import math
from datetime import datetime
from pathlib import Path

from equilibrist.reading.listing import best_so_far
from equilibrist.reading.view import SessionView


def write(view: SessionView, out: Path | None) -> str:
    """``out``: a folder to keep runs in; None for MLFLOW_TRACKING_URI, or MLflow's default."""
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param, RunTag

    client = MlflowClient(tracking_uri=out.resolve().as_uri() if out else None)
    name = f"equilibrist/{view.problem}"
    found = client.get_experiment_by_name(name)
    experiment = found.experiment_id if found else client.create_experiment(name)
    run = client.create_run(
        experiment, start_time=_milliseconds(view.lines.began), run_name=view.name
    ).info.run_id
    metrics = [
        Metric(key, value, _milliseconds(row.time), row.number or 0)
        for row in view.experiments
        for key, value in (
            ("score", row.score),
            *((f"game {game}", score) for game, score in row.games.items()),
        )
        if value is not None and math.isfinite(value)
    ]
    ended = _milliseconds(view.lines.time)
    metrics += [Metric("best score", score, ended, number) for number, score in best_so_far(view.experiments)]
    spent = view.spend()
    metrics += [Metric("tokens", spent.tokens, ended, 0), Metric("usd", spent.usd, ended, 0)]
    params = [Param(key, str(value)[:500]) for key, value in view.config.items() if value is not None]
    tags = [RunTag("session", view.name), RunTag("state", view.state)]
    tags += [RunTag(f"version {key}", str(value)) for key, value in view.about.get("versions", {}).items()]
    for start in range(0, max(1, len(metrics)), 900):  # a batch holds a thousand at most
        first = start == 0
        client.log_batch(run, metrics[start : start + 900], params if first else (), tags if first else ())
    if best := view.best:
        client.log_text(run, view.result(best)[0], f"best/{best.program_id}.py")
    if (programs := view.folder / "programs").is_dir():
        client.log_artifacts(run, str(programs), "programs")
    client.log_artifact(run, str(view.folder / "session.json"))
    status = {"done": "FINISHED", "running": "RUNNING"}.get(view.state, "KILLED")
    client.set_terminated(run, status, ended)
    return f"run {run} of experiment {name}"


def _milliseconds(time: str) -> int:
    return int(datetime.fromisoformat(time).timestamp() * 1000) if time else 0
