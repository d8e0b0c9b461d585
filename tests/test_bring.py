"""Games of the user's own: what is refused and why, and a session that carries what it needs."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pyspiel
import pytest

from equilibrist import evaluate
from equilibrist.config import Config
from equilibrist.errors import Usage
from equilibrist.fork import fork
from equilibrist.replay import replay
from equilibrist.show import next_steps
from equilibrist.start import resume, start
from memory.journal import Journal
from problems import PROBLEMS, brought
from problems.brought import BroughtError, keep, kept
from problems.games import bring, engine
from problems.games.compile import load
from problems.games.layout import arrange
from problems.games.tables import from_bytes
from problems.problem import tailored
from sandbox.pool import packed_game

PENNIES = """EFG 2 R "Matching pennies, the second pays double for tails" { "one" "two" }
p "" 1 1 "" { "H" "T" } 0
p "" 2 1 "" { "h" "t" } 0
t "" 1 "" { 1, -1 }
t "" 2 "" { -1, 1 }
p "" 2 1 "" { "h" "t" } 0
t "" 3 "" { -1, 1 }
t "" 4 "" { 2, -2 }
"""
BRING = PROBLEMS["regret"].bring
assert BRING is not None


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "pennies.efg"
    path.write_text(PENNIES)
    return path


def test_a_gambit_file_is_named_by_its_content_and_played_exactly(file):
    game = BRING(str(file))
    assert game.name.startswith("pennies.efg@")
    assert game.data is not None
    assert "2 players, 2 infosets, 4 infoset actions" in game.about
    arranged = arrange(from_bytes(game.data))
    assert engine.exploitability(arranged, engine.uniform(arranged)) == pytest.approx(0.25)  # 1/2 over 2
    file.write_text(PENNIES.replace("{ 2, -2 }", "{ 1, -1 }"))
    changed = BRING(str(file))
    assert changed.name != game.name
    assert changed.data is not None
    fair = arrange(from_bytes(changed.data))
    assert engine.exploitability(fair, engine.uniform(fair)) == pytest.approx(0.0)


def test_what_was_brought_is_packed_by_its_name(file):
    game = BRING(str(file))
    with pytest.raises(BroughtError):
        PROBLEMS["regret"].pack("pennies.efg@00000000")
    keep(game.name, game.data)
    assert kept(game.name) == game.data
    assert PROBLEMS["regret"].pack(game.name) == game.data == PROBLEMS["metasolver"].pack(game.name)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("liars_dice(numdice=1,dice_sidez=3)", "dice_sidez"),
        ("kuhn_pokr", "kuhn_poker"),
        ("chess", "histories"),
        ("connect_four", "Make it smaller"),
        ("backgammon", "information states"),
        ("mfg_crowd_modelling", "mean-field"),
        ("missing.efg", "No such file"),
        ("efg_game(filename=x.efg)", "by its path"),
    ],
)
def test_a_game_that_cannot_be_used_is_refused_with_the_fault(text, told):
    with pytest.raises(BroughtError, match=r"(?s).*") as caught:
        BRING(text)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("EFG", "NFG"), "line #1"),
        (("{ 1, -1 }", "{ 1 }"), "an outcome must pay every player (line #4"),
        (("{ 1, -1 }", "{ nan, -1 }"), "no finite number"),
        (('p "" 1 1 "" { "H" "T" } 0', 'c "" 1 "" { "H" 1/2 "T" 1/3 } 0'), "must sum to one (line #2"),
        (
            ('p "" 2 1 "" { "h" "t" } 0', 'p "" 3 1 "" { "h" "t" } 0'),
            "line 3: player 3 moves",
        ),
        (('t "" 4 "" { 2, -2 }\n', ""), "no game in Gambit's"),
        (("{ 1, -1 }", "{ 0, 0 }"), None),
    ],
)
def test_a_broken_file_is_refused_with_the_line(file, change, told):
    file.write_text(PENNIES.replace(*change))
    if told is None:
        assert BRING(str(file)).seconds > 0
        return
    with pytest.raises(BroughtError) as caught:
        BRING(str(file))
    assert told in str(caught.value)
    assert str(file) in str(caught.value)


def test_the_page_says_what_its_example_gives(tmp_path):
    page = (Path(__file__).resolve().parent.parent / "docs" / "your-own-game.md").read_text()
    path = tmp_path / "pennies.efg"
    path.write_text(page.partition("<<'END'\n")[2].partition("END\n")[0])
    game = BRING(str(path))
    assert f"{game.name}: {game.about};" in page


FORGETFUL = """EFG 2 R "She forgets her first move" { "one" "two" }
p "" 1 1 "" { "a" "b" } 0
p "" 1 2 "" { "x" "y" } 0
t "" 1 "" { 1, -1 }
t "" 2 "" { 0, 1 }
p "" 1 2 "" { "x" "y" } 0
t "" 3 "" { 1, -1 }
t "" 4 "" { 2, 1 }
"""


def test_a_player_who_forgets_is_told_of_and_one_who_forgets_having_moved_is_refused(file):
    assert "Imperfect" not in BRING(str(file)).about
    file.write_text(FORGETFUL)
    assert "Imperfect recall: player 1 forgets" in BRING(str(file)).about
    file.write_text(FORGETFUL.replace('1 1 "" {', '1 3 "" {'))
    with pytest.raises(BroughtError, match="numbered from 1 without a gap"):
        BRING(str(file))
    file.write_text(FORGETFUL.replace('1 2 "" { "x" "y" }', '1 1 "" { "a" "b" }'))
    with pytest.raises(BroughtError, match=rf"{file.name}: A player .*absent-mindedness"):
        BRING(str(file))


def test_games_without_a_choice_or_a_payoff_are_refused(file):
    file.write_text('EFG 2 R "one" { "a" }\np "" 1 1 "" { "L" } 0\nt "" 1 "" { 1 }\n')
    with pytest.raises(BroughtError, match="choice"):
        BRING(str(file))
    file.write_text(PENNIES.replace("2, -2", "0, 0").replace("-1, 1", "0, 0").replace("1, -1", "0, 0"))
    with pytest.raises(BroughtError, match="pays nothing"):
        BRING(str(file))


def test_the_estimate_of_the_tree_is_near_the_truth():
    game = load("kuhn_poker")
    exact = 1 + 3 + 6 + 6 * 9 - 6  # root, first card, deals, and nine histories each but the deal itself

    def count(state: pyspiel.State) -> int:
        return 1 + sum(count(state.child(action)) for action in state.legal_actions())

    assert count(game.new_initial_state()) == pytest.approx(exact, abs=6)
    assert bring.histories(game) == pytest.approx(count(game.new_initial_state()), rel=0.1)


def test_a_tailored_problem_trains_on_the_users_games_alone():
    problem = tailored(PROBLEMS["regret"], ("kuhn4", "leduc_poker"))
    assert problem.walls["train"] == ("kuhn4", "leduc_poker")
    assert "kuhn4" not in problem.walls["sealed"]
    assert problem.walls["dev"] == PROBLEMS["regret"].walls["dev"]
    assert problem.smoke == ("kuhn4",)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_session_carries_its_game_through_resume_replay_and_fork(tmp_path, file, capsys):
    config = Config(problem="metasolver", experiments=1, parallel=1, sandbox="unconfined")
    name, reason = start(tmp_path, config, quiet=True, games=[str(file)])
    assert reason == "done"
    told = capsys.readouterr().err
    assert "2 infosets" in told
    assert f"{len(PROBLEMS['metasolver'].baselines) + 1} evaluations" in told
    folder = tmp_path / "sessions" / name
    (game,) = json.loads((folder / "session.json").read_text())["config"]["games"]
    assert game.startswith("pennies.efg@")
    file.unlink()  # the session needs it no more
    forget()
    assert fork(tmp_path, name, 0, {"seed": 5, "experiments": 1}) == "metasolver-002"
    forked = tmp_path / "sessions" / "metasolver-002"
    assert json.loads((forked / "session.json").read_text())["config"]["games"] == [game]
    forget()
    assert resume(tmp_path, "metasolver-002", {}, salvage=False, quiet=True)[1] == "done"
    forget()
    assert replay(tmp_path, name, None).made > 0
    played = {event.data["game"] for event in Journal.view(folder).events("outcome")}
    assert played == {game}
    with pytest.raises(Usage, match="No such file"):
        start(tmp_path, config, quiet=True, games=[str(file)])
    assert len(list((tmp_path / "sessions").iterdir())) == 2


def forget() -> None:
    """As a new process would know nothing."""
    brought._KEPT.clear()
    packed_game.cache_clear()


def test_a_game_of_ones_own_need_not_be_typed_with_its_hash():
    brought.keep("farm:env(n=2)@0123abcd", b"{}")
    problem = tailored(PROBLEMS["learning"], ("farm:env(n=2)@0123abcd", "dilemma"))
    assert evaluate.choose_games(problem, "train", "farm:env(n=2); dilemma") == problem.walls["train"]
    best = SimpleNamespace(number=3, program_id="abc")
    steps = "\n".join(next_steps("learning-001", "learning", best, problem.walls["train"]))
    assert "evaluate learning learning-001/abc --env 'farm:env(n=2)' --env dilemma   judge it again" in steps


def test_evaluate_takes_a_game_of_ones_own(tmp_path, file):
    problem = PROBLEMS["regret"]
    (name,) = evaluate.brought(problem, [str(file)])
    result = evaluate.evaluate(tmp_path, problem, "cfr_plus", (name,), "unconfined").first
    assert list(result.games) == [name]
    assert result.curves[name]["exploitability"][-1] < 0.01
