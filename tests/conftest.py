"""Test processes that run side by side (pytest-xdist) keep to cores of their own.

A sandbox pins referee and candidate to one core, counted from the first that its process may use: without
shares, every test process would pin its own to the same core.
"""

import os


def pytest_configure():
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        share = cores[int(worker.removeprefix("gw")) :: int(os.environ["PYTEST_XDIST_WORKER_COUNT"])]
        os.sched_setaffinity(0, share or cores)
