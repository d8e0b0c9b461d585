"""Sessions in the formats of other tools, read back by those tools where they are installed."""

import json
import math
from pathlib import Path

import pytest
from journals import LATER, LESSON, chain, experiment, hostile, many, new_session, turn
from typer.testing import CliRunner

from equilibrist.cli import app
from equilibrist.errors import Failed
from equilibrist.exports import inspect, openai, otel
from equilibrist.frames import load
from equilibrist.reading.laboratory import Laboratory
from memory.journal import Journal


@pytest.fixture
def home(tmp_path):
    with new_session(tmp_path) as journal:
        chain(journal)
        journal.append("ended", None, reason="done")
    return tmp_path


@pytest.fixture
def view(home):
    return Laboratory(home).session("regret-001")


def convert(home, *more):
    return CliRunner().invoke(app, ["convert", "regret-001", *more, "--home", str(home)])


def test_openai_lines_are_what_the_api_takes(home, tmp_path):
    from openai.types.chat import ChatCompletionMessageParam
    from pydantic import TypeAdapter

    path = tmp_path / "chat.jsonl"
    assert convert(home, "openai", "--out", str(path)).exit_code == 0
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(x["metadata"]["experiment"], x["metadata"]["role"]) for x in lines] == [
        (number, role) for number in (1, 2, 3) for role in ("proposer", "critic")
    ]
    TypeAdapter(list[ChatCompletionMessageParam]).validate_python(lines[0]["messages"])
    roles = [message["role"] for message in lines[0]["messages"]]
    assert roles == ["system", "user", "assistant", "tool"]
    call = lines[0]["messages"][2]["tool_calls"][0]
    assert call["id"] == lines[0]["messages"][3]["tool_call_id"]
    assert json.loads(call["function"]["arguments"])["source"].startswith('"""Program 1')
    assert lines[4]["metadata"]["gain"] == pytest.approx(0.4)


def test_a_call_without_an_answer_is_left_out(view, home):
    from memory.journal import Journal

    with Journal.open(home / "sessions" / "regret-001") as journal:
        journal.append(
            "reply",
            "late",
            experiment=9,
            role="proposer",
            round=0,
            text="",
            model="m",
            tool_calls=[{"name": "smoke_run", "args": {}}],
            usage={},
            usd=None,
        )
    view.refresh()
    last = list(openai.lines(view))[-1]["messages"]
    assert [message["role"] for message in last] == ["assistant"]
    assert "tool_calls" not in last[0]


def test_an_inspect_log_tells_the_session(view, home, tmp_path):
    """Opened with Inspect 0.3.285 by hand (docs/looking.md); its packages do not agree with ours."""
    path = tmp_path / "log.json"
    assert convert(home, "inspect", "--out", str(path)).exit_code == 0
    log = json.loads(path.read_text())
    assert log == json.loads(json.dumps(inspect.head(view) | {"samples": list(inspect.samples(view))}))
    assert (log["version"], log["status"]) == (2, "success")
    assert {"created", "task", "dataset", "model", "config"} <= set(log["eval"])
    sample = log["samples"][2]
    assert sample["scores"]["referee"]["value"] == 2.6
    assert sample["metadata"]["lessons_in"] == [LESSON]
    answered = [m["tool_call_id"] for m in sample["messages"] if m["role"] == "tool"]
    asked = [c["id"] for m in sample["messages"] if m["role"] == "assistant" for c in m["tool_calls"]]
    assert answered == asked
    idents = [message["id"] for message in sample["messages"]]
    assert len(set(idents)) == len(idents)
    assert log["samples"][1]["scores"]["referee"]["value"] == "rejected"


