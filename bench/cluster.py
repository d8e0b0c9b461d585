"""Jobs per second on a Ray cluster of two one-processor nodes here, beside two local slots, in one run."""

from __future__ import annotations

import argparse
import os
import time
from concurrent.futures import ThreadPoolExecutor

from ray.cluster_utils import Cluster

from problems import PROBLEMS
from sandbox import open_sandbox
from sandbox.cluster import open_cluster
from sandbox.job import Job, Sandbox

SLOTS = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=40)
    parser.add_argument("--sandbox", default="landlock")
    options = parser.parse_args()
    problem = PROBLEMS["regret"]
    settings = {**problem.settings, "checkpoints": [1, 10, 100]}
    job = Job(problem="regret", program=problem.baselines["dcfr"], game="leduc2", settings=settings)
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    for _ in range(SLOTS):
        nodes.add_node(num_cpus=1)
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, twice {options.jobs} jobs in turn")
    with (
        open_sandbox(options.sandbox, slots=SLOTS) as here,
        open_cluster(nodes.address, options.sandbox, slots=SLOTS) as there,
    ):
        taken = {"local": 0.0, "ray": 0.0}
        for _ in range(2):
            for name, sandbox in (("local", here), ("ray", there)):
                taken[name] += seconds(sandbox, job, options.jobs)
    nodes.shutdown()
    for name, spent in taken.items():
        print(f"{name:6} {2 * options.jobs / spent:6.2f} jobs/s")
    print(f"ray / local {taken['local'] / taken['ray']:.2f}")


def seconds(sandbox: Sandbox, job: Job, jobs: int) -> float:
    """Of ``jobs`` equal jobs, two at a time, after two that do not count."""
    with ThreadPoolExecutor(SLOTS) as threads:
        list(threads.map(sandbox.run, [job] * 2 * SLOTS))
        begun = time.perf_counter()
        outcomes = list(threads.map(sandbox.run, [job] * jobs))
        spent = time.perf_counter() - begun
    assert {outcome.status for outcome in outcomes} == {"ok"}
    return spent


if __name__ == "__main__":
    main()
