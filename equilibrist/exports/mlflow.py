"""One MLflow run per session: configuration, scores over experiments, the best program and all others."""

from __future__ import annotations

import math
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from equilibrist.errors import Failed, Usage
from equilibrist.reading.listing import best_so_far
from equilibrist.reading.view import SessionView


def write(view: SessionView, out: Path | None) -> str:
    """``out``: a folder to keep runs in; None for MLFLOW_TRACKING_URI.

    Raises:
        Usage: neither says where to.
        Failed: MLflow refuses, in its own words.
    """
    if out is not None:
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # else it only keeps databases and servers
    elif not os.environ.get("MLFLOW_TRACKING_URI"):
        raise Usage("Say where to: MLFLOW_TRACKING_URI=http://host:5000 for a server, or --out FOLDER.")
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        return _written(view, MlflowClient(tracking_uri=out.resolve().as_uri() if out else None))
    except MlflowException as error:
        raise Failed(f"MLflow refuses: {str(error).splitlines()[0][:500]}") from error


def _written(view: SessionView, client: Any) -> str:
    from mlflow.entities import Metric, Param, RunTag

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
