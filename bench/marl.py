"""BenchMARL's IPPO, a process of its own, with a clock between collection and learning."""

from __future__ import annotations

import tempfile
import time

from benchmarl.algorithms import IppoConfig
from benchmarl.environments import VmasTask
from benchmarl.experiment import Callback, Experiment, ExperimentConfig
from benchmarl.models.mlp import MlpConfig

from bench.vectorised import AGENTS, BATCH, COPIES, HORIZON, SEEDS, TASK, phases
from problems.learning.networks import HIDDEN
from problems.learning.referee import EPOCHS, RATE


class Clock(Callback):
    """CPU seconds that the process had spent when a batch was collected, and when it was learnt from."""

    def __init__(self) -> None:
        super().__init__()
        self.ends = [time.process_time()]

    def on_batch_collected(self, batch: object) -> None:
        self.ends.append(time.process_time())

    def on_train_end(self, training: object, group: str) -> None:
        self.ends.append(time.process_time())


def ippo(batches: int, alike: bool) -> dict[str, list[float]]:
    """CPU seconds of every batch but the first; ``alike``: with networks, step size and epochs as ours."""
    config, model, clock = ExperimentConfig.get_from_yaml(), MlpConfig.get_from_yaml(), Clock()
    config.max_n_iters, config.max_n_frames = batches + 1, None
    config.on_policy_n_envs_per_worker, config.on_policy_collected_frames_per_batch = SEEDS * COPIES, BATCH
    config.evaluation = config.render = config.create_json = False
    config.loggers = []
    if alike:
        config.on_policy_n_minibatch_iters, config.on_policy_minibatch_size, config.lr = EPOCHS, BATCH, RATE
        model.num_cells = [HIDDEN, HIDDEN]
    task = VmasTask[TASK.upper()].get_from_yaml()
    task.config |= {"n_agents": AGENTS, "max_steps": HORIZON}
    with tempfile.TemporaryDirectory() as config.save_folder:
        Experiment(task, IppoConfig.get_from_yaml(), model, 0, config, callbacks=[clock]).run()
    return phases(clock.ends)
