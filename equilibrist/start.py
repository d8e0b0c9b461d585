"""Joins the parts into a running session: folder, journal, memory, sandbox, live view, Ctrl-C."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType

from rich.console import Console

from agents.errors import ModelError
from agents.prices import Prices, listed, price_of, read
from equilibrist.bring import bring, outlook, restore, store
from equilibrist.budget import Meter, spent_by, total
from equilibrist.config import BUDGETS, Config, session_record
from equilibrist.errors import Failed, Usage
from equilibrist.evaluate import find_problem, on_device
from equilibrist.home import find_session, new_session, open_home
from equilibrist.live import Watch
from equilibrist.session import Control, Models, Parts, conduct, open_models
from equilibrist.steer import Inbox
from memory.embedder import Embedder, open_embedder
from memory.gathering import take_snapshot
from memory.journal import Journal
from memory.lessons import run_identity
from memory.library import Library
from memory.store import Memory
from problems.brought import Brought
from problems.problem import Problem
from sandbox import SANDBOXES, open_sandbox
from sandbox.attacks import run_attacks
from sandbox.job import Sandbox, SandboxError, Unavailable


def start(home: Path, config: Config, quiet: bool, games: Sequence[str] = ()) -> tuple[str, str]:
    """A new session, on ``games`` of the user's own if there are any.

    Returns its name and why it ended. A mistake leaves no session behind.
    """
    home = open_home(home)
    problem = on_device(find_problem(config.problem), config.device)
    models = _can_be_had(home, config)
    brought = _brought(problem, config, games, quiet)
    config = config.model_copy(update={"games": tuple(game.name for game in brought)})
    with _watched(config, quiet) as (watch, sandbox):
        run = run_identity(config.problem, config.seed, config.identity())
        if config.memory_url:
            with Library(home, _embedder(home, config.embeddings), config.memory_url) as library:
                watch.say(f"{library.pull()} new lessons from {config.memory_url}, in quarantine")
        snapshot = take_snapshot(home, run).model_dump(mode="json")
        folder = new_session(home, config.problem)
        store(folder, brought)
        with Journal.create(folder, session_record(config, run=run, memory=snapshot)) as journal:
            return folder.name, _conduct(home, journal, config, sandbox, models, watch)


def resume(
    home: Path, name: str, budgets: dict[str, float | int | None], salvage: bool, quiet: bool
) -> tuple[str, str]:
    """Go on with a session, perhaps with other budgets (of ``BUDGETS``; None leaves one as it was)."""
    home = open_home(home)
    with Journal.open(find_session(home, name), salvage=salvage) as journal:
        config = Config.model_validate(journal.session["config"])
        restore(journal.folder, config.games)
        changed = {name: budgets.get(name) for name in BUDGETS if budgets.get(name) is not None}
        config = config.model_copy(update={"minutes": None, **changed})
        models = _can_be_had(home, config)
        with _watched(config, quiet) as (watch, sandbox):
            for line in journal.lost:
                watch.say(f"Set aside in journal.bad: {line}")
            return journal.folder.name, _conduct(home, journal, config, sandbox, models, watch)


def _brought(problem: Problem, config: Config, games: Sequence[str], quiet: bool) -> tuple[Brought, ...]:
    """The user's games, validated, with the time that they will take."""
    say = Console(stderr=quiet, highlight=False, markup=False, soft_wrap=True).print
    brought = bring(problem, games, say)
    if brought:
        say(outlook(brought, len(problem.baselines) + config.experiments, config.parallel))
    return brought


def _can_be_had(home: Path, config: Config) -> Models:
    """The models. Raises Usage before anything is written when there is no such sandbox, a model lacks its
    key, or a budget in dollars is set and a model has no price."""
    if config.sandbox not in ("auto", *SANDBOXES):
        raise Usage(f"There is no sandbox '{config.sandbox}'. Known: auto, {', '.join(SANDBOXES)}.")
    try:
        models = open_models(config)
        prices = prices_of(home)
    except ModelError as error:
        raise Usage(str(error)) from None
    unpriced = [name for name in models if price_of(name, prices) is None]
    if config.usd is not None and unpriced:
        raise Usage(
            f"No price is known for {', '.join(unpriced)}, so --usd could not be kept. Use --tokens or write "
            f'{home}/prices.json: {{"models": {{"{unpriced[0]}": {{"input": 0.5, "output": 1.5}}}}}} '
            "in US dollars per million tokens (0 for a model of your own)."
        )
    return models


