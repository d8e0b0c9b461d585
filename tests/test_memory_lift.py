"""What memory is worth: the report over sessions, and the trial."""

import json
import random
from pathlib import Path

import pytest
import studio  # noqa: F401  (registers the problem "small")

from equilibrist.config import Config
from equilibrist.memory_lift import Trial, compare, interval, sign_test, summary, trials, wilson
from equilibrist.trial import run_trial
from memory.journal import Journal
from memory.records import Baseline, Experiment, Proposal, Result, program_id


def scored(score: float) -> Result:
    return Result(status="ok", score=score, games={"g": score})


def session(home: Path, name: str, gains: list[tuple[bool, float | None]], share: float = 0.2) -> None:
    """A session whose experiments all change the baseline, with memory or without, by these gains."""
    start = Baseline(name="plain", program_id=program_id("plain"), source="plain", result=scored(1.0))
    record = {"problem": "small", "run": name, "config": {"without_memory": share}}
    with Journal.create(home / "sessions" / name, record) as journal:
        journal.append("baseline", "plain", **start.model_dump(mode="json"))
        for number, (memory, gain) in enumerate(gains, 1):
            source = f"{name} {number}"
            proposal = Proposal(
                program_id=program_id(source), source=source, hypothesis="h", parent_id=start.program_id
            )
            result = Result(status="error") if gain is None else scored(1.0 + gain)
            brief = {"memory": memory, "author": "genetic"}
            made = Experiment(number=number, proposal=proposal, result=result, brief=brief)
            journal.append("experiment", str(number), **made.model_dump(mode="json"))


def test_a_difference_is_found_where_there_is_one_and_not_where_there_is_none(tmp_path: Path) -> None:
    dice = random.Random(1)

    def drawn(mean: float, count: int, memory: bool) -> list[tuple[bool, float | None]]:
        return [(memory, mean + dice.gauss(0, 0.1)) for _ in range(count)]

    for name in "ab":
        session(tmp_path, name, [*drawn(0.2, 40, True), *drawn(-0.1, 20, False), (True, None)])
    accepted, improved, gain = compare(trials(tmp_path))
    assert accepted.counts == (82, 40)
    assert accepted.with_memory == pytest.approx(80 / 82)
    assert accepted.verdict == "not told from chance"
    assert improved.verdict == gain.verdict == "helps"
    assert gain.difference == pytest.approx(0.3, abs=0.06)
    assert gain.low is not None and gain.high is not None  # noqa: PT018
    assert gain.low < 0.3 < gain.high
    assert compare(trials(tmp_path, "other"))[0].verdict == "not measured"


def test_sessions_that_drew_no_lot_and_reruns_are_left_out(tmp_path: Path) -> None:
    session(tmp_path, "always", [(True, 0.1)] * 3, share=0.0)
    assert trials(tmp_path) == []
    session(tmp_path, "a", [(True, 0.1), (False, 0.2)])
    report = summary(trials(tmp_path))
    assert report["experiments"] == {"with_memory": 1, "without": 1}
    json.dumps(report)


def test_intervals() -> None:
    low, high = wilson(1, 10)
    assert (round(low, 4), round(high, 4)) == (0.0179, 0.4042)  # as R's binom.confint(1, 10, "wilson")
    assert wilson(0, 5)[0] == pytest.approx(0.0, abs=1e-12)
    low, high = interval([1.0, 2.0, 3.0, 4.0])
    assert 1.0 <= low < 2.5 < high <= 4.0
    assert sign_test([1, 1, 1, 1, 1, 0]) == 2 / 2**5
    assert sign_test([1, -1]) == 1.0
    assert compare([Trial(session="s", memory=True, shown=1, accepted=True, gain=0.1)])[2].difference is None


def test_newcombes_interval_of_a_difference() -> None:
    """56 of 70 against 48 of 80: Newcombe 1998, table II, case a, method 10."""
    arms = [(True, i < 56) for i in range(70)] + [(False, i < 48) for i in range(80)]
    found = compare([Trial(session="s", memory=m, shown=0, accepted=ok, gain=None) for m, ok in arms])[0]
    assert found.low is not None and found.high is not None  # noqa: PT018
    assert (round(found.low, 4), round(found.high, 4)) == (0.0524, 0.3339)


def test_the_trial_pairs_sessions_with_and_without_memory_and_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = Config(problem="regret", experiments=2, games=("kuhn3",), parallel=1)
    said: list[str] = []
    report = run_trial(tmp_path / "trial", config, [1, 2], tmp_path, said.append)
    assert [(pair.seed, pair.remembers) for pair in report.pairs] == [(2, 1), (1, 2)]
    for pair in report.pairs:
        home = tmp_path / "trial" / f"seed-{pair.seed}-remembers-{pair.remembers}" / "sessions"
        record = Journal.view(home / f"seed-{pair.seed}").session
        assert list(record["memory"]["journals"]) == [f"sessions/seed-{pair.remembers}"]
        assert record["config"]["games"] == ["kuhn3"]
        assert pair.best_alone > 0
    assert run_trial(tmp_path / "trial", config, [1, 2], tmp_path, said.append) == report
