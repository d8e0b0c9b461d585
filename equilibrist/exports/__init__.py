"""Sessions for other tools. Each file writes one format from a :class:`SessionView`; one line here each."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from equilibrist.errors import Failed, Usage
from equilibrist.reading.view import SessionView

FORMATS: dict[str, tuple[str, str]] = {
    "openai": ("", "OpenAI chat JSONL: one conversation per turn of an agent"),
    "inspect": ("", "an Inspect log, for `inspect view`: one sample per experiment"),
    "tensorboard": ("tensorboard", "scalars over experiments, in a folder of event files"),
    "mlflow": ("mlflow", "a run with parameters, metrics and artifacts, where MLFLOW_TRACKING_URI says"),
    "otel": ("otel", "OpenTelemetry traces with the GenAI conventions, to OTEL_EXPORTER_OTLP_ENDPOINT"),
}
"""Name -> the optional extra that it needs, and what it is."""


def convert(view: SessionView, name: str, out: Path | None) -> str:
    """Write a session in a format; returns where it went.

    Args:
        out: file or folder; None for a name made of the session's. Formats that send need none.

    Raises:
        Usage: an unknown format, or a path that cannot be written.
        Failed: the format's optional extra is not installed.
    """
    if name not in FORMATS:
        raise Usage(f"There is no format '{name}'. Formats: {', '.join(FORMATS)}.")
    extra = FORMATS[name][0]
    try:
        write: Callable[[SessionView, Path | None], str] = import_module(f"equilibrist.exports.{name}").write
        return write(view, out)
    except ImportError as error:
        if not extra:
            raise
        raise Failed(
            f"{name} needs an optional part: pip install 'equilibrist[{extra}]' ({error.name})."
        ) from error
    except OSError as error:
        raise Usage(f"{out or view.name} cannot be written: {error.strerror or error}.") from error