def prices_of(home: Path) -> Prices:
    """The table that comes with the program, under the home's own. Raises ModelError."""
    own = home / "prices.json"
    return {**listed(), **(read(own) if own.exists() else {})}


@contextmanager
def _watched(config: Config, quiet: bool) -> Iterator[tuple[Watch, Sandbox]]:
    """A live view and a running sandbox. Raises Failed when no sandbox works."""
    console = Console(stderr=quiet, highlight=False)
    with ExitStack() as stack:
        watch = stack.enter_context(Watch(console, config, quiet))
        try:
            yield watch, stack.enter_context(_executor(config, watch.say))
        except SandboxError as error:
            raise Failed(str(error)) from None


def _executor(config: Config, say: Callable[[str], None]) -> AbstractContextManager[Sandbox]:
    """The sandbox of this machine, or those of a cluster. Raises SandboxError."""
    if config.executor == "local":
        return open_sandbox(config.sandbox, slots=config.parallel, say=say, device=config.device)
    try:
        from sandbox.cluster import open_cluster
    except ImportError:
        raise Unavailable("--executor ray needs Ray: pip install 'equilibrist[ray]'") from None
    return open_cluster(config.ray_address, config.sandbox, config.parallel, say, config.device)


def open_memory(home: Path, journal: Journal) -> Memory:
    """The session's memory, with the embedder that it began with."""
    return Memory(home, journal, _embedder(home, journal.session["config"].get("embeddings", "")))


def _embedder(home: Path, model: str) -> Embedder:
    return open_embedder(model, home / "memory" / "vectors")


def _conduct(
    home: Path, journal: Journal, config: Config, sandbox: Sandbox, models: Models, watch: Watch
) -> str:
    watch.session = journal.folder.name
    watch.say(f"Session {journal.folder.name} in {journal.folder}")
    memory = open_memory(home, journal)
    if memory.note:
        watch.say(memory.note)
    prove(sandbox, journal, watch)
    journal.append("started", sandbox=sandbox.name)
    meter = Meter(config, prices_of(home), total(spent_by(journal)), watch.spend)
    try:
        with _interruptible() as asked:
            control = Control(meter, Inbox(journal), asked)
            reason = conduct(Parts(home, journal, config, memory, sandbox, models, watch, control))
    except (ModelError, SandboxError) as error:
        reason = "model lost" if isinstance(error, ModelError) else "failed"
        journal.append("ended", reason=reason, message=str(error))
        raise Failed(f"{error} Go on later with: equilibrist resume {journal.folder.name}") from None
    journal.append("ended", reason=reason)
    share(home, config, watch.say)
    return reason


def share(home: Path, config: Config, say: Callable[[str], None]) -> None:
    """Bring the index or the team's server up to date. A server that went away costs no session."""
    try:
        with Library(home, _embedder(home, config.embeddings), config.memory_url) as library:
            library.sync()
    except ConnectionError as error:
        say(str(error))
        say("The lessons are in the journal. To share them later: equilibrist memory pull")


def prove(sandbox: Sandbox, journal: Journal, watch: Watch) -> None:
    """Attack the very sandbox that will be used; refuse the session if an attack gets through.

    Raises:
        Failed: an attack was not held.
    """
    results = run_attacks(sandbox, fast=True)
    journal.append("attacks", sandbox=sandbox.name, results=[asdict(result) for result in results])
    through = [result for result in results if not result.held]
    watch.say(f"Sandbox {sandbox.name}: {len(results) - len(through)} of {len(results)} attacks held")
    if through and sandbox.name != "unconfined":
        names = "; ".join(f"{result.name} ({result.why})" for result in through)
        raise Failed(
            f"The {sandbox.name} sandbox does not hold on this machine: {names}. The session was refused. "
            "Look closer with: equilibrist doctor --attack"
        )


@contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """The first Ctrl-C asks the session to stop, the second one stops at once."""
    asked = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
