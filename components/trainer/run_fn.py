"""What TFX's Trainer calls; it only routes: options, data, model, fit, export."""

import importlib
import tempfile
from collections.abc import Callable
from typing import TYPE_CHECKING

import keras
from absl import logging

from components.errors import ConfigError
from components.frozen import FrozenTransform, damage
from components.frozen.record_files import matching_files
from components.trainer import checkpoints
from components.trainer.augment_options import Augmentation
from components.trainer.digest_agreement import require_same_constants
from components.trainer.fitting import fit
from components.trainer.model import ModelSpec
from components.trainer.options import TrainingOptions
from components.trainer.serving import export
from components.trainer.strategies import is_chief, require_even_batches, strategy_of
from components.trainer.streams import Streams

if TYPE_CHECKING:  # loading TFX takes longer than a small training
    from tfx.components.trainer.fn_args_utils import FnArgs


def run_fn(fn_args: "FnArgs") -> None:
    """Trains on the raw examples through the frozen transform and exports a model that serves raw tf.Examples."""
    options = TrainingOptions.from_json(fn_args.custom_config["training"])
    strategy = strategy_of(options.strategy)
    require_even_batches(strategy, options.batch_size)
    frozen = FrozenTransform.load(fn_args.transform_output)
    require_same_constants(strategy, frozen.digest)
    logging.info("Training on constants %s, %d rows analysed.", frozen.digest, frozen.constants.rows)
    keras.utils.set_random_seed(options.seed)
    spec = ModelSpec(frozen.constants, options.task, options.learning_rate, options.hidden_units, options.dropout)  # type: ignore[arg-type]
    with strategy.scope():
        model = model_builder(options.model)(spec)
    augmentation = Augmentation.of(options.augment) if options.augment else None
    streams = Streams(fn_args.train_files, fn_args.eval_files, frozen, options.batch_size, options.seed, augmentation)
    files = [*fn_args.train_files, *fn_args.eval_files]
    folder = checkpoints.folder_of(options, frozen.digest, fn_args.custom_config, files)
    with damage.named(matching_files(files), lambda texts: frozen(frozen.parse(texts))):
        fit(model, streams, options, folder, fn_args.model_run_dir)
    with tempfile.TemporaryDirectory() as scratch:
        # Saving may be a collective operation: workers that export nothing take part and throw their copy away.
        writes = is_chief(strategy)
        served, logs = (fn_args.serving_model_dir, fn_args.model_run_dir) if writes else (f"{scratch}/model", scratch)
        export(model, frozen, options.task, served, f"{logs}/export", keras_export=options.keras_export)  # type: ignore[arg-type]
    if writes:
        checkpoints.remove(folder)


def model_builder(path: str) -> Callable[[ModelSpec], keras.Model]:
    """The function that ``module:function`` names.

    Raises:
      ConfigError: it cannot be imported.
    """
    module, _, name = path.partition(":")
    try:
        builder: Callable[[ModelSpec], keras.Model] = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"trainer.model = {path!r} cannot be imported: {error}") from error
    if not callable(builder):
        raise ConfigError(f"trainer.model = {path!r} must be a function of a ModelSpec but is {builder!r}.")
    return builder
