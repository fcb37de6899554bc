"""The training's curves, from the TensorBoard files that Keras wrote."""

from collections.abc import Iterator

import tensorflow as tf

from components.report.facts import Curve

_PREFIX = "epoch_"
_PARTS = ("train", "validation")


def training_curves(model_run_uri: str) -> tuple[Curve, ...]:
    """Every metric by epoch, of ``train`` and ``validation``; empty for a folder without logs of Keras.

    A training that was resumed left several files: the last value of an epoch counts.
    """
    points: dict[tuple[str, str], dict[int, float]] = {}
    for part in _PARTS:
        for file in sorted(tf.io.gfile.glob(f"{model_run_uri.rstrip('/')}/{part}/events.out.tfevents.*")):
            for metric, epoch, value in _values(file):
                points.setdefault((metric, part), {})[epoch] = value
    return tuple(
        Curve(metric, part, tuple(sorted(values)), tuple(values[epoch] for epoch in sorted(values)))
        for (metric, part), values in points.items()
        if metric != "learning_rate" or len(set(values.values())) > 1  # a constant one is a setting
    )


def _values(file: str) -> Iterator[tuple[str, int, float]]:
    for event in tf.compat.v1.train.summary_iterator(file):
        for value in event.summary.value:
            if value.tag.startswith(_PREFIX) and value.HasField("tensor"):
                yield value.tag.removeprefix(_PREFIX), event.step + 1, float(tf.make_ndarray(value.tensor))
