"""One Trainer's ``run_fn`` in a process of its own: ``start`` it from a test, with a small table and options.

The process writes the weights that it ends with to ``<out>/weights-<worker>.npz``, by their order, then exports.
"""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import numpy as np

REPOSITORY = Path(__file__).parents[2]
TRAIN_ROWS, EVAL_ROWS = 640, 101
OPTIONS: Mapping[str, Any] = {
    "task": "binary",
    "model": "components.trainer.model:build_model",
    "epochs": 4,
    "batch_size": 32,  # 20 steps an epoch
    "learning_rate": 0.01,
    "hidden_units": [8],
    "dropout": 0.3,
    "seed": 7,
    "checkpoint_steps": 3,
}


def rows(n: int, seed: int) -> list[dict[str, Any]]:
    """Rows whose label follows from a number and a category."""
    random = np.random.default_rng(seed)
    drawn = zip(random.normal(size=n), random.integers(0, 3, n), strict=True)
    return [{"x": float(x), "key": b"abc"[key : key + 1], "y": int(x + key > 1)} for x, key in drawn]


def write_table(folder: Path, train_seed: int = 1) -> Path:
    """Four files of training, one of evaluation and the transform graph of the training rows, in ``folder``."""
    from graph_tables import feature, plan_of, write_records, write_transform_graph

    plan = plan_of(
        feature("x", "FLOAT", "z_score"), feature("key", "BYTES", "category"), feature("y", "INT", "label", shape="")
    )
    train = rows(TRAIN_ROWS, train_seed)
    for shard in range(4):
        write_records(plan, train[shard::4], folder / f"train-{shard}.gz")
    write_records(plan, rows(EVAL_ROWS, 2), folder / "eval-0.gz")
    write_transform_graph(plan, train, folder)
    return folder


@dataclasses.dataclass(frozen=True)
class Training:
    """A process and its log, a file: a pipe that nobody reads would stop a worker that others wait for."""

    process: "subprocess.Popen[str]"
    log: IO[str]


def start(
    table: Path,
    out: Path,
    *,
    options: Mapping[str, Any] | None = None,
    killed_at: int = 0,
    devices: int = 1,
    workers: list[str] | None = None,
    worker: int = 0,
) -> Training:
    """Starts a training of ``OPTIONS`` and ``options``.

    Args:
      table: what ``write_table`` wrote.
      out: folder for the weights and the model.
      options: over ``OPTIONS``.
      killed_at: the step after which the process kills itself by signal 9.
      devices: logical CPU devices for the strategy "mirrored".
      workers: addresses for "multi_worker".
      worker: which of them this one is.
    """
    job = {"table": str(table), "out": str(out), "killed_at": killed_at, "devices": devices, "worker": worker}
    job["options"] = {**OPTIONS, **(options or {})}
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": "-1"}
    if workers:
        task = {"type": "worker", "index": worker}
        environment["TF_CONFIG"] = json.dumps({"cluster": {"worker": workers}, "task": task})
    log = tempfile.TemporaryFile("w+")  # noqa: SIM115  (``ended`` closes it)
    command = [sys.executable, __file__, json.dumps(job)]
    return Training(
        subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=log, stderr=subprocess.STDOUT, text=True), log
    )


def ended(training: Training, seconds: float = 300) -> tuple[int, str]:
    """The exit status and the log, once it has ended; one that does not end in time is killed."""
    try:
        training.process.wait(seconds)
    except subprocess.TimeoutExpired:
        training.process.kill()
        training.process.wait()
    with training.log as log:
        log.seek(0)
        return training.process.returncode, log.read()


def weights(out: Path, worker: int = 0) -> list[np.ndarray]:
    """The weights that a worker ended with."""
    with np.load(out / f"weights-{worker}.npz") as found:
        return [found[name] for name in found.files]


def _main(job: Mapping[str, Any]) -> None:
    import tensorflow as tf
    from absl import logging

    from components.trainer import checkpoints, run_fn

    logging.set_verbosity("info")
    out, export, strategy_of = Path(job["out"]), run_fn.export, run_fn.strategy_of
    save_if_due = checkpoints.Checkpoints.save_if_due
    if job["devices"] > 1:
        (cpu,) = tf.config.list_physical_devices("CPU")
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * job["devices"])
        names = [f"CPU:{device}" for device in range(job["devices"])]
        strategy_of = lambda name: tf.distribute.MirroredStrategy(names)  # noqa: E731

    def recorded(model: Any, *arguments: Any, **options: Any) -> None:
        out.mkdir(parents=True, exist_ok=True)
        np.savez(out / f"weights-{job['worker']}.npz", *model.get_weights())
        export(model, *arguments, **options)

    def killed(self: checkpoints.Checkpoints, trained: int) -> None:
        save_if_due(self, trained)
        if trained == job["killed_at"]:
            os.kill(os.getpid(), signal.SIGKILL)

    run_fn.export, run_fn.strategy_of, checkpoints.Checkpoints.save_if_due = recorded, strategy_of, killed
    run_fn.run_fn(
        SimpleNamespace(
            train_files=[f"{job['table']}/train-*"],
            eval_files=[f"{job['table']}/eval-*"],
            transform_output=job["table"],
            serving_model_dir=str(out / "model"),
            model_run_dir=str(out / "logs"),
            custom_config={"training": json.dumps(job["options"]), "code_digest": "c", "model_digest": "m"},
        )
    )


if __name__ == "__main__":
    _main(json.loads(sys.argv[1]))
