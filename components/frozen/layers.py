"""Keras layers that a map's Python function holds, and what is wrong with them there; no Keras is imported."""

from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from components.frozen.held import held_by, is_keras_layer
from components.frozen.offences import Kind, Offence


def unusable_layers(function: Callable[..., Any], place: str) -> Iterator[Offence]:
    """The Normalization layers within reach of ``function`` that cannot have their statistics yet."""
    for name, held in held_by(function):
        if is_normalization(held):
            problem = _problem(held)
            if problem:
                yield Offence(Kind.LAYER, place, f"Keras Normalization {held.name!r} ({name}) {problem}")


def is_normalization(held: Any) -> bool:
    """Whether it is a Keras ``Normalization`` of any Keras, a subclass included."""
    return is_keras_layer(held) and _is_a(held, "Normalization")


def is_batch_normalization(held: Any) -> bool:
    """Whether it is a Keras ``BatchNormalization`` of any Keras, a subclass included."""
    return is_keras_layer(held) and _is_a(held, "BatchNormalization")


def _is_a(layer: Any, name: str) -> bool:
    return any(base.__name__ == name for base in type(layer).__mro__)


def _problem(layer: Any) -> str | None:
    given = layer.input_mean is not None
    if getattr(layer, "mean", None) is None:
        return "is not built: the first call inside a map would build it there" if given else "was never adapted"
    if tf.is_symbolic_tensor(layer.mean):
        return "was built inside a map: it works in that map only, elsewhere it raises AttributeError or TypeError"
    if not given and _changes_nothing(layer):
        return "was never adapted: its mean is 0 and its variance 1, so that it changes nothing"
    return None


def _changes_nothing(layer: Any) -> bool:
    mean, variance = (tf.get_static_value(tf.convert_to_tensor(x)) for x in (layer.mean, layer.variance))
    return mean is not None and variance is not None and bool((mean == 0).all() and (variance == 1).all())
