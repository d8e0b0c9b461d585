"""Workers in Docker, and the image they run in. The only file that talks to a Docker engine.

One container is one worker: the referee is its main process under the engine's init, attached to our
stdin and stdout; the candidate's zygote is started beside it as a second user. The container has no network,
no writable file system, no capability, and lives no longer than the process that started it: the end of its
stdin ends it. Not covered: a fault of the kernel itself, which the container shares with the host.
"""

from __future__ import annotations

import collections
import contextlib
import os
import re
import socket
import struct
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import docker
import docker.errors
import docker.types
import requests

from sandbox import image
from sandbox.devices import gpu_of, kind_of
from sandbox.job import SandboxError, Unavailable
from sandbox.pool import Pool

LOCAL_BASE = "equilibrist-base:bookworm"
"""What `make base` makes; taken for the base wherever it is."""
OWNER = "equilibrist.owner"
"""Label that says which process a container belongs to."""
WALL = "equilibrist"
"""Where the zygote meets the referee: a name in the container's own network, for which no file is needed."""
MEMORY_MB = 4096
"""Of one container: both halves with their imports, the games' arrays, and what a job may allocate."""
PIDS = 64
ULIMITS = {"core": 0, "msgqueue": 0, "nofile": 1024, "nproc": 4096}
"""The last two because Podman would otherwise ask for more than an engine's own limits may allow."""
ZYGOTE = [
    "python3",
    "-m",
    "sandbox.candidate",
    "--socket",
    WALL,
    "--own-pids",
    "--layers",
    "seccomp,landlock?",
]
NO_GPU = {"CUDA_VISIBLE_DEVICES": "", "NVIDIA_VISIBLE_DEVICES": "void"}
"""Environment of the candidate's half."""
FRAME = struct.Struct(">BxxxL")
"""Header of a part of a container's output: stream, three empty bytes, size."""
STDOUT = 1
LOG_PARTS, LOG_CHARACTERS = 64, 4000


ABOUT = "two users of one container: no network, read-only, no capabilities, bounded memory and processes"
UNCOVERED = ("A fault of the kernel, which a container shares with this machine.",)
UNCOVERED_BY_GVISOR = ("A fault of gVisor's kernel, and then one of this machine's.",)
RUNSC = "runsc"


class Placing(NamedTuple):
    """What a container gets of the machine besides processor and memory."""

    device: str = "cpu"
    """Where the referee computes (``devices``); a candidate's filter lets it open no device."""
    runtime: str | None = None
    """Of the engine; None for its usual one."""


def _tell(text: str) -> None:
    """Progress of a build goes where it cannot spoil a result."""
    sys.stderr.write(text + "\n")


def docker_pool(slots: int, device: str = "cpu", say: Callable[[str], None] = _tell) -> Pool:
    """Containers of an image, which is built if it is missing. Raises Unavailable, which says what to do."""
    return _pool("docker", ABOUT, UNCOVERED, slots, Placing(device=device), say)


def gvisor_pool(slots: int, device: str = "cpu", say: Callable[[str], None] = _tell) -> Pool:
    """The same containers on gVisor's kernel, where the engine has its runtime. Raises Unavailable."""
    if RUNSC not in (connect().info().get("Runtimes") or {}):
        raise Unavailable(f"the engine has no runtime {RUNSC} (gVisor)")
    about = f"{ABOUT}; system calls end in gVisor, a kernel of its own"
    return _pool("gvisor", about, UNCOVERED_BY_GVISOR, slots, Placing(device, RUNSC), say)


def _pool(
    name: str,
    about: str,
    uncovered: tuple[str, ...],
    slots: int,
    placing: Placing,
    say: Callable[[str], None],
) -> Pool:
    engine = connect()
    remove_leftovers(engine)
    tag = ensure_image(engine, say)
    return Pool(name, about, uncovered, slots, lambda number: DockerWorker(engine, tag, placing, number))


def connect() -> Any:
    """A client of the engine that the docker command line would use. Raises Unavailable."""
    try:
        engine = docker.from_env(timeout=120)
        engine.ping()
    except (docker.errors.DockerException, requests.RequestException, OSError) as error:
        raise Unavailable(_reason(error)) from None
    return engine


def missing_image(engine: Any) -> str | None:
    """Name of the image that this source tree needs, if the engine lacks it."""
    tag = image.code_tag()
    return None if _has(engine, tag) else tag


