"""The Docker sandbox: same results as outside, walls that hold one by one, nothing left behind.

The container's walls are tried from a plain process of the candidate's user, without what candidate.py puts
on top (harden.py), so that neither hides a hole in the other.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from problems import PROBLEMS
from sandbox import image, open_sandbox
from sandbox.attacks.target import HONEST, TARGET
from sandbox.docker import (
    OWNER,
    Placing,
    _container,
    connect,
    docker_pool,
    missing_image,
    owner,
    remove_leftovers,
)
from sandbox.job import Job, Limits, Unavailable
from sandbox.local import unconfined_pool

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = dict(TARGET.smoke_settings)
docker = pytest.mark.docker


@pytest.fixture(scope="module")
def engine():
    try:
        return connect()
    except Unavailable as error:
        if os.environ.get("EQUILIBRIST_REQUIRE_DOCKER"):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def pool(engine):
    try:
        pool = docker_pool(1)
    except Unavailable as error:
        if os.environ.get("EQUILIBRIST_REQUIRE_DOCKER"):
            raise
        pytest.skip(str(error))
    with pool:
        yield pool


@pytest.fixture(scope="module")
def outside():
    with unconfined_pool(1) as outside:
        yield outside


def job(program: str, **limits) -> Job:
    return Job(
        problem=TARGET.name,
        program=program,
        game=TARGET.smoke[0],
        settings=SETTINGS,
        limits=Limits(**{"wall_seconds": 20, "memory_mb": 512, **limits}),
    )


def containers_of(engine, process: str) -> list[str]:
    found = engine.api.containers(all=True, filters={"label": f"{OWNER}={process}"})
    return [entry["Id"] for entry in found]


def states_of(engine, process: str) -> list[str]:
    found = engine.api.containers(all=True, filters={"label": f"{OWNER}={process}"})
    return [entry["State"] for entry in found]


def eventually(condition, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def as_candidate(engine, pool, script: str) -> str:
    """What a plain Python process of the candidate's user prints in a running container."""
    pool.run(job(HONEST))
    container = containers_of(engine, owner(os.getpid()))[0]
    call = engine.api.exec_create(container, ["python3", "-c", script], user="candidate")
    return engine.api.exec_start(call["Id"]).decode()


@docker
@pytest.mark.slow
@pytest.mark.parametrize("game", ["kuhn3", "leduc2"])
def test_a_baseline_scores_as_outside_to_the_last_bit(pool, outside, game):
    problem = PROBLEMS["regret"]
    work = Job(
        problem="regret",
        program=problem.baselines["dcfr"],
        game=game,
        settings={**problem.settings, "checkpoints": [1, 10, 100]},
        seed=3,
    )
    there, here = pool.run(work), outside.run(work)
    assert there.status == "ok", there.message
    assert there.artifact == here.artifact
    assert problem.score({game: there.artifact}) == problem.score({game: here.artifact})


@docker
@pytest.mark.parametrize(
    ("program", "status"),
    [
        ("while True: pass", "timeout"),
        ("import torch\nkeep = [torch.ones(1 << 24) for _ in range(64)]", "out_of_memory"),
        ("import os\nwhile True: os.fork()", "error"),
        ("import os\nos.kill(os.getpid(), 11)", "error"),
        ("import ctypes\nctypes.string_at(0)", "error"),
    ],
)
def test_a_bad_program_is_an_outcome_and_the_next_runs(pool, program, status):
    outcome = pool.run(job(program, wall_seconds=2))
    assert outcome.status == status, outcome
    assert outcome.seconds < 10
    assert pool.run(job(HONEST)).status == "ok"


