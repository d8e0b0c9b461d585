"""BenchMARL's IPPO, a process of its own, with a clock between collection and learning."""

from __future__ import annotations

import tempfile

from benchmarl.algorithms import IppoConfig
from benchmarl.environments import VmasTask
from benchmarl.experiment import Callback, Experiment, ExperimentConfig
from benchmarl.models.mlp import MlpConfig

from bench.vectorised import AGENTS, COPIES, HORIZON, SEEDS, TASK, batch, clock, phases
from problems.learning.networks import HIDDEN
from problems.learning.referee import EPOCHS, RATE


class Clock(Callback):
    """Reads ``clock`` when a batch was collected, and when it was learnt from."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device, self.ends = device, [clock(device)]

    def on_batch_collected(self, batch: object) -> None:
        self.ends.append(clock(self.device))

    def on_train_end(self, training: object, group: str) -> None:
        self.ends.append(clock(self.device))


def ippo(batches: int, alike: bool, device: str) -> dict[str, list[float]]:
    """Seconds of every batch but the first; ``alike``: with networks, step size and epochs as ours."""
    config, model, read = ExperimentConfig.get_from_yaml(), MlpConfig.get_from_yaml(), Clock(device)
    config.max_n_iters, config.max_n_frames = batches + 1, None
    config.sampling_device = config.train_device = config.buffer_device = device
    config.on_policy_n_envs_per_worker = SEEDS * COPIES[device]
    config.on_policy_collected_frames_per_batch = batch(device)
    config.evaluation = config.render = config.create_json = False
    config.loggers = []
    if alike:
        config.on_policy_n_minibatch_iters, config.on_policy_minibatch_size, config.lr = (
            EPOCHS,
            batch(device),
            RATE,
        )
        model.num_cells = [HIDDEN, HIDDEN]
    task = VmasTask[TASK.upper()].get_from_yaml()
    task.config |= {"n_agents": AGENTS, "max_steps": HORIZON}
    with tempfile.TemporaryDirectory() as config.save_folder:
        Experiment(task, IppoConfig.get_from_yaml(), model, 0, config, callbacks=[read]).run()
    return phases(read.ends)
