"""SIGKILL of each process of a worker in turn: the job is judged all the same, and nothing is left behind."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from test_sandbox_docker import containers_of, eventually
from test_sandbox_local import alive, command, gone, referees, tree

from sandbox import open_sandbox
from sandbox.docker import connect, owner
from sandbox.job import Unavailable
from tests.hostile_mix import HONEST, check_mix, honest_job

SLOW = f"import time\ntime.sleep(1.5)\n{HONEST}"
VICTIMS = ("referee", "player", "zygote", "candidate")


def local_worker():
    """Processes of the one worker of this process that plays, by what they are."""
    for referee in referees():
        family = tree(referee)
        ours = [pid for pid in family if "sandbox.referee" in command(pid)]
        theirs = [pid for pid in family if "sandbox.candidate" in command(pid) and pid not in ours]
        if len(ours) == len(theirs) == 2:
            return dict(zip(VICTIMS, sorted(ours) + sorted(theirs), strict=True))
    return None


def docker_worker(engine):
    for container in containers_of(engine, owner(os.getpid())):
        pids = sorted(int(row[1]) for row in engine.api.top(container)["Processes"])
        ours = [pid for pid in pids if "-m\0sandbox.referee" in command(pid) and "init" not in command(pid)]
        theirs = [pid for pid in pids if "-m\0sandbox.candidate" in command(pid)]
        if len(ours) == len(theirs) == 2:
            return {"container": container, **dict(zip(VICTIMS, ours + theirs, strict=True))}
    return None


def kill_while_it_plays(pool, find, kill):
    """The outcome of a job whose worker lost a process, and that of the next."""
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(pool.run, honest_job(program=SLOW))
        found = []
        assert eventually(lambda: found.append(find()) or found[-1] is not None, seconds=60)
        time.sleep(0.3)  # until the candidate sleeps
        kill(found[-1])
        return running.result(), pool.run(honest_job())


def judged(victim, outcome, after, alone):
    assert (after.status, after.artifact) == ("ok", alone.artifact)
    if victim == "candidate":  # as the kernel kills for want of memory: the program's own death
        assert outcome.status == "out_of_memory"
    else:
        assert (outcome.status, outcome.artifact) == ("ok", alone.artifact)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_each_process_of_a_local_worker_may_be_killed():
    before = set(referees())
    with open_sandbox("landlock", slots=1, say=lambda line: None) as pool:
        alone = pool.run(honest_job())
        family = set()
        for victim in VICTIMS:

            def kill(worker, victim=victim):
                family.update(worker.values())
                os.kill(worker[victim], signal.SIGKILL)

            judged(victim, *kill_while_it_plays(pool, local_worker, kill), alone)
        family |= {pid for referee in set(referees()) - before for pid in tree(referee)}
    assert gone(family, seconds=20)


@pytest.mark.docker
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_each_process_of_a_container_may_be_killed_and_a_hostile_mix_leaves_nothing():
    try:
        engine = connect()
        pool = open_sandbox("docker", slots=2, say=lambda line: None)
    except Unavailable as error:
        if os.environ.get("EQUILIBRIST_REQUIRE_DOCKER"):
            raise
        pytest.skip(str(error))
    family = set()
    with pool:
        alone = pool.run(honest_job())
        for victim in ("container", *VICTIMS):

            def kill(worker, victim=victim):
                family.update(pid for name, pid in worker.items() if name != "container")
                if victim == "container":
                    engine.api.kill(worker[victim])
                else:
                    os.kill(worker[victim], signal.SIGKILL)

            judged(victim, *kill_while_it_plays(pool, lambda: docker_worker(engine), kill), alone)
        check_mix(pool, count=10)
        mine = set(containers_of(engine, owner(os.getpid())))
        assert mine
    assert eventually(lambda: not mine & set(containers_of(engine, owner(os.getpid()))), seconds=30)
    assert eventually(lambda: not any(alive(pid) for pid in family), seconds=30)
