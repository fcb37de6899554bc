"""The training loop for several replicas, on one machine or on many.

Keras' own ``fit`` (3.12 to 3.15) fails with several workers: it reduces its metrics along an axis that they lack.
With several replicas on one machine it draws a batch with an iterator that it throws away, to build the model, even one
that is built; that advances the seeds of the stream's shuffle by as many passes as were prefetched, so that a training
would not be repeatable, and would not go on where it was interrupted.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf
from absl import logging

from components.trainer.streams import Streams


def fit_by_steps(
    model: keras.Model,
    streams: Streams,
    *,
    trained: int,
    epochs: int,
    steps_in_epoch: int,
    total: int,
    validation_freq: int,
    callbacks: Sequence[keras.callbacks.Callback],
) -> None:
    """Does what ``model.fit`` does, by ``strategy.run``; every worker calls it, and all end with the same weights.

    Gradients are summed over workers by Keras' optimizer, metrics by their variables; a worker evaluates its share of
    the evaluation split.

    Args:
      model: compiled and built under the strategy.
      streams: with the batch size of all replicas together.
      trained: steps behind us.
      epochs, steps_in_epoch, validation_freq: as of ``fit``.
      total: steps of all epochs; the last one may have fewer.
      callbacks: called at the beginning and end of training and epoch, and after each step.
    """
    strategy = model.distribute_strategy
    train_step, test_step = _step(strategy, model.train_step), _step(strategy, model.test_step)
    listeners = keras.callbacks.CallbackList(list(callbacks), model=model)
    replicas = strategy.num_replicas_in_sync
    parts = dataclasses.replace(streams, batch_size=streams.batch_size // replicas)
    stream = iter(_distributed(strategy, lambda share: parts.training(trained * replicas, share)))
    evaluation = _distributed(strategy, parts.evaluation)
    model.stop_training = False
    listeners.on_train_begin()
    for epoch in range(trained // steps_in_epoch, epochs):
        model.reset_metrics()
        listeners.on_epoch_begin(epoch)
        behind = max(0, trained - epoch * steps_in_epoch)
        for step in range(min(steps_in_epoch, total - epoch * steps_in_epoch) - behind):
            train_step(next(stream))
            listeners.on_train_batch_end(step)
        logs = _results(model)
        if (epoch + 1) % validation_freq == 0:
            model.reset_metrics()
            for batch in evaluation:
                test_step(batch)
            logs.update({f"val_{name}": value for name, value in _results(model).items()})
        logging.info("Epoch %d of %d: %s", epoch + 1, epochs, logs)
        listeners.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    listeners.on_train_end()


def _step(strategy: tf.distribute.Strategy, step: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """One step of all replicas; its results are left in the model's metrics."""

    @tf.function(reduce_retracing=True, autograph=False)
    def run(batch: Any) -> None:
        strategy.run(step, args=(batch,))

    called: Callable[[Any], Any] = run
    return called


def _distributed(
    strategy: tf.distribute.Strategy, dataset_of: Callable[[tuple[int, int]], tf.data.Dataset]
) -> tf.distribute.DistributedDataset:
    return strategy.distribute_datasets_from_function(
        lambda context: dataset_of((context.input_pipeline_id, context.num_input_pipelines))
    )


def _results(model: keras.Model) -> dict[str, float]:
    """The metrics over all workers: reading them is a collective operation."""
    return {name: float(value) for name, value in model.get_metrics_result().items()}
