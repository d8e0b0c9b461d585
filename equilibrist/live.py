"""What a person sees while a session runs: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections import deque

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from equilibrist.budget import Spent
from equilibrist.config import Config
from equilibrist.render import STATUS_STYLE, figure, safe, span
from memory.records import Baseline, Experiment

RECENT = 8
RATE_WINDOW = 20


class Watch:
    """Follows a session; thread-safe. On a terminal a live view, otherwise one line per event."""

    def __init__(self, console: Console, config: Config, quiet: bool = False) -> None:
        self.console = console
        self.config = config
        self.total = config.experiments
        self.session = ""
        """The session's name, once it has one."""
        self.spent = Spent()
        self.quiet = quiet
        self.bar: Baseline | None = None
        self.best: Experiment | None = None
        self.recent: deque[Experiment] = deque(maxlen=RECENT)
        self.stages: dict[int, str] = {}
        self.written: dict[int, int] = {}
        """Characters of the reply under way, by experiment; only where replies are streamed."""
        self.finished: deque[float] = deque([time.monotonic()], maxlen=RATE_WINDOW)
        self.done = 0
        self.lock = threading.RLock()
        self.live: Live | None = None

    def __enter__(self) -> Watch:
        if self.console.is_terminal and not self.quiet:
            self.live = Live(
                get_renderable=self.picture, console=self.console, refresh_per_second=4, transient=True
            )
            self.live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self.live:
            self.live.stop()

    def say(self, text: str) -> None:
        """One line that stays."""
        if not self.quiet:
            self.console.print(Text(safe(text)), soft_wrap=True)

    def baseline(self, baseline: Baseline) -> None:
        score = baseline.result.score
        with self.lock:
            if score is not None and (self.bar is None or score > (self.bar.result.score or float("-inf"))):
                self.bar = baseline
            self.finished[-1] = time.monotonic()
        if not self.live:
            self.say(f"  baseline {baseline.name:<12} {figure(score)}")

    def spend(self, spent: Spent) -> None:
        with self.lock:
            self.spent = spent

    def writing(self, number: int, characters: int) -> None:
        """How far the reply has come that an experiment waits for."""
        with self.lock:
            self.written[number] = characters

    def stage(self, number: int, stage: str) -> None:
        with self.lock:
            self.stages[number] = stage
            self.written.pop(number, None)

    def experiment(self, experiment: Experiment, known: bool = False) -> None:
        """A finished experiment. One that was ``known`` is read back from the journal and took no time."""
        with self.lock:
            self.stages.pop(experiment.number, None)
            self.written.pop(experiment.number, None)
            self.done = max(self.done, experiment.number)
            self.recent.append(experiment)
            if not known:
                self.finished.append(time.monotonic())
            score = experiment.result.score
            if score is not None and (self.best is None or score > (self.best.result.score or float("-inf"))):
                self.best = experiment
        if not self.live and not known:
            cost = f"   {self.cost()}" if self.spent.tokens else ""
            self.say(experiment_line(experiment) + f"   {self.rate()}{cost}")

    def rate(self) -> str:
        """Rate over the last experiments and the time left at that rate."""
        elapsed = self.finished[-1] - self.finished[0]
        count = len(self.finished) - 1
        if count < 1 or elapsed <= 0:
            return "rate not yet known"
        left = (self.total - self.done) * elapsed / count
        return f"{60 * count / elapsed:.1f} per minute, {span(left)} left"

    def cost(self) -> str:
        """What was spent, and of what."""
        config = self.config
        limits = [f"${config.usd:g}"] if config.usd else []
        limits += [f"{config.tokens:,} tokens"] if config.tokens else []
        limits += [f"{config.gpu_seconds:g} s of GPU"] if config.gpu_seconds else []
        return f"spent {self.spent}" + (f" of {' and '.join(limits)}" if limits else "")

    def picture(self) -> RenderableType:
        with self.lock:
            head = Table.grid(padding=(0, 2))
            head.add_row(
                Text(f"experiment {self.done}/{self.total}", style="bold"),
                ProgressBar(total=self.total, completed=self.done, width=30),
                self.rate(),
            )
            lines = [Text(f"best {self._best()}   best baseline {self._bar()}")]
            if self.spent.tokens:
                lines.append(Text(self.cost()))
            running = "  ".join(f"#{n} {stage}{self._written(n)}" for n, stage in sorted(self.stages.items()))
            table = Table.grid(padding=(0, 1))
            for experiment in self.recent:
                table.add_row(Text(experiment_line(experiment), style=STATUS_STYLE[experiment.result.status]))
            return Group(head, *lines, table, Text(running or "starting", style="dim"))

    def _written(self, number: int) -> str:
        return f" ({self.written[number]:,} characters)" if number in self.written else ""

    def _best(self) -> str:
        return f"{figure(self.best.result.score)} (#{self.best.number})" if self.best else "none yet"

    def _bar(self) -> str:
        return f"{figure(self.bar.result.score)} ({self.bar.name})" if self.bar else "none yet"


def experiment_line(experiment: Experiment) -> str:
    """One experiment in one line."""
    proposal, result = experiment.proposal, experiment.result
    program = proposal.program_id if proposal else "-" * 12
    note = "" if result.status == "ok" else safe(result.message).partition("\n")[0][:60]
    made_by = proposal.operator if proposal else ""
    early = " (stopped early)" if result.stopped_early else ""
    head = f"  #{experiment.number:<4} {program} {figure(result.score)} {result.status:<13}"
    return f"{head}{made_by:<22}{early}{note}"