def ensure_image(engine: Any, say: Callable[[str], None], base: str = "") -> str:
    """Name of the image that this source tree needs, built first if the engine lacks it.

    Raises Unavailable, with the next step for a person, when there is no base image and no way to pull one.
    """
    tag, packages = image.code_tag(), image.packages_tag()
    if _has(engine, tag):
        return tag
    if not _has(engine, packages):
        _build_packages(engine, packages, base, say)
    with tempfile.TemporaryDirectory() as folder:
        image.lay_out_code(Path(folder))
        _build(engine, Path(folder), tag, {"PACKAGES": packages}, "none", say)
    return tag


def _build_packages(engine: Any, tag: str, base: str, say: Callable[[str], None]) -> None:
    base = base or (LOCAL_BASE if _has(engine, LOCAL_BASE) else _default_base())
    _ensure_base(engine, base, say)
    say(f"fetching the packages of {tag}")
    network = "none" if base == LOCAL_BASE else "host"
    with tempfile.TemporaryDirectory() as folder:
        image.lay_out_packages(Path(folder))
        _build(engine, Path(folder), tag, {"BASE": base}, network, say)


class DockerWorker:
    """A referee and a zygote in one container, ready for one job at a time. See pool.Worker."""

    def __init__(self, engine: Any, tag: str, placing: Placing, number: int = 0) -> None:
        """Raises SandboxError when the engine refuses the container."""
        self._engine, self._id = engine, ""
        try:
            self._id = engine.api.create_container(**_container(engine, tag, placing, number))["Id"]
            referee = _open(
                engine.api.attach_socket(self._id, {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
            )
            engine.api.start(self._id)
            zygote = engine.api.exec_create(self._id, ZYGOTE, user="candidate", environment=NO_GPU)
            candidate = _open(engine.api.exec_start(zygote["Id"], socket=True))
        except (docker.errors.APIError, requests.RequestException) as error:
            self.kill()
            hint = " (a GPU needs NVIDIA's container toolkit)" if kind_of(placing.device) != "cpu" else ""
            raise SandboxError(f"the Docker engine refuses a sandbox: {_brief(error)}{hint}") from None
        self.name = f"container {self._id[:12]}"
        self._log = collections.deque[bytes](maxlen=LOG_PARTS)
        self.stdin: BinaryIO = referee.makefile("wb")
        reader, writer = os.pipe()
        self.stdout: BinaryIO = os.fdopen(reader, "rb")
        for target, arguments in ((self._pump, (referee, writer)), (self._watch, (candidate,))):
            threading.Thread(target=target, args=arguments, daemon=True).start()

    def kill(self) -> None:
        """Ends the container and all that runs in it. May be called from any thread, and twice."""
        if self._id:
            _remove(self._engine, self._id)

    def log(self) -> str:
        """The end of what both halves wrote to their standard error; a program's output never gets there."""
        return b"".join(self._log).decode(errors="replace")[-LOG_CHARACTERS:]

    def _pump(self, connection: socket.socket, writer: int) -> None:
        """Take what the engine sends apart: the referee's stdout becomes a plain pipe, its stderr the log."""
        with contextlib.suppress(OSError), os.fdopen(writer, "wb", buffering=0) as stdout:
            for stream, part in _parts(connection):
                if stream == STDOUT:
                    stdout.write(part)
                else:
                    self._log.append(part)

    def _watch(self, connection: socket.socket) -> None:
        """The worker is of no use without its zygote."""
        self._log.extend(part for _, part in _parts(connection))
        self.kill()


def remove_leftovers(engine: Any) -> int:
    """Removes containers whose owner on this machine has ended, and returns how many there were.

    Containers of other machines that share the engine, and of sessions that are running, stay.
    """
    found = engine.api.containers(all=True, filters={"label": OWNER})
    dead = [entry["Id"] for entry in found if _is_dead(entry["Labels"][OWNER])]
    for container in dead:
        _remove(engine, container)
    return len(dead)


def _gpus(device: str, worker: int) -> list[Any]:
    """What to ask the engine for so that torch finds its GPU in the container, and no other."""
    if kind_of(device) == "cpu":
        return []
    gpu = gpu_of(device, worker)
    which: dict[str, Any] = {"count": -1} if gpu is None else {"device_ids": [gpu]}
    return [docker.types.DeviceRequest(capabilities=[["gpu"]], **which)]


def _container(engine: Any, tag: str, placing: Placing, number: int = 0) -> dict[str, Any]:
    host = engine.api.create_host_config(
        runtime=placing.runtime,
        device_requests=_gpus(placing.device, number),
        network_mode="none",
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        ipc_mode="none",
        mem_limit=f"{MEMORY_MB}m",
        memswap_limit=f"{MEMORY_MB}m",
        nano_cpus=1_000_000_000,
        pids_limit=PIDS,
        ulimits=[docker.types.Ulimit(name=name, soft=n, hard=n) for name, n in ULIMITS.items()],
        init=True,
        auto_remove=True,
        log_config={"Type": "none"},
    )
    return {
        "image": tag,
        "command": ["python3", "-m", "sandbox.referee", "--listen", WALL, "--candidate-uid", "10002"],
        "user": "referee",
        "hostname": "sandbox",
        "stdin_open": True,
        "labels": {OWNER: owner(os.getpid())},
        "host_config": host,
        "use_config_proxy": False,
    }


def _open(stream: Any) -> socket.socket:
    raw: socket.socket = getattr(stream, "_sock", stream)
    raw.settimeout(None)
    return raw


def _parts(connection: socket.socket) -> Iterator[tuple[int, bytes]]:
    """What the process at the other end writes until it ends: which of its streams, and the bytes."""
    frames = connection.makefile("rb")
    with contextlib.suppress(OSError):
        while header := frames.read(FRAME.size):
            stream, size = FRAME.unpack(header)
            yield stream, frames.read(size)


def _remove(engine: Any, container: str) -> None:
    with contextlib.suppress(docker.errors.NotFound, docker.errors.APIError, requests.RequestException):
        engine.api.remove_container(container, force=True)


def owner(pid: int) -> str:
    """Names a process for ever: this boot of this machine, pid namespace, pid, and when it started."""
    return f"{_machine()} {pid} {_started(pid)}"


def _is_dead(label: str) -> bool:
    machine, _, pid = label.rpartition(" ")[0].rpartition(" ")
    return machine == _machine() and label != owner(int(pid))


def _machine() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot} {Path('/proc/self/ns/pid').readlink()}"


def _started(pid: int) -> str:
    """Start time of a process in clock ticks since boot (proc(5), stat, field 22), or "" if it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    state, *fields = stat.rpartition(")")[2].split()
    return "" if state == "Z" else fields[18]


def _has(engine: Any, name: str) -> bool:
    try:
        engine.api.inspect_image(name)
    except docker.errors.ImageNotFound:
        return False
    return True


def _default_base() -> str:
    found = re.search(r"^ARG BASE=(\S+)$", (image.ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


def _ensure_base(engine: Any, base: str, say: Callable[[str], None]) -> None:
    if _has(engine, base):
        return
    say(f"pulling {base}")
    try:
        engine.images.pull(base)
    except (docker.errors.APIError, requests.RequestException) as error:
        raise Unavailable(
            f"the base image {base} is neither here nor to be pulled ({_brief(error)}); "
            f"`make base` as root makes one from Debian's packages, then `make image`"
        ) from None


def _build(
    engine: Any, context: Path, tag: str, arguments: dict[str, str], network: str, say: Callable[[str], None]
) -> None:
    """One `docker build`; each of its steps is said."""
    log = engine.api.build(
        path=str(context),
        tag=tag,
        buildargs=arguments,
        network_mode=network,
        rm=True,
        forcerm=True,
        decode=True,
    )
    said: collections.deque[str] = collections.deque(maxlen=20)
    for entry in log:
        text = entry.get("stream", "")
        said.append(text)
        if "error" in entry:
            raise Unavailable(f"building {tag} failed: {entry['error'].strip()}\n{''.join(said).strip()}")
        if text.startswith("Step "):
            say(f"building {tag}: {text.strip()}")


def _reason(error: Exception) -> str:
    where = os.environ.get("DOCKER_HOST", "its usual socket")
    text = str(error)
    if "PermissionError" in text:
        return f"this user may not use the Docker engine at {where} (is the user in group docker?)"
    if "FileNotFoundError" in text or "ConnectionRefusedError" in text:
        return f"no Docker engine answers at {where} (is it installed and started?)"
    return f"the Docker engine at {where} cannot be used: {_brief(error)}"


def _brief(error: Exception) -> str:
    return str(getattr(error, "explanation", None) or error).splitlines()[0][:200]


def main() -> None:
    """`make image`: builds what is missing; an argument names another base image."""
    try:
        engine = connect()
        print(f"{ensure_image(engine, print, *sys.argv[1:2])} is ready")
    except SandboxError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
