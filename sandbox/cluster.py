"""Jobs spread over a Ray cluster: each is a task, and every node has a sandbox of its own for them.

The session stays where it is: it packs the games, decides, records, and holds the journal. A task gets one
job as JSON and one packed game, and gives one outcome as JSON. Between Ray and the program stands the node's
sandbox, which has held against the attack set on that very node before its first job. Needs
``equilibrist[ray]`` and the same source tree on all nodes, which is checked. The only file that imports ray.
"""

from __future__ import annotations

import hashlib
import logging
import socket
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

import ray
import ray.exceptions

from sandbox import open_sandbox
from sandbox.attacks import run_attacks
from sandbox.devices import kind_of
from sandbox.job import Job, Outcome, SandboxError, Unavailable
from sandbox.pool import Pool, packed_game

TRIES = 5
"""Of a job whose node or worker was lost; Ray itself makes them."""
REACH_SECONDS = 10.0
LOST = (
    ray.exceptions.WorkerCrashedError,
    ray.exceptions.NodeDiedError,
    ray.exceptions.ObjectLostError,
    ray.exceptions.RaySystemError,
)


def open_cluster(
    address: str | None,
    sandbox: str,
    slots: int,
    say: Callable[[str], None] = print,
    device: str = "cpu",
) -> Cluster:
    """A connection to the Ray cluster at ``address`` (``HOST:PORT``, ``auto``, or None to start one here).

    Each job takes one processor of a node, with ``device`` ``cuda`` also one of its GPUs, whichever Ray gives
    it, and runs in the node's sandbox of kind ``sandbox``. Raises SandboxError when no cluster answers, or a
    node can have no such sandbox or has another source tree.
    """
    _reach(address)
    try:
        ray.init(
            address=address, log_to_driver=False, logging_level=logging.CRITICAL, namespace="equilibrist"
        )
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        where = f" at {address}" if address else ""
        raise Unavailable(f"no Ray cluster{where} can be used: {_brief(error)}") from None
    cluster = Cluster(sandbox, slots, kind_of(device))
    try:
        nodes = cluster.nodes()
        kind = cluster.greet()
    except SandboxError:
        cluster.close()
        raise
    cpus = int(ray.cluster_resources().get("CPU", 0))
    cluster.name, cluster.about = kind, f"{kind} on {nodes} nodes of a Ray cluster with {cpus} processors"
    say(f"Sandbox: {cluster.about}.")
    return cluster


def _reach(address: str | None) -> None:
    """Raises Unavailable at once where nothing answers at HOST:PORT; Ray itself would try for minutes."""
    host, _, port = (address or "").rpartition(":")
    if port.isdigit() and "/" not in host:
        try:
            socket.create_connection((host, int(port)), REACH_SECONDS).close()
        except OSError as error:
            raise Unavailable(f"no Ray cluster at {address} can be used: {_brief(error)}") from None


class Cluster:
    """A sandbox made of the sandboxes of a cluster's nodes. See job.Sandbox."""

    uncovered: tuple[str, ...] = (
        "What the sandbox of each node does not cover.",
        "Ray's own ports: whoever reaches them owns the nodes. Programs cannot, other machines must not.",
    )

    def __init__(self, sandbox: str, slots: int, device: str = "cpu") -> None:
        self.name, self.about, self.slots = "ray", "a Ray cluster", slots
        self._sandbox, self._tree, self._device = sandbox, source_digest(), device
        self._games: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()
        self._free = threading.BoundedSemaphore(slots)
        self._closed = False
        task = ray.remote(num_cpus=1, num_gpus=int(device == "cuda"), max_retries=TRIES - 1)
        self._greet, self._play = task(greet), task(play)

    def nodes(self) -> int:
        """How many nodes are alive. Raises Unavailable when none has what a job needs."""
        alive = [node for node in ray.nodes() if node["Alive"]]
        needed = ("CPU", "GPU") if self._device == "cuda" else ("CPU",)
        if not any(all(node["Resources"].get(x, 0) >= 1 for x in needed) for node in alive):
            raise Unavailable(f"no node of the Ray cluster offers a {' and a '.join(needed)}")
        return len(alive)

    def greet(self) -> str:
        """The kind of sandbox that a node has. Raises SandboxError."""
        return str(self._wait(self._greet.remote(self._sandbox, self._tree, self._device)))

    def run(self, job: Job) -> Outcome:
        """Run one job on some node; waits while all slots or processors are taken. Raises SandboxError."""
        with self._free:
            game = self._game(job.problem, job.game)
            where = (self._sandbox, self._tree, self._device)
            text = self._wait(self._play.remote(job.model_dump_json(), game, *where))
        return Outcome.model_validate_json(text)

    def close(self) -> None:
        """Leave the cluster, which ends this session's tasks and with them their sandboxes."""
        self._closed = True
        ray.shutdown()

    def __enter__(self) -> Cluster:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _game(self, problem: str, game: str) -> Any:
        """Reference of a packed game, which travels to each node once."""
        with self._lock:
            if (problem, game) not in self._games:
                self._games[problem, game] = ray.put(packed_game(problem, game))
            return self._games[problem, game]

    def _wait(self, task: Any) -> Any:
        try:
            return ray.get(task)
        except ray.exceptions.RayTaskError as error:
            raise SandboxError(str(error.cause)) from None
        except LOST as error:
            raise SandboxError(f"the node of a job was lost {TRIES} times: {_brief(error)}") from None
        except (ray.exceptions.RayError, RuntimeError, ConnectionError) as error:
            if self._closed:
                raise SandboxError("the Ray cluster was left") from None
            raise SandboxError(f"the Ray cluster failed: {_brief(error)}") from None


def greet(sandbox: str, tree: str, device: str) -> str:
    """Runs on a node: the name of its sandbox, which holds."""
    return pool_here(sandbox, tree, _given(device)).name


def play(job: str, game: bytes, sandbox: str, tree: str, device: str) -> str:
    """Runs on a node: one job in this process's sandbox."""
    pool = pool_here(sandbox, tree, _given(device))
    return pool.run(Job.model_validate_json(job), game).model_dump_json()


def _given(device: str) -> str:
    """With the number of the GPU that Ray gave this task."""
    gpus = ",".join(map(str, ray.get_gpu_ids()))
    return f"{device}:{gpus}" if device == "cuda" and gpus else device


@cache
def pool_here(sandbox: str, tree: str, device: str) -> Pool:
    """This process's sandbox, kept for its life. Ray has one process per processor at work.

    Raises SandboxError when the node has another source tree, or its sandbox does not hold.
    """
    here = ray.util.get_node_ip_address()
    if source_digest() != tree:
        raise SandboxError(f"node {here} has another version of Equilibrist than the session")
    pool = open_sandbox(sandbox, slots=1, say=lambda text: None, device=device)
    through = [result for result in run_attacks(pool, fast=True) if not result.held]
    if through and pool.name != "unconfined":
        pool.close()
        raise SandboxError(f"the {pool.name} sandbox of node {here} does not hold: {through[0].why}")
    return pool


@cache
def source_digest() -> str:
    """Of all that decides an outcome: the problems' and the sandbox's source."""
    root = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for path in sorted(path for folder in ("problems", "sandbox") for path in (root / folder).rglob("*.py")):
        digest.update(f"{path.relative_to(root)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def _brief(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