@docker
def test_the_candidate_is_nobody_in_particular(engine, pool):
    script = (
        "import os; print(os.getuid(), os.getgid(), os.getgroups()); print(open('/proc/self/status').read())"
    )
    who, *status = as_candidate(engine, pool, script).splitlines()
    fields = dict(line.split(":\t", 1) for line in status if ":\t" in line)
    assert who == "10002 10002 [10002]"
    assert {fields[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert fields["NoNewPrivs"] == "1"
    assert fields["Seccomp"] == "2"


@docker
def test_the_candidate_reads_nothing_of_the_referee(engine, pool):
    script = """
import json, os
MODULES = ("pyspiel", "problems.regret.referee", "problems.games", "sandbox.referee", "sandbox.job")
def tried(call, *arguments):
    try:
        call(*arguments)
        return "done"
    except Exception as error:
        return type(error).__name__
referee = [pid for pid in os.listdir("/proc") if pid.isdigit() and os.stat(f"/proc/{pid}").st_uid == 10001]
places = ["/opt/referee", "/opt/referee/problems/regret/referee.py", *(f"/proc/{p}/mem" for p in referee),
          *(f"/proc/{p}/environ" for p in referee), *(f"/proc/{p}/fd" for p in referee)]
print(json.dumps({
    "referees": len(referee),
    "opened": [p for p in places if tried(os.open, p, os.O_RDONLY) == "done"],
    "killed": [p for p in referee if tried(os.kill, int(p), 0) == "done"],
    "modules": [m for m in MODULES if tried(__import__, m) == "done"],
}))
"""
    seen = json.loads(as_candidate(engine, pool, script))
    assert seen.pop("referees") >= 2  # the engine's init and the referee
    assert seen == {"opened": [], "killed": [], "modules": []}


@docker
def test_nothing_is_writable_and_nothing_is_reachable(engine, pool):
    script = """
import os, socket
writable = []
for folder, _, _ in os.walk("/"):
    if folder.startswith(("/proc", "/sys")):
        continue
    try:
        os.close(os.open(folder + "/probe", os.O_CREAT | os.O_WRONLY))
        writable.append(folder)
    except OSError:
        pass
print(writable)
try:
    # Asks for a route, sends nothing.
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(("192.0.2.1", 9))
    print("connected")
except OSError as error:
    print(error.strerror)
print(sorted(name for _, name in socket.if_nameindex()))
"""
    writable, network, interfaces = as_candidate(engine, pool, script).splitlines()
    assert writable == "[]"
    assert network == "Network is unreachable"
    assert interfaces == "['lo']"


@docker
def test_the_environment_is_the_images_own(engine, pool):
    names = as_candidate(engine, pool, "import os; print(*sorted(os.environ))").split()
    assert set(names) <= {
        *("HOME", "HOSTNAME", "PATH", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"),
        *("LANG", "LC_CTYPE", "OMP_NUM_THREADS", "NUMBA_CACHE_DIR", "NUMBA_CACHE_LOCATOR_CLASSES"),
        *("GPG_KEY", "PYTHON_VERSION", "PYTHON_SHA256", "PYTHONHASHSEED"),
    }


@docker
def test_the_engine_holds_the_container_to_its_limits(engine, pool):
    pool.run(job(HONEST))
    limits = engine.api.inspect_container(containers_of(engine, owner(os.getpid()))[0])["HostConfig"]
    assert limits["Memory"] == limits["MemorySwap"] > 0
    assert limits["PidsLimit"] == 64
    assert limits["NanoCpus"] == 1_000_000_000
    assert limits["IpcMode"] == "none"
    assert limits["LogConfig"]["Type"] == "none"
    assert not limits["Binds"]


@docker
@pytest.mark.slow
def test_closing_leaves_no_container(engine):
    before = set(containers_of(engine, owner(os.getpid())))
    with docker_pool(1) as pool:
        assert pool.run(job(HONEST)).status == "ok"
        assert set(containers_of(engine, owner(os.getpid()))) > before
    assert set(containers_of(engine, owner(os.getpid()))) <= before


OWNING = """
import sys
from sandbox.docker import docker_pool
from sandbox.job import Job
pool = docker_pool(1, say=lambda line: None)
job = Job.model_validate_json(sys.stdin.readline())
print(pool.run(job).status, flush=True)
endless = Job.model_validate_json(sys.stdin.readline())
print("endless", flush=True)
pool.run(endless)
"""


@docker
@pytest.mark.slow
def test_a_killed_session_leaves_no_container(engine, pool):
    """A spare one may have been created at that very moment and never be started: the next session's start
    removes it."""
    command = [sys.executable, "-c", OWNING]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as session:
        session.stdin.write(job(HONEST).model_dump_json() + "\n")
        session.stdin.write(job("while True: pass", wall_seconds=60).model_dump_json() + "\n")
        session.stdin.flush()
        assert session.stdout.readline() == "ok\n"
        assert session.stdout.readline() == "endless\n"
        process = owner(session.pid)
        assert containers_of(engine, process)
        session.send_signal(signal.SIGKILL)
    assert eventually(lambda: set(states_of(engine, process)) <= {"created"}, seconds=10)
    remove_leftovers(engine)
    assert not containers_of(engine, process)


@docker
def test_only_leftovers_of_ended_sessions_are_removed(engine, pool):
    with subprocess.Popen(["sleep", "60"]) as session:
        ended = owner(session.pid)
        session.kill()
    pool.run(job(HONEST))
    tag = engine.api.inspect_container(containers_of(engine, owner(os.getpid()))[0])["Image"]
    ids = {}
    try:
        for name, labels in {
            "ended": {OWNER: ended},
            "running": {OWNER: owner(os.getpid())},
            "elsewhere": {OWNER: f"another-boot {ended.split(' ', 1)[1]}"},
            "foreign": {"somebody": "else"},
        }.items():
            ids[name] = engine.api.create_container(tag, ["sleep", "60"], labels=labels)["Id"]
        assert remove_leftovers(engine) >= 1
        left = {entry["Id"] for entry in engine.api.containers(all=True)}
        assert {name for name, container in ids.items() if container in left} == {
            "running",
            "elsewhere",
            "foreign",
        }
    finally:
        remaining = {entry["Id"] for entry in engine.api.containers(all=True)}
        for container in remaining & set(ids.values()):
            engine.api.remove_container(container, force=True)


@docker
def test_the_image_of_this_source_tree_is_there(engine, pool):
    assert missing_image(engine) is None


@docker
def test_a_gpu_is_asked_of_the_engine_for_the_referee_alone(engine, pool):
    """No machine of ours has one: an engine without says so, in one line."""

    def asked(device, worker):
        (request,) = _container(engine, "image", Placing(device), worker)["host_config"]["DeviceRequests"]
        assert request["Capabilities"] == [["gpu"]]
        return request["Count"], request["DeviceIDs"]

    assert asked("cuda", 3) == (-1, [])
    assert [asked("cuda:0,2", worker) for worker in range(3)] == [(0, ["0"]), (0, ["2"]), (0, ["0"])]
    assert not _container(engine, "image", Placing())["host_config"].get("DeviceRequests")
    variables = as_candidate(engine, pool, "import os; print('CUDA_VISIBLE_DEVICES' in os.environ)")
    assert variables.strip() == "False"  # of the container; the zygote's own are set when it is started
    if "nvidia" not in engine.info()["Runtimes"]:
        with pytest.raises(Unavailable, match="a GPU needs NVIDIA") as raised:
            open_sandbox("docker", device="cuda", say=lambda line: None)
        assert len(str(raised.value).splitlines()) == 1


@docker
def test_gvisor_is_used_by_name_where_the_engine_has_it(engine):
    if "runsc" in engine.info()["Runtimes"]:
        with open_sandbox("gvisor", say=lambda line: None) as box:
            assert box.run(job(HONEST)).status == "ok"
    else:
        with pytest.raises(Unavailable, match="no runtime runsc"):
            open_sandbox("gvisor", say=lambda line: None)


def test_without_an_engine_the_reason_is_one_line():
    script = "from sandbox.docker import docker_pool; docker_pool(1)"
    environment = {**os.environ, "DOCKER_HOST": "unix:///nonexistent/docker.sock"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.stderr.splitlines()[-1] == (
        "sandbox.job.Unavailable: no Docker engine answers at unix:///nonexistent/docker.sock "
        "(is it installed and started?)"
    )


def test_each_half_gets_only_what_it_imports():
    halves = image.halves()
    assert "problems/regret/referee.py" in halves["referee"]
    assert "problems/games/engine.py" in halves["referee"]  # imported by the referee, not named anywhere
    assert not {"problems/games/compile.py", "sandbox/docker.py"} & set(halves["referee"])
    modules = ("candidate", "channel", "forking", "harden", "rules")
    assert set(halves["candidate"]) <= {f"sandbox/{name}.py" for name in modules}


def test_a_change_of_the_code_changes_the_images_name(tmp_path):
    for name in ("sandbox", "problems"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in ("Dockerfile", "Dockerfile.code", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)

    def tags() -> list[str]:
        script = "from sandbox import image; print(image.packages_tag(), image.code_tag())"
        return subprocess.check_output([sys.executable, "-c", script], cwd=tmp_path, text=True).split()

    packages, code = tags()
    assert [packages, code] == [image.packages_tag(), image.code_tag()]
    with (tmp_path / "problems/games/engine.py").open("a") as source:
        source.write("# changed\n")
    assert tags()[0] == packages
    assert tags()[1] != code
    with (tmp_path / "constraints.txt").open("a") as source:
        source.write("another==1.0\n")
    assert tags()[0] != packages
