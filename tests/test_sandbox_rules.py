"""A problem's half: a package that travels as text, compiled once for all workers."""

import json

import pytest

from problems import PROBLEMS
from sandbox import compiled, open_sandbox
from sandbox.attacks.target import HONEST, TARGET
from sandbox.job import Job, SandboxError
from sandbox.pool import rule_text
from tests.toy_problem import TOY


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of this test's own, and the toy problem alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(compiled, "_KEPT", {})
    for name in list(PROBLEMS):
        monkeypatch.delitem(PROBLEMS, name)
    return tmp_path / "equilibrist" / "compiled"


def cache_hits(pool, jobs):
    job = Job(problem="toy", program=TOY.baselines["echo"], game="game", settings={"crossings": 1})
    outcomes = [pool.run(job) for _ in range(jobs)]
    assert [(o.status, o.message) for o in outcomes] == [("ok", "")] * jobs
    assert {outcome.artifact["doubled"] for outcome in outcomes} == {42.0}
    return sorted(outcome.artifact["cache_hits"] for outcome in outcomes)


@pytest.mark.slow
def test_the_first_worker_compiles_for_the_others_and_for_the_next_session(cache, monkeypatch):
    monkeypatch.setitem(PROBLEMS, TOY.name, TOY)
    with open_sandbox("landlock", slots=1, say=lambda line: None) as pool:
        assert cache_hits(pool, jobs=2) == [0, 1]  # two workers take turns
    (file,) = cache.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    compiled._KEPT.clear()
    with open_sandbox("landlock", slots=1, say=lambda line: None) as pool:
        assert cache_hits(pool, jobs=2) == [1, 1]


@pytest.mark.slow
def test_nothing_is_kept_of_a_worker_that_has_run_a_program(cache, monkeypatch):
    with open_sandbox("landlock", slots=1, say=lambda line: None) as pool:
        honest = Job(
            problem=TARGET.name, program=HONEST, game="biased_pennies", settings=dict(TARGET.settings)
        )
        for _ in range(2):
            pool.run(honest)
        monkeypatch.setitem(PROBLEMS, TOY.name, TOY)
        assert cache_hits(pool, jobs=2) == [0, 0]
    assert not cache.exists()


def test_a_half_that_fails_is_our_fault_and_named(cache, monkeypatch, tmp_path):
    (tmp_path / "broken_half.py").write_text("from .nowhere import thing\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(PROBLEMS, "toy", type(TOY)(**{**vars(TOY), "rule": "broken_half"}))
    with open_sandbox("landlock", slots=1, say=lambda line: None) as pool:
        with pytest.raises(SandboxError, match=r"'toy' fails(.|\n)*nowhere"):
            cache_hits(pool, jobs=1)


def test_what_is_damaged_or_open_to_others_counts_as_absent(cache):
    def found():
        compiled._KEPT.clear()
        with compiled.turn("rule", "machine") as turn:
            return turn.found

    with compiled.turn("rule", "machine") as turn:
        assert turn.found == b""
        turn.keep(b"machine code")
    assert found() == b"machine code"
    with compiled.turn("rule", "another machine") as turn:
        assert turn.found == b""
    (file,) = cache.iterdir()
    file.chmod(0o620)
    assert found() == b""
    file.chmod(0o600)
    assert found() == b"machine code"
    file.write_bytes(file.read_bytes()[:-1] + b"X")
    assert found() == b""


def test_a_package_travels_whole_and_a_module_as_a_package_of_one_file():
    assert sorted(json.loads(rule_text(TOY.rule))) == ["__init__.py", "native.py"]
    assert list(json.loads(rule_text(TARGET.rule))) == ["__init__.py"]
