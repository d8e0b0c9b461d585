"""A question to a memory of 100,000 lessons: first of a process, and asked of one that is warm.

The lessons are variations on a few hundred sentences, their vectors those sentences' own with noise:
embedding that many would take a quarter of an hour and is not what is measured. The question is embedded.
"""

from __future__ import annotations

import json
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np

from bench.measure import Row, measured
from memory.embedder import Cached, MiniLM, local_embedder
from memory.library import Library
from memory.mirror import Filter

SUBJECTS = "Discounting Flooring Momentum Optimism Softmax Restarting Averaging Noise Scaling Damping".split()
OBJECTS = ("regrets", "the average", "step sizes", "policies", "negative regrets", "the last iterate")
EFFECTS = ("speeds up convergence", "delays convergence", "makes it diverge", "changes nothing")
NAMES = ("CFR+", "DCFR", "ALPHA_7", "BETA_2", "leduc2", "liars_dice5", "goofspiel4", "GAMMA")
ASKED = {
    "in words": ("does discounting old regrets help?", Filter()),
    "with names": ("is CFR+ better with ALPHA_7 in leduc2?", Filter()),
    "filtered": ("what makes it diverge?", Filter(problem="regret", games=("leduc2",), kind="failure")),
}


def rows(quick: bool) -> Iterator[Row]:
    count = 10_000 if quick else 100_000
    if not MiniLM.installed():
        return
    figures = measured("lessons.asked", count=count)
    for name, seconds in (figures or {}).items():
        goal = 0.05 if name.startswith("warm") else None
        yield Row("lessons", f"{count:,} lessons, {name}", seconds, "s", at_most=goal)


def asked(count: int) -> dict[str, float]:
    """CPU seconds of a question: the first of a library just opened, and the median of later ones."""
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        embedder = Cached(local_embedder(), home / "memory" / "vectors")
        _fill(home, embedder, count)
        for name, (question, only) in ASKED.items():
            with Library(home, embedder) as library:
                figures[f"first question, {name}"] = _seconds(library, question, only)
        with Library(home, embedder) as library:
            for name, (question, only) in ASKED.items():
                library.query(question, only=only)
                library.query(question, only=only)  # the second one makes what the later ones find ready
                taken = [_seconds(library, f"{question} {i}", only) for i in range(15)]
                figures[f"warm, {name}, median"] = statistics.median(taken)
    return figures


def _seconds(library: Library, question: str, only: Filter) -> float:
    started = time.process_time()
    if not library.query(question, only=only):
        raise RuntimeError(f"nothing found: {question}")
    return time.process_time() - started


def _fill(home: Path, embedder: Cached, count: int) -> None:
    dice, noise = random.Random(0), np.random.default_rng(0)
    sentences = [" ".join(parts) for parts in product(SUBJECTS, OBJECTS, EFFECTS)]
    vectors = embedder.embed(sentences)
    texts, lines = [], []
    chosen = noise.integers(len(sentences), size=count)
    for number, row in enumerate(chosen):
        texts.append(f"{sentences[row]} in {dice.choice(NAMES)} with {dice.choice(NAMES)} (case {number}).")
        about = {
            "problem": dice.choice(("regret", "metasolver")),
            "kind": dice.choice(("insight", "failure")),
        }
        games = ["leduc2"] if dice.random() < 0.3 else []
        lines.append(json.dumps({"id": "x", "text": texts[-1], "games": games, **about}))
    near = vectors[chosen] + noise.normal(0.0, 0.02, (count, vectors.shape[1])).astype(np.float32)
    embedder.know(texts, near / np.linalg.norm(near, axis=1, keepdims=True))
    with Library(home, embedder) as library:
        library.import_lines(lines)
        library.sync()
