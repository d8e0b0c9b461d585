"""Must not reach a GPU that it was not given, nor what a neighbour left in its memory."""

import ctypes
import glob
import os

import torch

nodes = (
    glob.glob("/dev/nvidia*")
    + glob.glob("/dev/dri/*")
    + glob.glob("/dev/dxg")
    + ["/dev/kfd", "/dev/nvidiactl"]
)
for path in nodes:
    if not os.path.isdir(path):
        attempt(path, lambda path=path: os.open(path, os.O_RDWR))
for library in ("libcuda.so.1", "libamdhip64.so", "libze_loader.so.1"):
    attempt(library, lambda library=library: ctypes.CDLL(library).cuInit(0))
for device in ("cuda", "xpu", "mps"):
    # Memory as it was left: empty() does not clear it.
    attempt(f"memory of {device}", lambda device=device: torch.empty(1 << 20, device=device).sum().item())
