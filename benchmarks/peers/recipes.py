"""Peers that take arrays: ``Moments``, Keras, scikit-learn, NumPy, and the average of batch figures.

Each maps the values of one group, and their weights or None, to mean and variance; None where it cannot weigh.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from peers.columns import BATCH, Array, Figures


def _batches(values: Array) -> Iterator[Array]:
    return (values[start : start + BATCH] for start in range(0, len(values), BATCH))


def _by_moments(values: Array, weights: Array | None) -> Figures:
    from components.moments import Moments

    merged = Moments.empty()
    for at, batch in enumerate(_batches(values)):
        heavy = None if weights is None else weights[at * BATCH : at * BATCH + len(batch)]
        merged = merged.merge(Moments.of(batch, heavy))
    return merged.mean.item(), merged.variance.item()


def _by_keras(values: Array, weights: Array | None) -> Figures | None:
    import keras
    import tensorflow as tf

    if weights is not None:
        return None
    layer = keras.layers.Normalization(axis=-1)
    layer.adapt(tf.data.Dataset.from_tensor_slices(values[:, np.newaxis]).batch(BATCH))
    return float(np.asarray(layer.mean).item()), float(np.asarray(layer.variance).item())


def _by_sklearn(values: Array, weights: Array | None) -> Figures:
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler()
    for at, batch in enumerate(_batches(values)):
        heavy = None if weights is None else weights[at * BATCH : at * BATCH + len(batch)]
        scaler.partial_fit(batch[:, np.newaxis], sample_weight=heavy)
    return scaler.mean_.item(), scaler.var_.item()


def _by_numpy(dtype: Any) -> Callable[[Array, Array | None], Figures]:
    def figures(values: Array, weights: Array | None) -> Figures:
        x = values.astype(dtype)
        if weights is None:
            return x.mean().item(), x.var().item()
        mean = np.average(x, weights=weights.astype(dtype))
        return mean.item(), np.average((x - mean) ** 2, weights=weights.astype(dtype)).item()

    return figures


def _by_averaging(values: Array, weights: Array | None) -> Figures | None:
    if weights is not None:
        return None
    batches = [batch.astype(np.float64) for batch in _batches(values)]
    return np.mean([b.mean() for b in batches]).item(), np.mean([b.var() for b in batches]).item()


RECIPES: dict[str, Callable[[Array, Array | None], Figures | None]] = {
    "Moments": _by_moments,
    "Keras adapt": _by_keras,
    "scikit-learn partial_fit": _by_sklearn,
    "NumPy float32": _by_numpy(np.float32),
    "NumPy float64": _by_numpy(np.float64),
    "batch figures averaged": _by_averaging,
}
