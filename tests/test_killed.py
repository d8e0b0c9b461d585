"""SIGKILL at random points of a session, and a server that counts what it is asked: nothing is paid twice."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from loopback import Loopback, researcher

from memory.journal import Journal

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

KEY = "sk-canary-00aa11bb22cc33dd"
PARALLEL = 2
SESSION = """
import sys
from pathlib import Path
from studio import Studio
from agents.models import open_model
from equilibrist.errors import Usage

studio = Studio(Path(sys.argv[1]))
studio.models["wire"] = open_model("wire", "proposer", seed=0)
try:
    studio.resume("last")
except Usage:
    studio.start(experiments=6, parallel=2, proposer="wire", critic="wire", analyst="wire")
"""


def start(home, server):
    path = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1])])
    wire = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": server.url, "PYTHONPATH": path}
    command = [sys.executable, "-c", SESSION, str(home)]
    return subprocess.Popen(command, env={**os.environ, **wire}, stderr=subprocess.PIPE, text=True)


def late(request):
    time.sleep(0.02)  # so that a kill may fall between a request and its reply
    return researcher(request)


def test_a_session_killed_at_random_points_pays_for_nothing_twice(tmp_path):
    kills = sorted(random.Random(5).sample(range(1, 34), 3))
    with Loopback(late) as server:
        for asked in kills:
            process = start(tmp_path, server)
            while process.poll() is None and len(server.requests) < asked:
                time.sleep(0.005)
            process.send_signal(signal.SIGKILL)
            process.communicate()
        process = start(tmp_path, server)
        _, errors = process.communicate()
    assert process.returncode == 0, errors
    journal = Journal.view(next((tmp_path / "sessions").iterdir()))
    assert [event.data["number"] for event in journal.events("experiment")] == [1, 2, 3, 4, 5, 6]
    distinct = {json.dumps(request["messages"]) for request in server.requests}
    assert sum(1 for _ in journal.events("reply")) == len(distinct) == 6 * 6
    assert len(server.requests) - len(distinct) <= PARALLEL * len(kills), "only what was in flight is lost"
    outcomes = [event.key for event in journal.events("outcome")]
    assert len(outcomes) == len(set(outcomes))
    assert set(server.keys) == {KEY}
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and KEY.encode() in p.read_bytes()]
