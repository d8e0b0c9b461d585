import os

import pytest

from equilibrist.errors import Usage
from equilibrist.home import find_session, new_session, open_home
from equilibrist.render import curve_of, safe, span, sparkline


def make(home, *names):
    for name in names:
        folder = home / "sessions" / name
        folder.mkdir(parents=True)
        (folder / "session.json").write_text("{}")


def test_sessions_are_numbered_from_one(tmp_path):
    home = open_home(tmp_path / "lab")
    assert new_session(home, "regret").name == "regret-001"
    assert new_session(home, "regret").name == "regret-002"
    assert new_session(home, "metasolver").name == "metasolver-001"


def test_a_session_is_found_by_id_start_and_last(tmp_path):
    home = open_home(tmp_path)
    make(home, "regret-001", "regret-010", "toy-001")
    os.utime(home / "sessions" / "regret-010" / "session.json", (0, 0))
    assert find_session(home, "toy").name == "toy-001"
    assert find_session(home, "last").name == "toy-001"
    with pytest.raises(Usage, match="more than one"):
        find_session(home, "regret")
    with pytest.raises(Usage, match="no session"):
        find_session(home, "nothing")


def test_an_empty_home_says_how_to_start(tmp_path):
    with pytest.raises(Usage, match="equilibrist run"):
        find_session(open_home(tmp_path), "last")


def test_a_home_that_is_a_file_is_a_usage_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Usage, match="EQUILIBRIST_HOME"):
        open_home(tmp_path / "file")


def test_hostile_text_is_made_safe_to_print():
    assert safe("a\x1b[31mred\x1b[0m\x07 b\u202ec\n\td") == "ared bc\n\td"


def test_spans_and_sparklines():
    assert [span(s) for s in (8.2, 200, 7500)] == ["8 s", "3 min 20 s", "2 h 05 min"]
    assert sparkline([0, 1, 2, float("nan"), 3]) == "▁▃▆ █"
    assert len(sparkline(list(range(1000)), width=24)) == 24
    assert sparkline([]) == ""


def test_a_curve_is_of_what_the_score_is_made_of():
    both = {"normalised": [0.0, 0.25], "exploitability": [0.96, 1.0]}
    assert curve_of(both) == ("normalised", "0.25, exploitability 1", "▁█")
    assert curve_of({"exploitability": [1.0, 0.01]}) == ("exploitability", "0.01", "█▁")
