"""The pages without a browser: who may ask, what is shown, what hostile text may do to it."""

import re
import time
from urllib.parse import quote

import pytest
from journals import (
    HOSTILE,
    LATER,
    LESSON,
    UNSEEN,
    baseline,
    chain,
    experiment,
    hostile,
    lesson_added,
    many,
    new_session,
)
from starlette.testclient import TestClient

from equilibrist.reading.laboratory import Laboratory
from equilibrist.web.app import make_app
from memory.embedder import MiniLM
from memory.journal import Journal

TOKEN = "a-token"


def browser(home, **more):
    app = make_app(home, TOKEN, **more)
    return TestClient(app, base_url="http://127.0.0.1:1", follow_redirects=False)


@pytest.fixture
def home(tmp_path):
    with new_session(tmp_path) as journal:
        chain(journal)
        journal.append("ended", None, reason="done")
    return tmp_path


@pytest.fixture
def client(home):
    client = browser(home)
    client.headers["authorization"] = f"Bearer {TOKEN}"
    return client


def test_strangers_see_nothing(home):
    client = browser(home)
    for path in ("/", "/memory", "/events", "/static/app.css", "/sessions/regret-001"):
        assert client.get(path).status_code == 401
        assert client.get(path, params={"token": "wrong"}).status_code == 401
    assert "regret-001" not in client.get("/").text


def test_the_token_becomes_a_cookie_and_leaves_the_address(home):
    client = browser(home, port=7)
    answer = client.get("/memory?q=x&token=" + TOKEN)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/memory?q=x"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert client.get("/memory").status_code == 200
    assert (
        client.get("http://127.0.0.1:1//evil.example/?token=" + TOKEN).headers["location"] == "/evil.example/"
    )


def test_foreign_names_and_writes_are_refused(client):
    assert client.get("/", headers={"host": "evil.example"}).status_code == 421
    assert client.get("/", headers={"host": "localhost:80"}).status_code == 200
    assert client.post("/").status_code == 405


