"""A compiled model + the two streams -> a trained model, from the beginning or from a checkpoint on."""

import dataclasses
import math
from typing import Any

import keras
from absl import logging

from components.trainer.checkpoints import Checkpoints
from components.trainer.digest_agreement import require_same_position
from components.trainer.distributed import fit_by_steps
from components.trainer.early_stopping import BestWeights
from components.trainer.first_epoch import FedCheck
from components.trainer.options import TrainingOptions
from components.trainer.strategies import is_chief
from components.trainer.streams import Streams

# Points of a validation curve that a person can read; more of them cost more than the training of a small table.
_VALIDATIONS = 20


@dataclasses.dataclass(frozen=True)
class Schedule:
    """How long a training goes on; its steps are counted from its beginning, over all epochs.

    Attributes:
      epochs: passes over the training split, the last one of ``total`` steps in all.
      steps_in_epoch: batches that hold the training split, the last one filled up from the next pass.
      total: steps, at most ``options.steps`` where that is not 0.
      validation_freq: epochs from one validation to the next.
    """

    epochs: int
    steps_in_epoch: int
    total: int
    validation_freq: int

    @classmethod
    def of(cls, rows: int, options: TrainingOptions, steps_at_once: int = 1) -> "Schedule":
        """For ``rows`` of training; an epoch, and all of it, is a multiple of the steps that a model takes at once."""
        in_epoch = math.ceil(math.ceil(rows / options.batch_size) / steps_at_once) * steps_at_once
        total = options.epochs * in_epoch
        if options.steps:
            total = min(total, math.ceil(options.steps / steps_at_once) * steps_at_once)
        epochs = math.ceil(total / in_epoch)
        return cls(epochs, in_epoch, total, max(1, epochs // _VALIDATIONS))


class Progress(keras.callbacks.Callback):
    """Counts steps over all epochs, ends a resumed epoch in time, stops early and has checkpoints written."""

    def __init__(self, schedule: Schedule, trained: int, best: BestWeights | None, checkpoints: Checkpoints) -> None:
        """``trained`` is the number of steps behind us, 0 at the beginning."""
        super().__init__()
        self._schedule = schedule
        self._trained = trained
        self._epoch_from = trained
        self._best = best
        self._checkpoints = checkpoints

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Remembers where the epoch, or what is left of it, begins."""
        self._epoch_from = self._trained

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Writes a checkpoint if one is due; Keras counts ``batch`` from the beginning of its own epoch."""
        self._trained = self._epoch_from + batch + 1
        if self._trained % self._schedule.steps_in_epoch and self._trained < self._schedule.total:
            self._checkpoints.save_if_due(self._trained)
        else:
            # The rest of an epoch has fewer steps than Keras would take. Nothing is taken from the stream too many.
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Decides whether to go on. The checkpoint at an epoch's end is written after its validation has counted."""
        loss = (logs or {}).get("val_loss")
        is_enough = self._best is not None and loss is not None and self._best.is_enough(float(loss), self.model)
        self.model.stop_training = is_enough
        if not is_enough:
            self._checkpoints.save_if_due(self._trained)


def fit(model: keras.Model, streams: Streams, options: TrainingOptions, checkpoint_folder: str, log_dir: str) -> None:
    """Fits the model by Keras, or on several replicas by a loop of our own; TensorBoard logs go to ``log_dir``.

    ``model`` was made under the strategy that ``options`` name. Goes on from the checkpoint in ``checkpoint_folder``,
    if there is one, and ends with the weights that a training without interruption ends with. With early stopping,
    these are the weights of the lowest validation loss.

    Raises:
      ConfigError: workers begin at different steps.
      tf.errors.DataLossError, tf.errors.InvalidArgumentError: a record that cannot be read, as TensorFlow says it.
    """
    strategy = model.distribute_strategy
    by_keras = options.strategy == "single"
    _build(model, streams, by_keras)
    best = BestWeights(model, options.early_stopping) if options.early_stopping else None
    checkpoints = Checkpoints(checkpoint_folder, model, best, every=options.checkpoint_steps, writes=is_chief(strategy))
    trained = checkpoints.restore()
    require_same_position(strategy, trained)
    schedule = Schedule.of(streams.frozen.constants.rows, options, model.steps_per_execution if by_keras else 1)
    if trained:
        logging.info("Resuming at step %d of %d from %s.", trained, schedule.total, checkpoint_folder)
    callbacks: list[Any] = [Progress(schedule, trained, best, checkpoints)]
    # A resumed epoch is no pass over all rows, and neither is a worker's share, or fewer steps than an epoch has.
    check = None
    whole = not trained and schedule.total >= schedule.steps_in_epoch
    if by_keras and whole and options.fed_check != "off":
        check = FedCheck(streams.frozen.constants, options, log_dir)
        callbacks.append(check)
    if is_chief(strategy):
        callbacks.append(keras.callbacks.TensorBoard(log_dir=log_dir, write_graph=False))
    if by_keras:
        # One endless iterator: starting one anew costs more than an epoch of a small table.
        model.fit(
            streams.training(trained) if check is None else streams.training(trained, watch=check.watch),
            initial_epoch=trained // schedule.steps_in_epoch,
            epochs=schedule.epochs,
            steps_per_epoch=schedule.steps_in_epoch,
            validation_data=streams.evaluation(),
            validation_freq=schedule.validation_freq,
            verbose=2,
            callbacks=callbacks,
        )
    else:
        fit_by_steps(
            model,
            streams,
            trained=trained,
            epochs=schedule.epochs,
            steps_in_epoch=schedule.steps_in_epoch,
            total=schedule.total,
            validation_freq=schedule.validation_freq,
            callbacks=callbacks,
        )
    if best is not None:
        best.give_to(model)


def _build(model: keras.Model, streams: Streams, by_keras: bool) -> None:
    """Makes all variables: a checkpoint is restored into them, and ``fit`` needs no batch of the training stream."""
    some = streams.evaluation().take(1)
    if by_keras:
        model.evaluate(some, verbose=0)  # builds the metrics, too
    with model.distribute_strategy.scope():
        model(next(iter(some))[0])
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
