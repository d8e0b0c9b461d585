"""Where referees compute: ``cpu``; ``cuda``, all GPUs there are and torch's choice among them; ``cuda:1``; or
``cuda:0,1``, which workers take in turn. Several workers on one GPU share it.
"""

from __future__ import annotations

from sandbox.job import Unavailable


def kind_of(device: str) -> str:
    """torch's word for it: a referee sees its own GPU alone, whichever number that has."""
    return device.partition(":")[0]


def gpu_of(device: str, worker: int) -> str | None:
    """The GPU that the worker is to see; None where none was named."""
    named = [number.strip() for number in device.partition(":")[2].split(",") if number.strip()]
    return named[worker % len(named)] if named else None


def require(device: str) -> None:
    """Raises Unavailable where torch, in this Python, cannot compute there."""
    if kind_of(device) == "cpu":
        return
    import torch

    if not torch.cuda.is_available():
        raise Unavailable("PyTorch finds no CUDA device here: no driver, or torch for the CPU alone")
