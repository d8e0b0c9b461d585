"""Must not talk to a container engine: whoever can is root."""

import socket

for path in (
    "/var/run/docker.sock",
    "/run/docker.sock",
    "/run/podman/podman.sock",
    "/run/containerd/containerd.sock",
):
    attempt(path, lambda path=path: socket.socket(socket.AF_UNIX).connect(path))
