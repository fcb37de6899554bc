"""What TFX's Trainer calls; it only routes: data, model, fit, export."""

import dataclasses
import importlib
import json
import math
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

import keras
from absl import logging
from tfx.components.trainer.fn_args_utils import FnArgs

from components.errors import ConfigError
from components.frozen import FrozenTransform
from components.trainer.input_data import normalized_dataset
from components.trainer.model import ModelSpec
from components.trainer.serving import export

# Points of a validation curve that a person can read; more of them cost more than the training of a small table.
_VALIDATIONS = 20


@dataclasses.dataclass(frozen=True)
class TrainingOptions:
    """The ``custom_config["training"]`` of a Trainer, as JSON text; meanings in ``pipeline.config.TrainerSection``."""

    task: str
    model: str
    epochs: int
    batch_size: int
    learning_rate: float
    hidden_units: tuple[int, ...]
    dropout: float
    seed: int


def run_fn(fn_args: FnArgs) -> None:
    """Trains on the raw examples through the frozen transform and exports a model that serves raw tf.Examples."""
    table = json.loads(fn_args.custom_config["training"])
    options = TrainingOptions(**{**table, "hidden_units": tuple(table["hidden_units"])})
    frozen = FrozenTransform.load(fn_args.transform_output)
    spec = ModelSpec(frozen.constants, options.task, options.learning_rate, options.hidden_units, options.dropout)  # type: ignore[arg-type]
    keras.utils.set_random_seed(options.seed)
    model = model_builder(options.model)(spec)
    fit(model, fn_args.train_files, fn_args.eval_files, frozen, options, fn_args.model_run_dir)
    export(model, frozen, options.task, fn_args.serving_model_dir, f"{fn_args.model_run_dir}/export")  # type: ignore[arg-type]


def model_builder(path: str) -> Callable[[ModelSpec], keras.Model]:
    """The function that ``module:function`` names.

    Raises:
      ConfigError: it cannot be imported.
    """
    module, _, name = path.partition(":")
    try:
        builder: Callable[[ModelSpec], keras.Model] = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"trainer.model = {path!r} cannot be imported: {error}") from error
    return builder


def fit(
    model: keras.Model,
    train_files: list[str],
    eval_files: list[str],
    frozen: FrozenTransform,
    options: TrainingOptions,
    log_dir: str,
) -> Any:
    """Fits the model; TensorBoard logs go to ``log_dir``."""
    train = normalized_dataset(
        train_files, frozen, batch_size=options.batch_size, shuffle=True, seed=options.seed, repeat=True
    )
    evaluation = normalized_dataset(eval_files, frozen, batch_size=options.batch_size)
    logging.info("Training on constants %s, %d rows analysed.", frozen.digest, frozen.constants.rows)
    board = keras.callbacks.TensorBoard(log_dir=str(PurePosixPath(log_dir)), write_graph=False)
    return model.fit(
        train,
        # One endless iterator: starting one anew costs more than an epoch of a small table.
        steps_per_epoch=math.ceil(frozen.constants.rows / options.batch_size),
        epochs=options.epochs,
        validation_data=evaluation,
        validation_freq=max(1, options.epochs // _VALIDATIONS),
        verbose=2,
        callbacks=[board],
    )
