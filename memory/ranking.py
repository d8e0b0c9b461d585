"""Which lessons matter for a question: meaning, words, evidence, past usefulness and variety, in one score.

    score = (cosine + words, weighted) x trust x use x place

*words* is the share of the question's words that the lesson contains, weighted by rarity; *trust* follows
the lesson's status; *use* the share of proposals it helped, shrunk to the average of all; *place* its games.
Of the best a few unlike ones are chosen by maximal marginal relevance (Carbonell and Goldstein 1998).
"""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from memory.lexicon import FOREIGN, words
from memory.records import Lesson, LessonStatus

TRUST: Mapping[LessonStatus, float] = {
    "supported": 1.0,
    "quarantined": 0.85,
    "contradicted": 0.7,
    "retired": 0.0,
}
COSINE, WORDS = 0.65, 0.35
"""Weights of meaning and of shared words in the relevance."""
LEAST = 0.17
"""Relevance below which a lesson has nothing to do with the question: in 12 paraphrased questions the
right lesson had 0.18 to 0.60, in 8 questions about other matters the nearest had 0.06 to 0.17."""
_POOL = 64
_NAME = re.compile(r"[\d_]")
_NAMED = 2.0
"""Weight of a name from a program or a number (``liars_dice5``), which nobody says by chance."""
_LONG, _PARTS = 200, 12
"""Characters beyond which a question is taken apart, and the most sentences looked at."""
_PRIOR = 4.0
"""Showings that the average usefulness counts for when a lesson's own is estimated."""
_ALIKE, _VARIETY = 0.55, 0.6
"""Cosine to a chosen lesson from which one counts for less, and by how much for the very same."""


@dataclass(frozen=True)
class Recalled:
    lesson: Lesson
    score: float
    why: str
    """The parts of the score, for a person or an agent."""


def parts(question: str) -> list[str]:
    """A question, and its sentences when it is long: what matters must not drown in what surrounds it."""
    if len(question) <= _LONG:
        return [question]
    found = re.split(r"(?<=[.!?;。！？])\s*|,? (?:and|which is) ", question)
    sentences = [part.strip() for part in found if len(part.strip()) > 20]
    return [question, *dict.fromkeys(sentences[:_PARTS])]


def names(question: str) -> list[str]:
    """Words of a question that an embedder may not know: names from programs, acronyms, numbers."""
    return [word for word in re.findall(r"[\w.+]+", question) if re.search(r"\d|_|[A-Z]{2}", word)][:2]


class Shelf:
    """Lessons' texts and vectors in rows, only ever added. Which rows a question may see, ``known`` says."""

    def __init__(self, dimensions: int) -> None:
        self.ids: list[str] = []
        self.row: dict[str, int] = {}
        self._postings: dict[str, array[int]] = {}
        self._vectors = np.zeros((256, dimensions), np.float32)

    @property
    def vectors(self) -> np.ndarray:
        """[rows, dimensions]"""
        return self._vectors[: len(self.ids)]

    def add(self, lessons: Sequence[tuple[str, str]], vectors: np.ndarray) -> None:
        """(id, text) pairs with their unit vectors [lessons, dimensions]."""
        needed = len(self.ids) + len(lessons)
        if needed > len(self._vectors):
            grown = np.zeros((max(needed, 2 * len(self._vectors)), vectors.shape[1]), np.float32)
            grown[: len(self.ids)] = self.vectors
            self._vectors = grown
        for (name, text), vector in zip(lessons, vectors, strict=True):
            row = self.row[name] = len(self.ids)
            self.ids.append(name)
            self._vectors[row] = vector
            for word in words(text):
                self._postings.setdefault(word, array("q")).append(row)

    def near(self, vector: np.ndarray, least: float, known: Container[str]) -> list[str]:
        """Ids among ``known`` with at least that cosine, nearest first; of very many the first ``_POOL``."""
        rough = self.vectors @ vector
        rows = np.flatnonzero(rough >= least - 1e-4)
        rows = rows[[self.ids[row] in known for row in rows]]
        if len(rows) > _POOL:
            rows = rows[rough[rows] >= np.partition(rough[rows], -_POOL)[-_POOL] - 1e-4]
        cosines = np.round(self._exact(rows, vector), 6)
        order = np.argsort(-cosines, kind="stable")
        return [self.ids[rows[i]] for i in order[:_POOL] if cosines[i] >= least]

    def rank(self, question: str, vectors: np.ndarray, factor: np.ndarray) -> list[tuple[int, float, float]]:
        """The rows that come into question, as (row, cosine, words).

        ``vectors`` [parts, dimensions]: of the question's parts (``parts``); the nearest one counts.
        ``factor`` [rows, or fewer: later rows count as 0] multiplies the relevance; 0 hides a row. The
        result depends on the rows not hidden alone, however many others there are.
        """
        matched = np.zeros(len(self.ids))
        factor = np.pad(factor, (0, len(self.ids) - len(factor)))
        known = factor > 0
        for word, weight in self._rarity(words(question), known).items():
            matched[self._holding(word)] += weight
        near = np.max([self.vectors @ vector for vector in vectors], axis=0)
        rough = np.where(known, (COSINE * near + WORDS * matched) * factor, -np.inf)
        least = np.partition(rough, -_POOL)[-_POOL] if len(rough) > _POOL else -np.inf
        rows = np.flatnonzero((rough >= least) & known)
        cosines = np.max([self._exact(rows, vector) for vector in vectors], axis=0)
        return [(int(r), round(float(c), 6), float(matched[r])) for r, c in zip(rows, cosines, strict=True)]

    def _exact(self, rows: np.ndarray, vector: np.ndarray) -> np.ndarray:
        """Cosines that depend on the row and the vector alone; a matrix product's rounding does not."""
        products: np.ndarray = self.vectors[rows].astype(np.float64) * vector
        return products.sum(axis=1)

    def _holding(self, word: str) -> np.ndarray:
        """Rows of the lessons that have the word."""
        return np.frombuffer(self._postings.get(word, array("q")), np.int64)

    def _rarity(self, asked: frozenset[str], known: np.ndarray) -> dict[str, float]:
        """Weight of the question's words that some lesson has; all of its words together weigh 1."""
        total = int(known.sum())
        every = {w: np.count_nonzero(known[self._holding(w)]) for w in sorted(asked)}
        counts = {w: n for w, n in every.items() if n or not w.startswith(FOREIGN)}
        weights = {
            w: math.log(1.0 + total / (1.0 + n)) * (2.0 if _NAME.search(w) else 1.0)
            for w, n in counts.items()
        }
        whole = sum(weights.values()) or 1.0
        return {w: weight / whole for w, weight in weights.items() if w in self._postings}


