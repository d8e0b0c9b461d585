"""What Li et al. 2026 show of each of our problems, and how it is run: in their loop, in the textbook's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from problems.games.compile import pack
from problems.games.layout import arrange
from problems.games.tables import from_bytes
from problems.inprocess import InProcess
from problems.li2026.figures import Curves, published, published_psro
from problems.li2026.histories import Histories, enumerate_game
from problems.li2026.loop import trajectory
from problems.li2026.metasolvers import MissingLibrary
from problems.li2026.psro import curve
from problems.metasolver import PROBLEM as METASOLVER
from problems.metasolver.referee import largest_population
from problems.metasolver.referee import rollout as psro
from problems.regret import PROBLEM as REGRET
from problems.regret.referee import rollout as minimise_regret

__all__ = ["FIGURES", "Figure", "MissingLibrary"]

Run = Callable[[str, str, Sequence[int]], list[float]]
"""(game, algorithm, updates at which to measure) -> exploitabilities; fewer where it ends before."""


@dataclass(frozen=True)
class Figure:
    """One figure of the paper."""

    published: Callable[[], Curves]
    last: int
    """The published horizon."""
    baselines: Mapping[str, str]
    """The paper's name -> the baseline of the problem that is the same rule in textbook semantics."""
    programs: Mapping[str, str]
    """The problem's baselines."""
    paper: Run
    textbook: Run
    sources: Mapping[str, tuple[str, ...]]
    """Semantics -> the files in ``problems`` on which its results depend."""
    unit: str
    """What is counted."""

    @property
    def games(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(game for game, _ in self.published()))


@lru_cache(maxsize=1)
def _histories(game: str) -> Histories:
    return enumerate_game(game)


def _paper(game: str, algorithm: str, at: Sequence[int]) -> list[float]:
    return [value for _, value in trajectory(_histories(game), algorithm, at)]


def _textbook(game: str, algorithm: str, at: Sequence[int]) -> list[float]:
    program = InProcess(REGRET.rule, REGRET.baselines[FIGURES["regret"].baselines[algorithm]])
    settings = {**REGRET.settings, "checkpoints": list(at), "seed": 0}
    return minimise_regret(program, pack(game), settings)["exploitability"]


def _paper_psro(game: str, algorithm: str, at: Sequence[int]) -> list[float]:
    compiled = arrange(from_bytes(pack(game)))
    values = curve(compiled, _histories(game), algorithm, at[-1] + 1)
    return [values[x] for x in at if x < len(values)]


def _textbook_psro(game: str, algorithm: str, at: Sequence[int]) -> list[float]:
    players = arrange(from_bytes(pack(game))).players
    program = InProcess(METASOLVER.rule, METASOLVER.baselines[FIGURES["metasolver"].baselines[algorithm]])
    epochs = [x + 1 for x in at if x < largest_population(players)]
    return psro(program, pack(game), {"checkpoints": epochs, "seed": 0})["exploitability"]


FIGURES = {
    "regret": Figure(
        published=published,
        last=999,
        baselines={
            "CFR": "cfr",
            "CFR+": "cfr_plus",
            "LCFR": "lcfr",
            "DCFR": "dcfr",
            "PCFR+": "pcfr_plus",
            "DPCFR+": "dpcfr_plus",
            "HS-PCFR+(30)": "hs_pcfr_plus",
            "VAD-CFR": "vad_cfr",
            "AOD-CFR": "aod_cfr",
        },
        programs=REGRET.baselines,
        paper=_paper,
        textbook=_textbook,
        sources={"paper": ("li2026/*.py", "games/compile.py"), "textbook": ("games/*.py", "regret/r*.py")},
        unit="updates",
    ),
    "metasolver": Figure(
        published=published_psro,
        last=99,
        baselines={
            "Uniform": "uniform",
            "Nash": "nash",
            "AlphaRank": "alpharank",
            "PRD": "prd",
            "RM": "rm",
            "SHOR-PSRO": "shor_psro",
        },
        programs=METASOLVER.baselines,
        paper=_paper_psro,
        textbook=_textbook_psro,
        sources={
            "paper": ("li2026/*.py", "games/*.py", "metasolver/referee.py", "metasolver/rule/*.py"),
            "textbook": ("games/*.py", "metasolver/referee.py", "metasolver/rule/*.py"),
        },
        unit="best responses",
    ),
}
"""By problem."""
