"""Sessions that remember: what they learn from, and how they are made."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from memory.embedder import Cached, Embedder, MiniLM
from memory.gathering import take_snapshot
from memory.journal import Journal
from memory.lessons import run_identity
from memory.records import Experiment, LessonDraft, Proposal, Result, program_id
from memory.store import Memory

DISCOUNT = "Discounting early regrets speeds up convergence in Leduc."


MOMENTUM = "Momentum on regrets makes Goofspiel diverge."


AVERAGE = "Quadratic weights in the average policy lower the final exploitability."


class Sessions:
    """Sessions in one home, as the application makes them."""

    def __init__(self, home: Path, embedder: Embedder) -> None:
        self.home, self.embedder = home, embedder
        self._open: list[Journal] = []

    def start(self, name: str, seed: int = 1) -> Memory:
        run = run_identity("regret", seed, {})
        memory = take_snapshot(self.home, run).model_dump(mode="json")
        session = {"problem": "regret", "seed": seed, "run": run, "memory": memory}
        self._open.append(Journal.create(self.home / "sessions" / name, session))
        return Memory(self.home, self._open[-1], self.embedder)

    def resume(self, name: str) -> Memory:
        self.close()
        self._open.append(Journal.open(self.home / "sessions" / name))
        return Memory(self.home, self._open[-1], self.embedder)

    def close(self) -> None:
        for journal in self._open:
            journal.close()


@pytest.fixture(scope="module")
def minilm(tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    return Cached(MiniLM(), tmp_path_factory.mktemp("vectors"))


@pytest.fixture
def sessions(tmp_path: Path, minilm: Embedder) -> Iterator[Sessions]:
    made = Sessions(tmp_path, minilm)
    yield made
    made.close()


def experiment(number: int, source: str = "", lessons: Sequence[str] = ()) -> Experiment:
    source = source or f"program {number}"
    proposal = Proposal(
        program_id=program_id(source), source=source, hypothesis="h", lesson_ids=tuple(lessons)
    )
    return Experiment(number=number, proposal=proposal, result=Result(status="ok", score=1.0))


def draft(text: str, effect: float | None = None, kind: str = "insight", **more: object) -> LessonDraft:
    return LessonDraft.model_validate({"text": text, "kind": kind, "effect": effect, **more})


def texts(found: object) -> list[str]:
    return [recalled.lesson.text for recalled in found]  # type: ignore[attr-defined]