def usefulness(shown: np.ndarray, helped: np.ndarray) -> np.ndarray:
    """[lessons] in 0.8 to 1.25: how much oftener than average a proposal that was shown it improved."""
    average = (helped.sum() + 1.0) / (shown.sum() + 2.0)
    posterior = (helped + _PRIOR * average) / (shown + _PRIOR)
    ratio: np.ndarray = np.clip(posterior / average, 0.8, 1.25)
    return ratio


def choose(
    found: Sequence[tuple[Lesson, np.ndarray, float, float, float]], games: Sequence[str], k: int
) -> list[Recalled]:
    """The best ``k`` that are not alike, from (lesson, vector, cosine, words, use)."""
    scored: list[tuple[Recalled, np.ndarray]] = []
    for lesson, vector, cosine, matched, use in found:
        relevance = COSINE * max(cosine, 0.0) + WORDS * matched
        if relevance >= LEAST:
            score = relevance * TRUST[lesson.status] * use * _place(lesson, games)
            scored.append((Recalled(lesson, round(score, 6), _why(lesson, cosine, matched)), vector))
    scored.sort(key=lambda pair: (-pair[0].score, pair[0].lesson.id))
    return _unlike(scored[: 4 * k], k)


def _unlike(scored: Sequence[tuple[Recalled, np.ndarray]], k: int) -> list[Recalled]:
    """One after another the best by its score, less for what is like one chosen already. The other side of a
    contradiction is not."""
    if not scored:
        return []
    left = [recalled for recalled, _ in scored]
    names, opposed = [x.lesson.id for x in left], [x.lesson.against for x in left]
    vectors = np.stack([vector for _, vector in scored])
    nearest = np.zeros(len(left))
    chosen: list[Recalled] = []
    rows = list(range(len(left)))
    while rows and len(chosen) < k:
        excess = np.clip((nearest - _ALIKE) / (1.0 - _ALIKE), 0.0, 1.0).tolist()
        marginal = {row: round(left[row].score * (1.0 - _VARIETY * excess[row]), 6) for row in rows}
        best = max(rows, key=lambda row: (marginal[row], left[row].score, names[row]))
        rows.remove(best)
        chosen.append(left[best])
        alike = (vectors * vectors[best]).sum(axis=1, dtype=np.float64)
        alike[[names[best] in opposed[row] or names[row] in opposed[best] for row in range(len(left))]] = 0.0
        nearest = np.maximum(nearest, alike)
    return chosen


def _place(lesson: Lesson, games: Sequence[str]) -> float:
    return 1.0 if not games or not lesson.games or set(games) & set(lesson.games) else 0.85


def _why(lesson: Lesson, cosine: float, matched: float) -> str:
    parts = [f"similarity {cosine:.2f}", f"words {matched:.2f}", f"{lesson.status}: {lesson.reason}"]
    if lesson.shown:
        parts.append(f"helped {lesson.helped} of {lesson.shown} proposals that were shown it")
    return ", ".join(parts)
