"""Tables: cells from the sandbox or the cache, means, ranks, spread, files; and repeats of one evaluation."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from equilibrist import curves
from equilibrist.cache import OutcomeCache
from equilibrist.cli import app
from equilibrist.confirm import Part
from equilibrist.confirmed import _table
from equilibrist.errors import Usage
from equilibrist.evaluate import at_horizon, choose_games, limits
from equilibrist.table import (
    FLOOR,
    Cell,
    Plan,
    Progress,
    Report,
    as_csv,
    as_json,
    discrimination,
    plan,
    run,
    standings,
    tabulate,
)
from equilibrist.tables import Shown, render
from equilibrist.verdict import against
from memory.records import Result
from problems import PROBLEMS
from problems.games import GameError
from problems.regret import PROBLEM
from sandbox import open_sandbox
from sandbox.job import Job, Outcome, Sandbox

GAMES = ("kuhn2", "kuhn3")


class Counted(Progress):
    """Counts what had to be run."""

    def __init__(self) -> None:
        self.cells: list[Cell] = []

    def done(self, cell: Cell) -> None:
        self.cells.append(cell)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def made(home: Path) -> Plan:
    return plan(home, "regret", ("cfr", "dpcfr_plus"), games="kuhn2; kuhn3", repeats=2)


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with open_sandbox("unconfined", slots=2, say=lambda line: None) as pool:
        yield pool


@pytest.fixture(scope="module")
def report(made: Plan, box: Sandbox) -> Report:
    counted = Counted()
    cells = run(made, box, counted)
    assert len(counted.cells) == 8
    return made.report(box.name, cells)


def test_every_program_is_run_on_every_game_as_often_as_asked(report: Report) -> None:
    assert (report.programs, report.games, report.repeats) == (("cfr", "dpcfr_plus"), GAMES, 2)
    assert {(c.program, c.game, c.repeat) for c in report.cells} == {
        (p, g, r) for p in report.programs for g in GAMES for r in (0, 1)
    }
    assert all(cell.result.status == "ok" for cell in report.cells)
    assert report.of("cfr", "kuhn3")[0].exploitability[-1] == pytest.approx(1.307e-3, rel=1e-3)
    assert report.of("cfr", "kuhn2")[0].iterations == PROBLEM.settings["checkpoints"]


def test_a_second_call_runs_nothing_and_gives_the_same(made: Plan, report: Report) -> None:
    counted = Counted()
    assert tabulate(made, "unconfined", progress=counted) == report
    assert counted.cells == []


class Asked:
    """A sandbox that remembers what it was asked to run."""

    def __init__(self, box: Sandbox) -> None:
        self.box, self.name, self.about, self.uncovered = box, box.name, box.about, box.uncovered
        self.slots, self.jobs = box.slots, list[Job]()

    def run(self, job: Job) -> Outcome:
        self.jobs.append(job)
        return self.box.run(job)

    def close(self) -> None: ...


def test_another_program_horizon_or_repeat_is_another_entry(home: Path, box: Sandbox, report: Report) -> None:
    def asked(program: str, horizon: str | None, repeats: int) -> int:
        """Runs of the game itself that were needed."""
        asked = Asked(box)
        made = plan(home, "regret", (program,), games="kuhn2", horizon=horizon, repeats=repeats)
        run(made, asked, Progress())
        return sum(job.settings["checkpoints"] != [1, 20] for job in asked.jobs)

    other = home / "mine.py"
    other.write_text(PROBLEM.baselines["cfr"].replace("self.regrets += regret", "self.regrets += 1 * regret"))
    assert asked("cfr", None, 2) == 0
    assert asked("cfr", None, 3) == 1
    assert asked(str(other), None, 1) == 1
    assert asked("cfr", "250", 1) == 1
    assert asked("cfr", "250", 1) == 0


def test_a_damaged_entry_is_made_anew_and_failures_are_not_kept(tmp_path: Path) -> None:
    cache, runs = OutcomeCache(tmp_path, PROBLEM, "here"), []

    def run(status: str) -> dict[str, object]:
        runs.append(status)
        return {"outcome": {"status": status}}

    for _ in range(2):
        cache.recorded("outcome", "a", lambda: run("ok"))
        cache.recorded("outcome", "b", lambda: run("timeout"))
    assert runs == ["ok", "timeout", "timeout"]
    (file,) = (tmp_path / "cache" / "outcomes").iterdir()
    file.write_text("{")
    assert cache.recorded("outcome", "a", lambda: run("ok"))["outcome"] == {"status": "ok"}
    assert runs[-1] == "ok"
    assert json.loads(file.read_text())["outcome"] == {"status": "ok"}


def _cell(program: str, game: str, finals: list[float], repeat: int = 0, score: float = 1.0) -> Cell:
    series = {"iterations": [10.0, 100.0], "exploitability": finals}
    result = Result(status="ok", score=score, games={game: score}, curves={game: series}, seconds=1.0)
    return Cell(program=program, game=game, repeat=repeat, result=result)


def _report(*cells: Cell, repeats: int = 1) -> Report:
    programs, games = (tuple(dict.fromkeys(getattr(c, name) for c in cells)) for name in ("program", "game"))
    return Report(problem="p", sandbox="s", games=games, programs=programs, repeats=repeats, cells=cells)


def test_means_are_geometric_and_floored_and_ties_share_ranks() -> None:
    made = _report(
        _cell("a", "x", [1e-2, 1e-4]),
        _cell("b", "x", [1e-1, 1e-3]),
        _cell("a", "y", [1e-2, 1e-12]),
        _cell("b", "y", [1e-3, -1e-16]),
    )
    first, second = standings(made)
    assert (first.program, second.program) == ("a", "b")
    assert first.geometric_means == pytest.approx((1e-2, (1e-4 * FLOOR) ** 0.5))
    assert second.geometric_means == pytest.approx((1e-2, (1e-3 * FLOOR) ** 0.5))
    assert (first.rank, second.rank) == (1.25, 1.75)
    assert [(row.game, row.solved) for row in discrimination(made)] == [("x", 0), ("y", 2)]


def _returned(program: str, game: str, normalised: list[float], repeat: int = 0) -> Cell:
    """As problem *learning* has it; in some environments exploitability is told beside what counts."""
    ones = [1.0, 1.0]
    series = {"steps": [50.0, 200.0], "normalised": normalised, "return": ones, "exploitability": ones}
    result = Result(status="ok", score=1.0, games={game: 1.0}, curves={game: series}, seconds=1.0)
    return Cell(program=program, game=game, repeat=repeat, result=result)


def test_returns_are_shown_as_returns_and_more_is_better(tmp_path: Path) -> None:
    cells = [_returned("a", "x", [0.1, 1.2]), _returned("b", "x", [0.2, 0.99])]
    made = _report(*cells, _returned("a", "y", [0.0, -0.4]), _returned("b", "y", [0.0, -0.9]))
    first, second = standings(made)
    assert (first.program, first.rank, first.geometric_means) == ("a", 1.0, ())
    assert first.returns == pytest.approx((0.05, 0.4))
    assert second.returns[-1] == pytest.approx(0.045)
    assert [(d.game, d.solved, d.best) for d in discrimination(made)] == [("x", 1, 1.2), ("y", 0, -0.4)]
    console = Console(file=io.StringIO(), width=120)
    console.print(render(made))
    shown = console.file.getvalue()
    assert "Normalised return at the end" in shown
    assert "xploitability" not in shown
    assert "at 25%" in shown
    row = next(csv.DictReader(io.StringIO(as_csv(made))))
    found = (row["steps"], row["normalised"], row["return"], row["exploitability"])
    assert found == ("50", "0.1", "1.0", "1.0")
    curves.draw(made, tmp_path / "returns.svg")
    assert (tmp_path / "returns.svg").stat().st_size > 5000


def test_returns_are_compared_by_their_difference_above_the_reference_too() -> None:
    made = _report(_returned("mine", "x", [0.1, 1.01]), _returned("ippo", "x", [0.2, 0.98]))
    near = against(made, "mine", "ippo")
    assert (near.ratio, near.gain, near.beaten) == (None, pytest.approx(0.03), False)
    cells = [_returned("mine", "x", [0.1, 8.7 + r], r) for r in (0, 1)]
    cells += [_returned("ippo", "x", [0.1, 8.2 + r], r) for r in (0, 1)]
    far = against(_report(*cells, repeats=2), "mine", "ippo")
    assert (far.gain, far.spread, far.worst) == (pytest.approx(0.5), pytest.approx(0.0), pytest.approx(0.5))
    assert (far.ties, far.beaten) == (1, True)  # a tie: what chance makes of either is 1.4
    part = Part(name="sealed", games=("x",), losses={}, failed=(), against=(far,), wins=(), beats_all=True)
    console = Console(file=io.StringIO(), width=120)
    console.print(_table(part))
    shown = console.file.getvalue()
    assert "worst gain" in shown
    assert "+0.500" in shown


def test_spread_is_over_repeats() -> None:
    cells = [
        _cell("a", g, [1e-2, f], r, s) for r, (f, s) in enumerate([(1e-3, 2.0), (4e-3, 4.0)]) for g in "xy"
    ]
    (row,) = standings(_report(*cells, repeats=2))
    assert (row.score, row.spread) == (3.0, pytest.approx(2**0.5))
    assert [d.noise for d in discrimination(_report(*cells, repeats=2))] == pytest.approx([4.0, 4.0])


def test_a_failed_run_comes_last_and_says_why() -> None:
    broken = Cell(program="b", game="x", repeat=0, result=Result(status="timeout", message="x: too slow"))
    made = _report(broken, _cell("a", "x", [1.0, 0.1]))
    first, last = standings(made)
    assert (first.program, last.program, last.failed) == ("a", "b", ("x: timeout",))
    assert last.score is last.rank is None
    console = Console(file=io.StringIO(), width=120)
    console.print(render(made))
    assert "x: timeout" in console.file.getvalue()
    assert "b,x,0,timeout,,," in as_csv(made)


def test_csv_and_json_hold_every_checkpoint(report: Report) -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(report))))
    assert len(rows) == 8 * len(PROBLEM.settings["checkpoints"])
    assert float(rows[0]["exploitability"]) == report.cells[0].exploitability[0]
    back = json.loads(json.dumps(as_json(report)))
    assert [row["program"] for row in back["standings"]] == ["dpcfr_plus", "cfr"]
    assert len(back["cells"]) == 8


@pytest.mark.parametrize(("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml")])
def test_plots_are_drawn(report: Report, tmp_path: Path, suffix: str, start: bytes) -> None:
    path = tmp_path / f"curves{suffix}"
    curves.draw(report, path)
    assert path.read_bytes().startswith(start)
    assert path.stat().st_size > 5000


def test_plots_that_cannot_be_written_are_refused_first(tmp_path: Path) -> None:
    for path in (tmp_path / "a.gif", tmp_path / "nowhere" / "a.png"):
        with pytest.raises(Usage):
            curves.check(path)


def test_walls_and_horizons() -> None:
    assert choose_games(PROBLEM, "dev", None) == PROBLEM.walls["dev"]
    assert choose_games(PROBLEM, "dev", "kuhn2; kuhn_poker(players=3) ;") == (
        "kuhn2",
        "kuhn_poker(players=3)",
    )
    with pytest.raises(GameError, match="none of that name"):  # before anything runs on kuhn2
        choose_games(PROBLEM, "dev", "kuhn2; no_such_game")
    assert set(PROBLEM.walls["sealed"]) < set(choose_games(PROBLEM, "all", None, sealed=True))
    for wall in ("sealed", "all", "nowhere"):
        with pytest.raises(Usage):
            choose_games(PROBLEM, wall, None)
    assert at_horizon(PROBLEM, "4000").settings["checkpoints"][-1] == 4000
    with pytest.raises(Usage, match="250, 4000"):
        at_horizon(PROBLEM, "5")
    assert limits(PROBLEM, ["leduc2"]).wall_seconds < limits(PROBLEM, ["leduc3"]).wall_seconds


def test_progress_tells_rate_and_time_left() -> None:
    console = Console(file=io.StringIO(), width=120)
    with Shown(console) as shown:
        shown.begin(2)
        for program in "ab":
            shown.done(_cell(program, "x", [1.0]))
        shown.begin(1)
        shown.done(_cell("c", "x", [1.0]))
    assert "2/2" in console.file.getvalue()
    assert "1/1" in console.file.getvalue(), "every stage counts from its own beginning"
    assert "per minute, 0 s left" in console.file.getvalue()


@pytest.mark.slow
def test_the_commands(home: Path, report: Report, tmp_path: Path) -> None:
    common = ["--games", "kuhn2", "--sandbox", "unconfined", "--home", str(home)]
    run = CliRunner().invoke(app, ["table", "regret", "cfr", *common, "--csv", str(tmp_path / "a.csv")])
    assert run.exit_code == 0, run.output
    assert "mean rank" in run.output
    assert (tmp_path / "a.csv").read_text().startswith("program,game")
    run = CliRunner().invoke(app, ["evaluate", "regret", "cfr", *common, "--repeats", "2", "--json"])
    judged = json.loads(run.stdout)
    assert len(judged["scores"]) == 2
    assert judged["spread"] < 1e-6
    assert judged["score"] == judged["scores"][0]


def test_every_problem_has_its_walls_reachable() -> None:
    for problem in PROBLEMS.values():
        assert choose_games(problem, "train", None)
