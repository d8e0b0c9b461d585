"""A report holds what a reader needs, stands alone, and lets hostile text be text."""

import json
import re

from journals import UNSEEN, chain, experiment, hostile, new_session
from typer.testing import CliRunner

from equilibrist.cli import app
from equilibrist.confirm import Confirmation
from equilibrist.distill import Distillation
from equilibrist.finalists import Race
from equilibrist.reading.laboratory import Laboratory
from equilibrist.report.facts import gather

DISTILLATION = {
    "session": "regret-001",
    "program": "#3",
    "problem": "regret",
    "games": ["kuhn2"],
    "repeats": 3,
    "tolerance": 0.01,
    "score": 2.5,
    "size": 90,
    "distilled_id": "0" * 12,
    "distilled_score": 2.49,
    "distilled_size": 40,
    "train": [2.6, 2.6],
    "evaluations": 17,
    "complete": True,
    "latex": "x",
    "unicode": "R ← [R]⁺",
    "source": "class Rule: ...",
    "table": [
        {
            "step": 0,
            "kind": "method",
            "what": "BETA",
            "saves": 3,
            "score": 2.4,
            "difference": -0.1,
            "verdict": "helps",
            "removed": False,
        }
    ],
}
CONFIRMATION = {
    "session": "regret-001",
    "program": "#3",
    "sandbox": "local",
    "problem": "regret",
    "repeats": 3,
    "trials": [],
    "confirmed": True,
    "count": 1,
    "programs": 2,
    "parts": [
        {
            "name": "sealed",
            "games": ["leduc3"],
            "wins": [],
            "beats_all": True,
            "failed": [],
            "losses": {},
            "against": [
                {
                    "baseline": "cfr_plus",
                    "wins": 1,
                    "ties": 0,
                    "losses": 0,
                    "ratio": 0.5,
                    "spread": 0.1,
                    "worst": 0.5,
                    "worst_game": "leduc3",
                    "duels": [],
                    "failed": False,
                }
            ],
        }
    ],
}
RACE = {
    "session": "regret-001",
    "problem": "regret",
    "games": ["kuhn4"],
    "rounds": 5,
    "tried": 3,
    "finalists": [],
    "winner": "#3",
    "winner_id": "0" * 12,
    "baseline": "cfr_plus",
    "difference": 0.25,
    "p_value": 0.01,
    "corrected": 0.03,
    "better": True,
}


def write(home, out, *more):
    run = CliRunner().invoke(
        app, ["report", "regret-001", "--home", str(home), "--out", str(out), "--json", *more]
    )
    assert run.exit_code == 0, run.output
    told = json.loads(run.stdout)
    return (out / "report.html").read_text(), (out / "report.md").read_text(), told


def test_a_report_of_a_whole_session(tmp_path):
    with new_session(tmp_path) as journal:
        chain(journal)
        best = [e.data for e in journal.events("experiment")][-1]["proposal"]["program_id"]
        for kind, record, data in (
            ("finalists", Race, RACE),
            ("distillation", Distillation, {**DISTILLATION, "program_id": best}),
            ("confirmation", Confirmation, {**CONFIRMATION, "program_id": best}),
        ):
            event = record.model_validate(data)  # what the commands write, not what a test made up
            journal.append(kind, None, **event.model_dump(mode="json"))
        journal.append("ended", None, reason="done")
    html, plain, told = write(tmp_path, tmp_path / "out")
    for page in (html, plain):
        for heading in (
            "Question",
            "Method",
            "Budget",
            "What was tried",
            "The best rule",
            "Ablations",
            "Results",
            "Lessons",
            "Threats to validity",
            "How to reproduce",
        ):
            assert heading in page
        for fact in (
            "2.6000",
            "R ← [R]⁺",
            "leduc3",
            "17 ablations",
            "1 confirmations",
            "1 races of finalists",
            "p = 0.030 corrected for 3 programs tried",
            "Discounting helps in Leduc.",
            "one of 2 programs confirmed",
            "equilibrist replay regret-001",
        ):
            assert fact in page, fact
    assert told["html"].endswith("report.html")
    assert html.count("<svg") >= 3
    assert not re.search(r'(?:src|href)="(?!#)', html.replace("xlink:href", ""))
    for figure in re.findall(r"\]\((figures/[a-z]+\.svg)\)", plain):
        assert (tmp_path / "out" / figure).read_text().startswith("<svg")
    assert "figures/curves.svg" in plain


def test_a_confirmation_by_returns_tells_gains(tmp_path):
    part = CONFIRMATION["parts"][0]
    duel = {**part["against"][0], "ratio": None, "gain": 0.25, "worst": -0.125}
    parts = [{**part, "against": [duel]}]
    with new_session(tmp_path) as journal:
        chain(journal)
        journal.append("ended", None, reason="done")
        best = [e.data for e in journal.events("experiment")][-1]["proposal"]["program_id"]
        data = {**CONFIRMATION, "parts": parts, "program_id": best}
        bare = {**DISTILLATION, "program_id": best, "unicode": "", "source": "class Rule: 'bare'"}
        for kind, record, told in (
            ("distillation", Distillation, bare),
            ("confirmation", Confirmation, data),
        ):
            journal.append(kind, None, **record.model_validate(told).model_dump(mode="json"))
    html, plain, _ = write(tmp_path, tmp_path / "out")
    assert "bare" in html  # a problem without notation has its distilled rule shown too
    assert "```\n\n```\n" not in plain  # nor is an empty formula
    for page in (html, plain):
        assert "gain in normalised return" in page
        assert "+0.250" in page
        assert "-0.125 (leduc3)" in page


def test_what_was_not_done_is_a_threat(tmp_path):
    with new_session(tmp_path) as journal:
        chain(journal)
    laboratory = Laboratory(tmp_path)
    told = " ".join(gather(laboratory, laboratory.session("regret-001")).threats)
    assert "not run on the sealed games" in told
    assert "not distilled" in told
    assert "No control arm" in told
    assert "best of 2 scored" in told


def test_a_session_without_a_result_has_a_report(tmp_path):
    with new_session(tmp_path) as journal:
        journal.append("experiment", "1", **experiment(1, None, None, "error", message="<b>broke</b> at 0.5"))
    html, plain, _ = write(tmp_path, tmp_path / "out")
    assert "no result to threaten" in html
    assert "&lt;b&gt;broke" in html
    assert "\\<b\\>broke" in plain


def test_hostile_text_stays_text(tmp_path):
    hostile(tmp_path)
    html, plain, figures = write(tmp_path, tmp_path / "out")
    assert "<script>alert" not in html
    assert 'href="javascript' not in html
    assert "alert" not in "".join(re.findall(r"<script.*?</script>", html, re.DOTALL))
    assert len(html) + len(plain) < 2_000_000
    for mark in UNSEEN:
        assert mark not in html + plain
    prose = re.sub(r"^(`{3,}).*?^\1$", "", plain, flags=re.DOTALL | re.MULTILINE)
    for raw in ("<script>alert", " [bold]", " ](javascript", " | #"):
        assert raw not in prose
    assert "\\<script\\>" in prose
