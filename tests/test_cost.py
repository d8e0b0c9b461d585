"""What an experiment costs the framework does not depend on how many came before."""

import statistics
import time
from dataclasses import replace

import numpy as np
import pytest
from small import PLAIN, PROBLEM

from agents.brief import write_brief
from equilibrist.session import as_told
from memory.archive import Archive
from memory.embedder import Words
from memory.journal import Journal
from memory.ranking import Shelf
from memory.records import Baseline, Experiment, LessonDraft, Proposal, Result, program_id
from memory.store import Memory
from tools.desk import Desk, Turn
from tools.programs import duplicate, list_programs, nearest_programs


def archive(count):
    result = Result(status="ok", score=1.0, games={"bowl_1": 1.0, "bowl_2": 1.0})
    known = Archive((Baseline(name="plain", program_id=program_id(PLAIN), source=PLAIN, result=result),))
    for number in range(1, count + 1):
        known = known.grown(experiment(number))
    return known


def experiment(number):
    head = f"class Rule:\n    RATE = {number}\n"
    source = f"{head}    def step(self, g{number % 7}):\n        return {number % 13} * self.RATE\n"
    games = {"bowl_1": (number * 37 % 101) / 10, "bowl_2": (number * 53 % 103) / 10}
    return Experiment(
        number=number,
        proposal=Proposal(
            program_id=program_id(source), source=source, hypothesis="h", parent_id=program_id(PLAIN)
        ),
        result=Result(status="ok", score=sum(games.values()) / 2, games=games),
    )


def cost(known, first, rounds=20):
    """CPU seconds per experiment of the archive, the brief and the tools that look at all programs."""
    spent = []
    for number in range(first, first + rounds):
        fresh = experiment(number)
        began = time.thread_time()
        known = known.grown(fresh)
        write_brief(PROBLEM, known, 1, number + 1, lambda query, limit: [])
        desk = Desk(
            PROBLEM, known, lambda query, limit: [], lambda source: Result(status="ok"), number, Turn()
        )
        list_programs(desk, 20)
        draft = replace_rate(fresh.proposal.source, number)
        duplicate(desk, draft)
        nearest_programs(desk, draft)
        spent.append(time.thread_time() - began)
    return sorted(spent)[rounds // 2]


def desk_of(known, number):
    return Desk(PROBLEM, known, lambda query, limit: [], lambda text: Result(status="ok"), number, Turn())


def replace_rate(source, number):
    return source.replace("RATE =", f"PACE_{number} =").replace("self.RATE", f"self.PACE_{number}")


@pytest.mark.slow
def test_the_cost_is_flat_from_100_to_5000_experiments():
    early, late = archive(100), archive(5000)
    for known, number in ((early, 101), (late, 5001)):
        cost(known, number, rounds=2)  # builds the index of programs, once in a session
    few, many = cost(early, 103), cost(late, 5003)
    assert many < few + 0.01, (few, many)


def test_a_grown_archive_is_the_one_made_at_once():
    grown = archive(60)
    whole = Archive(grown.baselines, grown.experiments)
    assert grown == whole
    assert list(grown.entries) == list(whole.entries)
    assert list(grown.leaderboard) == list(whole.leaderboard)
    assert grown.champions == whole.champions
    best = max(grown.leaderboard, key=lambda entry: entry.result.games["bowl_1"])
    assert grown.champions["bowl_1"] is best
    before = grown.upto(30)
    assert list(before.leaderboard) == list(archive(30).leaderboard)
    assert len(grown.leaderboard) == 61
    assert grown.since(59) == [grown.named("#59"), grown.named("#60")]
    assert grown.since(61) == before.since(60) == []


def test_an_index_shared_by_archives_tells_each_what_it_holds():
    late = archive(40)
    early = late.upto(10)
    desk = desk_of(late, 41)
    source = experiment(30).proposal.source + "# a remark\n"
    assert duplicate(desk, source) == experiment(30).proposal.program_id
    assert duplicate(replace(desk, archive=early), source) is None
    near = nearest_programs(replace(desk, archive=early), source)["nearest"]
    assert {row["name"] for row in near} <= {"plain", *(f"#{n}" for n in range(1, 11))}


def test_a_lesson_that_every_experiment_confirms_costs_the_same_late_as_early(tmp_path):
    """One lesson, 600 experiments: what one more costs, and what agents are told of it, does not grow."""
    journal = Journal.create(tmp_path / "s", {"problem": "small", "run": "r", "memory": None})
    memory = Memory(tmp_path, journal, Words())
    draft = LessonDraft(text="An unused attribute has no effect.", kind="insight", effect=0.5)
    spent = []
    for number in range(1, 601):
        began = time.thread_time()
        memory.learn(experiment(number), [draft.model_copy(update={"effect": number % 7 / 7})])
        (found,) = memory.recall("unused attribute", upto=number)
        spent.append(time.thread_time() - began)
    early, late = sorted(spent[50:150])[50], sorted(spent[-100:])[50]
    assert late < 2 * early + 0.002, (early, late)
    assert len(found.lesson.supported_by) == 600
    effects = [number % 7 / 7 for number in range(1, 601)]
    assert found.lesson.effect == pytest.approx(statistics.fmean(effects))
    assert found.lesson.spread == pytest.approx(statistics.stdev(effects))
    told = as_told(found.lesson, "s")
    assert told.supported_by == ("#1", "#2", "#3", "#4", "#5")
    assert told.reason == "600 independent experiments agree"
    assert Memory(tmp_path, journal, Words()).lessons(600) == memory.lessons(600)
    journal.close()


def test_of_very_many_alike_the_nearest_are_compared_and_only_those_that_are_known():
    angles = np.linspace(0.0, 0.3, 300)
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    shelf = Shelf(2)
    shelf.add([(f"l{i}", f"text {i}") for i in range(300)], vectors)
    near = shelf.near(vectors[0], 0.9, {f"l{i}" for i in range(1, 300, 2)})
    assert near == [f"l{i}" for i in range(1, 129, 2)]
    assert shelf.near(vectors[0], 0.9, {"l4"}) == ["l4"]
    assert shelf.near(vectors[0], 0.9, ()) == []