def test_every_answer_is_guarded(client):
    for path in ("/", "/static/app.js", "/nowhere", "/sessions/regret-001/lineage"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"


def test_pages_need_nothing_from_elsewhere_and_hold_no_inline_style_or_script(client):
    pages = [
        "/",
        "/sessions/regret-001",
        "/sessions/regret-001/experiments/3",
        "/memory",
        f"/memory/{LESSON}",
        "/sessions/regret-001/lineage",
        "/sessions/regret-001/charts",
        "/compare?a=regret-001/1&b=regret-001/3",
    ]
    for path in pages:
        html = client.get(path).text
        assert not re.search(r'(?:src|href)="(?:https?:)?//', html), path
        assert " style=" not in html, path
        assert "<style" not in html, path
        assert not re.search(r"<script(?! src=\"/static/)", html), path
        assert not re.search(r"<[^>]* on\w+=", html), path


def test_the_chain_from_hypothesis_to_later_proposals(client):
    html = client.get("/sessions/regret-001/experiments/1").text
    for told in (
        "Hypothesis 1: discounting helps.",
        "Sound.",
        "hello from the container",
        "check_program",
        "I look for the needle.",
        "Discounting helps in Leduc.",
        f"/memory/{LESSON}",
    ):
        assert told in html
    assert 'class="new"' in html
    influenced = html[html.index('id="influence"') :]
    assert "/sessions/regret-001/experiments/3" in influenced


def test_why_a_program_was_rejected_stands_in_the_session_and_in_the_experiment(client):
    assert "It repeats what experiment 1 did." in client.get("/sessions/regret-001?status=rejected").text
    assert "It repeats what experiment 1 did." in client.get("/sessions/regret-001/experiments/2").text


def test_the_lesson_that_led_to_the_best_one_stands_in_the_session(client):
    html = client.get("/sessions/regret-001").text
    best = html[html.index('id="live-best"') : html.index('id="h-lineage"')]
    assert "#3" in best
    assert f"/memory/{LESSON}" in best
    assert LATER not in best


def test_lessons_are_found_by_words_and_by_filters(client):
    assert "Discounting helps" in client.get("/memory?q=discounting").text
    assert "Optimism helps" not in client.get("/memory?q=1e550e000001").text
    assert "No lesson" in client.get("/memory?status=retired").text
    page = client.get(f"/memory/{LESSON}").text
    assert "/sessions/regret-001/experiments/1" in page
    assert "/sessions/regret-001/experiments/3" in page


@pytest.mark.skipif(not MiniLM.installed(), reason="needs the sentence embedder")
@pytest.mark.parametrize(
    "question", ["does decay of regrets improve leduc?", "hilft es, altes Bedauern abzuwerten?"]
)
def test_lessons_are_found_by_meaning(home, question):
    with Journal.open(home / "sessions" / "regret-001") as journal:
        told = lesson_added("regret-001", 4, "1e550e000003", "The unit of payoffs is without influence.")
        journal.append("lesson_added", "4", **told)
    client = browser(home)
    client.headers["authorization"] = f"Bearer {TOKEN}"
    html = client.get(f"/memory?q={quote(question)}").text
    assert "Discounting helps in Leduc." in html
    assert "unit of payoffs" not in html


def test_two_programs_and_two_sessions_are_compared(home, client):
    with new_session(home, "regret-002", experiments=5):
        pass
    programs = client.get("/compare?a=regret-001/1&b=regret-001/3").text
    assert "+0.4000" in programs
    assert "BETA" in programs
    sessions = client.get("/compare?a=regret-001&b=regret-002").text
    assert "regret-002" in sessions
    assert "nothing called" in client.get("/compare?a=nothing&b=regret-001").text
    assert "two of a kind" in client.get("/compare?a=regret-001/1&b=regret-001").text


def test_the_budget_burns_down_in_what_it_is_set_in(tmp_path, client):
    assert "tokens left over time" in client.get("/sessions/regret-001/charts").text
    free = new_session(tmp_path, "regret-002", experiments=9, tokens=None)
    free.append("experiment", "1", **experiment(1, None, 2.2))
    free.close()
    assert "experiments left over time" in client.get("/sessions/regret-002/charts").text


def test_what_is_not_there_is_said(client):
    for path in (
        "/sessions/none",
        "/sessions/..%2f..",
        "/sessions/regret-001/experiments/99",
        "/memory/none",
        "/sessions/regret-001/programs/none",
        "/nowhere",
    ):
        answer = client.get(path)
        assert answer.status_code == 404
        assert "<h1>" in answer.text


def test_hostile_text_stays_text(tmp_path):
    hostile(tmp_path)
    client = browser(tmp_path)
    client.headers["authorization"] = f"Bearer {TOKEN}"
    known = quote(baseline("x", 1.5)["program_id"])
    for path in (
        "/",
        "/sessions/regret-001",
        "/sessions/regret-001/rows",
        "/sessions/regret-001/lineage",
        "/sessions/regret-001/charts",
        f"/sessions/regret-001/programs/{known}",
        "/sessions/regret-001/experiments/1",
        "/sessions/regret-001/experiments/1/curves",
        "/sessions/regret-001/experiments/2",
        "/sessions/regret-001/experiments/3",
        "/memory",
        f"/memory?q={quote(HOSTILE, errors='replace')}",
        f"/memory/{LESSON}",
        "/compare?a=regret-001/1&b=regret-001/cfr",
        "/compare?a=regret-001&b=regret-001",
        f"/compare?a={quote(HOSTILE, errors='replace')}",
    ):
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert len(answer.content) < 1_000_000, path
        for bad in ("<script>alert", "<img src=x", *UNSEEN, 'href="javascript'):
            assert bad not in answer.text, (path, bad)
    assert "&lt;script&gt;" in client.get("/sessions/regret-001/experiments/1").text


def test_a_journal_is_read_while_it_is_written(tmp_path):
    journal = new_session(tmp_path)
    client = browser(tmp_path)
    client.headers["authorization"] = f"Bearer {TOKEN}"
    assert "0 of 0 experiments" in client.get("/sessions/regret-001").text
    chain(journal)
    assert "3 of 3 experiments" in client.get("/sessions/regret-001").text
    path = journal.folder / "journal.jsonl"
    whole = path.read_bytes()
    with path.open("ab") as file:  # the next line is half written
        file.write(whole.splitlines()[-2][:200])
    assert client.get("/sessions/regret-001").status_code == 200
    assert "running" in client.get("/").text
    journal.close()


def test_a_damaged_line_costs_that_line_alone(home):
    path = home / "sessions" / "regret-001" / "journal.jsonl"
    lines = path.read_bytes().splitlines()
    at = next(i for i, line in enumerate(lines) if b'"kind":"experiment","key":"2"' in line)
    lines[at] = lines[at].replace(b"repeats", b"rep??ts")
    path.write_bytes(b"\n".join(lines) + b"\n")
    view = Laboratory(home).session("regret-001")
    assert sorted(view.rows) == [1, 3]
    assert view.lines.damaged == 1


def test_a_journal_that_was_mended_is_read_anew(home):
    laboratory = Laboratory(home)
    view = laboratory.session("regret-001")
    assert len(view.rows) == 3
    path = view.folder / "journal.jsonl"
    keep = [line for line in path.read_bytes().splitlines() if b'"experiment","key":"3"' not in line]
    path.write_bytes(b"\n".join(keep) + b"\n")
    assert sorted(laboratory.session("regret-001").rows) == [1, 2]


def test_rows_agree_with_the_archive(home):
    from memory.archive import Archive

    view = Laboratory(home).session("regret-001")
    archive = Archive.of(Journal.view(view.folder))
    assert [row.program_id for row in view.ranked] == [entry.program_id for entry in archive.leaderboard]
    assert [row.name for row in view.lineage(view.best)] == [
        e.name for e in archive.lineage(view.best.program_id)
    ]
    for record in archive.experiments:
        assert view.rows[record.number].gain == archive.improvement(record)


def test_five_thousand_experiments(tmp_path):
    """Processor time, which other work on the machine does not change, and the size of what is sent."""
    new_session(tmp_path, experiments=5000).close()
    many(tmp_path / "sessions" / "regret-001", 5000)
    client = browser(tmp_path)
    client.headers["authorization"] = f"Bearer {TOKEN}"
    client.get("/nowhere")
    began = time.process_time()
    answer = client.get("/sessions/regret-001")
    cold = time.process_time() - began
    assert "5000 of 5000 experiments" in answer.text
    assert len(answer.content) < 300_000
    began = time.process_time()
    assert client.get("/sessions/regret-001").status_code == 200
    warm = time.process_time() - began
    assert cold < 3.0, cold
    assert warm < 1.0, warm
    part = client.get("/sessions/regret-001/rows?from=100").text
    assert part.count("/experiments/") >= 100
    assert "#4900" in part
    assert "from=200" in part