def test_tensorboard_reads_the_scores(home, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert convert(home, "tensorboard", "--out", str(tmp_path / "tb")).exit_code == 0
    events = EventAccumulator(str(tmp_path / "tb"))
    events.Reload()
    assert [(e.step, round(e.value, 4)) for e in events.Scalars("score/program")] == [(1, 2.2), (3, 2.6)]
    assert [round(e.value, 4) for e in events.Scalars("score/best")] == [2.2, 2.2, 2.6]
    assert events.Scalars("cost/tokens")[-1].value == 6000


def test_mlflow_reads_the_run(home, tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE", raising=False)
    from mlflow import MlflowClient

    made = convert(home, "mlflow", "--out", str(tmp_path / "ml"))
    assert made.exit_code == 0, made.output
    client = MlflowClient(tracking_uri=(tmp_path / "ml").as_uri())
    experiment = client.get_experiment_by_name("equilibrist/regret")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.data.params["seed"] == "1"
    assert run.data.metrics["best score"] == 2.6
    assert run.info.status == "FINISHED"
    assert [x.step for x in client.get_metric_history(run.info.run_id, "score")] == [1, 3]
    assert any(x.path == "best" for x in client.list_artifacts(run.info.run_id))


def test_no_span_of_a_long_session_is_dropped(tmp_path):
    new_session(tmp_path, "regret-001", experiments=900).close()
    many(tmp_path / "sessions" / "regret-001", 900)
    out = tmp_path / "spans.jsonl"
    done = convert(tmp_path, "otel", "--out", str(out))
    assert f"({len(out.read_text().splitlines())} spans)" in done.output
    assert len(out.read_text().splitlines()) == 900 * 4  # experiment, turn, reply, call


def test_a_collector_that_is_not_there_is_told(view):
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    class Gone(SpanExporter):
        def export(self, spans):
            return SpanExportResult.FAILURE

    with pytest.raises(Failed, match="were not taken"):
        otel.spans(view, Gone())


def test_mlflow_must_be_told_where(home, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert "--out FOLDER" in str(convert(home, "mlflow").exception)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    assert "MLflow refuses" in str(convert(home, "mlflow").exception)


def test_opentelemetry_spans_follow_the_genai_conventions(home, view, tmp_path, monkeypatch):
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    memory = InMemorySpanExporter()
    count = otel.spans(view, memory)
    made = memory.get_finished_spans()
    assert len(made) == count
    by_id = {span.context.span_id: span for span in made}
    chat = next(span for span in made if span.name == "chat scripted")
    assert chat.attributes["gen_ai.operation.name"] == "chat"
    assert chat.attributes["gen_ai.usage.input_tokens"] == 900
    agent = by_id[chat.parent.span_id]
    assert agent.name == "invoke_agent proposer"
    assert by_id[agent.parent.span_id].name == "experiment 1"
    assert any(span.name == "execute_tool check_program" for span in made)
    assert not any("gen_ai.output.messages" in span.attributes for span in made)
    assert all(span.end_time >= span.start_time for span in made)
    monkeypatch.setenv(otel.CONTENT, "true")
    path = tmp_path / "spans.jsonl"
    assert convert(home, "otel", "--out", str(path)).exit_code == 0
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(lines) == count
    assert any("needle" in line["attributes"].get("gen_ai.output.messages", "") for line in lines)


def test_mistakes_are_told(home, monkeypatch):
    monkeypatch.delenv(otel.ENDPOINT, raising=False)
    for more, told in (
        (["word"], "Formats: openai"),
        (["otel"], otel.ENDPOINT),
        (["openai", "--out", "/nowhere/x"], "cannot be written"),
    ):
        error = convert(home, *more).exception
        assert told in str(error)


def test_two_lines_of_pandas(home):
    with new_session(home, "regret-002", experiments=5):
        pass
    lab = load(home=home)
    assert list(lab.sessions.index) == ["regret-001", "regret-002"]
    assert lab.sessions.loc["regret-001", "best"] == 2.6
    best = lab.experiments.nlargest(1, "score").iloc[0]
    assert best["name"] == "#3"
    assert best["lessons_in"] == (LESSON,)
    assert best["kuhn3"] == 2.6
    assert list(lab.baselines[lab.baselines.session == "regret-001"].name) == ["cfr", "cfr_plus"]
    assert set(lab.lessons.index) == {LESSON, LATER}
    assert lab.lessons.loc[LESSON, "influenced"] == 1
    assert list(lab.calls.tool.unique()) == ["check_program", "give_verdict"]
    last = lab.curves.query("name == '#3' and game == 'leduc2' and series == 'exploitability'")
    assert last.iteration.iloc[-1] == 128
    one = load("last", home)
    assert list(one.sessions.index) == ["regret-002"]
    assert one.experiments.empty


def test_the_notebook_page_runs(home, monkeypatch):
    """Every block of docs/notebook.md, one after the other, on a session of ours."""
    monkeypatch.setenv("EQUILIBRIST_HOME", str(home))
    page = Path(__file__).parent.parent / "docs" / "notebook.md"
    blocks = page.read_text().split("```python\n")[1:]
    space = {}
    for block in blocks:
        exec(compile(block.split("```")[0], str(page), "exec"), space)
    assert blocks


def test_hostile_text_is_data_for_other_tools(tmp_path):
    """Whole, since these are no pages; in lines and strings that cannot be left."""
    hostile(tmp_path)
    with Journal.open(tmp_path / "sessions" / "regret-001") as journal:
        for kind, key, data in turn(4, "critic", [("recall_lessons", {"limit": math.nan}, "{}")]):
            journal.append(kind, key, **data)
        journal.append("experiment", "4", **experiment(4, None, 2.0))
    home, path = tmp_path, tmp_path / "out"
    for name in ("openai", "inspect"):
        assert convert(home, name, "--out", str(path)).exit_code == 0
        written = path.read_bytes()
        assert not any(mark.encode() in written for mark in ("\x1b", "\x07"))
        lines = [written] if name == "inspect" else written.decode().splitlines()
        made = [json.loads(line, parse_constant=pytest.fail) for line in lines]
        assert "onerror=alert(2)" in json.dumps(made)
    made = CliRunner().invoke(app, ["transcript", "regret-001", "--json", "--home", str(home)]).stdout
    assert [json.loads(line, parse_constant=pytest.fail) for line in made.splitlines()]
