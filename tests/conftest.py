"""Test processes that run side by side (pytest-xdist): long files first, and cores of their own.

A sandbox pins referee and candidate to one core, counted from the first that its process may use: without
shares, every test process would pin its own to the same core.
"""

import os

pytest_plugins = ["remembering"]


def pytest_configure():
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        share = cores[int(worker.removeprefix("gw")) :: int(os.environ["PYTEST_XDIST_WORKER_COUNT"])]
        os.sched_setaffinity(0, share or cores)


LONGEST = ("test_session.py", "test_li2026.py", "test_bring.py", "test_sandbox_kills.py")
"""Files that take minutes: begun first, so that no test process is left alone with one at the end."""


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.name not in LONGEST)
