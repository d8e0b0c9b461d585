"""Selection without luck: the race, its tests, and the lift over control arms."""

import pytest
from test_confirm import FEW, GOOD, OVERFITTED

import equilibrist.programs
from equilibrist.finalists import KIND, over_games, over_rounds, race
from equilibrist.lift import over_sessions, rows
from equilibrist.table import Progress
from memory.archive import Archive
from memory.journal import Journal
from memory.records import Baseline, Experiment, Proposal, Result, program_id
from sandbox import open_sandbox
from tools.evaluation import Evaluator


def test_a_difference_that_repeats_is_none_of_chance_and_one_that_does_not_is():
    low, high = [[1.0, 2.0]] * 3, [[1.1, 2.1]] * 3
    assert over_rounds(high, low) == 0.0
    assert over_rounds(low, high) == 1.0
    assert over_rounds(low, low) == 1.0
    noisy = [[1.5, 2.0], [0.6, 2.1], [1.2, 1.9]]
    assert over_rounds(noisy, low) > 0.05
    games = [[float(i) for i in range(8)]]
    assert over_games([[value + 0.1 * (i + 1) for i, value in enumerate(games[0])]], games) < 0.005
    mixed = [[value + (-0.1 if i % 2 else 0.1) for i, value in enumerate(games[0])]]
    assert over_games(mixed, games) > 0.2
    assert over_games(games, games) == 1.0


def test_a_race_drops_what_was_lucky_on_the_train_games(tmp_path, monkeypatch):
    problem = FEW
    monkeypatch.setattr(equilibrist.programs, "find_problem", lambda name: problem)
    folder = tmp_path / "sessions" / "regret-001"
    with open_sandbox("unconfined", slots=1, say=lambda line: None) as box:
        evaluator = Evaluator(problem, box, lambda kind, key, compute: compute())
        with Journal.create(folder, {"problem": "regret", "config": {}}) as journal:
            for name, source in problem.baselines.items():
                result = evaluator.evaluate(source, problem.walls["train"])
                made = Baseline(name=name, program_id=program_id(source), source=source, result=result)
                journal.recorded("baseline", name, lambda made=made: made.model_dump(mode="json"))
            for number, source in enumerate((OVERFITTED, GOOD), 1):
                proposal = Proposal(program_id=program_id(source), source=source, hypothesis="h")
                result = evaluator.evaluate(source, problem.walls["train"])
                made = Experiment(number=number, proposal=proposal, result=result)
                journal.recorded("experiment", str(number), lambda made=made: made.model_dump(mode="json"))
        found = race(tmp_path, "last", box, 2, 3, Progress())
    assert found.winner == "#2"
    lucky = next(row for row in found.finalists if row.name == "#1")
    assert lucky.dropped
    assert lucky.rounds == 2
    assert found.tried == 2
    assert found.baseline in problem.baselines
    assert found.difference > 0
    assert not found.better  # one dev game proves nothing of others
    (event,) = Journal.view(folder).events(KIND)
    assert event.data == found.model_dump(mode="json")


def archive_of(scores):
    """{arm: [(score, evaluations)]} as a session's archive."""
    experiments, number = [], 0
    for arm, tried in scores.items():
        for score, cost in tried:
            number += 1
            brief = {"evaluations": cost, **({} if arm == "search" else {"arm": arm})}
            result = Result(status="ok", score=score, games={"g": score})
            experiments.append(Experiment(number=number, proposal=None, result=result, brief=brief))
    return Archive((), tuple(experiments))


def test_the_lift_is_taken_at_equal_evaluations():
    tried = {"search": [(1.0, 1), (2.0, 1), (9.0, 4), (10.0, 4)], "sampling": [(1.5, 1), (1.0, 1)]}
    search, sampling, tuning = rows(archive_of({**tried, "tuning": [(8.0, 6)]}))
    assert (search.arm, search.best, search.equal, search.evaluations) == ("search", 10.0, None, 10)
    assert (sampling.equal, sampling.at_equal, sampling.lift) == (2, 1.5, 0.5)
    assert (tuning.equal, tuning.at_equal, tuning.lift) == (6, 8.0, 1.0)  # not at sampling's two
    assert sampling.low <= sampling.lift <= sampling.high
    assert rows(archive_of({"search": [(1.0, 1)]})) == []


def test_what_the_search_found_later_is_not_in_the_interval():
    """Sampling spent four evaluations, so the search's later and better programs are not compared with it."""
    late = [(1.0 + 0.1 * number, 1) for number in range(4)] + [(9.0, 1)] * 40
    _, sampling = rows(archive_of({"search": late, "sampling": [(1.0, 1), (1.1, 1), (1.2, 1), (0.9, 1)]}))
    assert sampling.lift == pytest.approx(0.1)
    assert -0.2 <= sampling.low <= sampling.lift <= sampling.high <= 0.4


def test_several_sessions_give_an_interval():
    lifts = (0.5, 0.7, 0.6)
    archives = [archive_of({"search": [(1.0 + lift, 1)], "sampling": [(1.0, 1)]}) for lift in lifts]
    (found,) = over_sessions(archives)
    assert found.mean == pytest.approx(0.6)
    assert found.low == pytest.approx(0.6 - 4.3027 * 0.1 / 3**0.5, abs=1e-3)
    assert found.wins == found.sessions == 3
    (single,) = over_sessions(archives[:1])
    assert single.low is None
