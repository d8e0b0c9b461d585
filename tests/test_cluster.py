"""Opt-in: a Ray cluster of three nodes on this machine, one of which is lost.

Install it with ``pip install -c constraints.txt ray``; without it this file is skipped. Its 240 MB are why
the development environment leaves it out.
"""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from test_session import equilibrist

from problems import PROBLEMS
from sandbox import open_sandbox
from sandbox.attacks.target import HONEST, TARGET
from sandbox.job import Job, SandboxError

ray = pytest.importorskip("ray")
pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]
SLEEPY = HONEST + "\nimport time\ntime.sleep(2)\n"


@pytest.fixture
def nodes():
    """A head that takes no jobs, and two nodes of one processor each."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    cluster.workers = [cluster.add_node(num_cpus=1) for _ in range(2)]
    yield cluster
    cluster.shutdown()


def job(program=HONEST, game="rock_paper_scissors"):
    return Job(problem=TARGET.name, program=program, game=game, settings=dict(TARGET.settings), seed=1)


def test_jobs_spread_score_as_here_and_survive_a_lost_node(nodes):
    from sandbox.cluster import open_cluster

    problem = PROBLEMS["regret"]
    regret = Job(
        problem="regret",
        program=problem.baselines["dcfr"],
        game="kuhn3",
        settings=dict(problem.smoke_settings),
        seed=3,
    )
    with open_sandbox("landlock", slots=1, say=lambda line: None) as here:
        alone = here.run(job()).artifact, here.run(regret).artifact
    said = []
    with open_cluster(nodes.address, "landlock", slots=4, say=said.append) as cluster:
        assert "3 nodes of a Ray cluster with 2 processors" in said[0]
        assert (cluster.run(job()).artifact, cluster.run(regret).artifact) == alone
        with pytest.raises(SandboxError, match="another version"):
            cluster._wait(cluster._greet.remote("landlock", "another tree", "cpu"))
        with ThreadPoolExecutor(4) as threads:
            running = [threads.submit(cluster.run, job(SLEEPY)) for _ in range(6)]
            time.sleep(3)
            nodes.remove_node(nodes.workers[0], allow_graceful=False)
            outcomes = [future.result() for future in running]
        assert [(o.status, o.artifact, o.sandbox) for o in outcomes] == [("ok", alone[0], "landlock")] * 6


def test_a_session_on_a_cluster_is_the_session_of_one_machine(nodes, tmp_path):
    few = ("--experiments", "2", "--parallel", "2", "--seed", "5", "--sandbox", "landlock", "--json")
    far = ("--executor", "ray", "--ray-address", nodes.address)
    summaries = []
    for where, options in (("here", ()), ("there", far)):
        done = equilibrist("run", "regret", *few, *options, home=tmp_path / where)
        summaries.append(json.loads(done.stdout))
    here, there = ([(e["program_id"], e["score"]) for e in s["experiments"]] for s in summaries)
    assert here == there


def test_without_a_cluster_the_reason_is_one_line():
    from sandbox.cluster import open_cluster

    with pytest.raises(SandboxError, match="no Ray cluster at 127.0.0.1:1 can be used"):
        open_cluster("127.0.0.1:1", "landlock", slots=1)
