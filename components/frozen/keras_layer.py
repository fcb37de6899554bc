"""keras_normalization: the constants as a built Keras 3 layer, never adapted.

At import this module needs Keras, TensorFlow and NumPy and nothing of ours, because a process that does no more than
load a saved model has to import it first.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

if TYPE_CHECKING:
    from components.constants import FeatureConstants
    from components.frozen.transform import FrozenTransform

Floats = npt.NDArray[np.float64]


@keras.saving.register_keras_serializable("tfx_norm")
class FrozenNormalization(keras.layers.Normalization):
    """``(x - mean) * (1 / sigma)`` by given statistics: no weights, nothing captured, float64 inside.

    Numbers of any type go in; float32 comes out, whatever the dtype policy says. With ``invert`` it is
    ``z * sigma + mean``, and float64 comes out, because a float32 cannot hold 1e9 + 1; clip and stand-ins have no
    inverse. No spread (``variance == 0``) gives 0, and ``mean`` back. The constants are NumPy arrays until a call puts
    them into the graph of its caller, so that the layer may be used in a model, in a ``tf.function`` and in any number
    of ``Dataset.map``s.

    Keras has to run on TensorFlow; on another backend, where its operations are of float32, a call is an error, except
    in a ``Dataset.map``, where Keras uses TensorFlow in any case.

    What Keras casts before the layer is called is lost: a ``keras.Input`` is of float32 unless it is told
    ``dtype="int64"``, and a subclassed model under ``mixed_float16`` casts its inputs, to infinity from 65,520 on. Such
    a model wants the layer in the map.

    Args:
      mean, variance: of the axes that are kept, or one number for all; population variance. Like all numbers here that
        belong to the feature, after the logarithm where there is one.
      axis: the axes of the input, the batch among them, that keep their own statistics.
      invert: from the normalized value back to the feature's.
      fill: stands in for NaN; the mean unless given.
      low, high: stand in for -inf and inf; ``fill`` unless given.
      clip: bound on the magnitude of the normalized value; none unless given.
      log1p: whether the logarithm of 1 + x is taken first.
      **kwargs: ``name``, as for any layer. There is no ``dtype``.

    Raises:
      ValueError: statistics that are not finite, or a negative variance; in ``build``, an input whose kept axes do not
        have the statistics' sizes.
    """

    def __init__(
        self,
        mean: npt.ArrayLike,
        variance: npt.ArrayLike,
        axis: int | Sequence[int] | None = -1,
        invert: bool = False,
        *,
        fill: npt.ArrayLike | None = None,
        low: npt.ArrayLike | None = None,
        high: npt.ArrayLike | None = None,
        clip: npt.ArrayLike = np.inf,
        log1p: npt.ArrayLike = False,
        **kwargs: Any,
    ) -> None:
        """Takes the constants; ``keras_normalization`` is the usual way here."""
        mean, variance = np.asarray(mean, np.float64), np.asarray(variance, np.float64)
        if not (np.isfinite(mean).all() and np.isfinite(variance).all() and (variance >= 0).all()):
            raise ValueError(
                f"FrozenNormalization needs a finite mean and a finite variance of at least 0 but got mean={mean} and "
                f"variance={variance}. Take both from an analysis of the training split."
            )
        super().__init__(axis=axis, mean=mean, variance=variance, invert=invert, dtype="float64", **kwargs)
        self.fill = mean if fill is None else np.asarray(fill, np.float64)
        self.low, self.high = (self.fill if end is None else np.asarray(end, np.float64) for end in (low, high))
        self.clip = np.asarray(clip, np.float64)
        self.log1p = np.asarray(log1p, np.bool_)

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Spreads the constants over the axes of the input; no variable, no tensor."""
        rank = len(input_shape)
        sizes = {axis % rank: input_shape[axis] for axis in self.axis if -rank <= axis < rank}
        if len(sizes) < len(self.axis) or None in sizes.values():
            raise ValueError(
                f"FrozenNormalization keeps statistics along axis={self.axis}, which have to be axes of known size, "
                f"but the input is {tuple(input_shape)}. Give the input its shape."
            )
        kept = {axis: size for axis, size in sorted(sizes.items()) if size is not None}

        def spread(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
            try:
                return np.broadcast_to(values, [*kept.values()]).reshape([kept.get(axis, 1) for axis in range(rank)])
            except ValueError as error:
                raise ValueError(
                    f"FrozenNormalization has constants of shape {values.shape} but the axes {self.axis} of its input "
                    f"have the sizes {[*kept.values()]}. Stack the columns in the order of the statistics."
                ) from error

        self._build_input_shape = tuple(input_shape)
        self.input_spec = keras.InputSpec(ndim=rank, axes=kept)
        self.mean, self.variance = spread(self.input_mean), spread(self.input_variance)
        sigma = np.sqrt(self.variance)
        with np.errstate(divide="ignore"):
            # Zero spread is exact (the sums are exact): such a column is 0 whatever comes.
            self._scale = np.where(sigma == 0, 0.0, 1.0 / sigma)
        self._sigma = sigma
        self._filled, self._lowest, self._highest = (
            (spread(stand_in) - self.mean) * self._scale for stand_in in (self.fill, self.low, self.high)
        )
        self._bound, self._logarithm = spread(self.clip), spread(self.log1p)

    def call(self, inputs: Any) -> Any:
        """The operations of ``components.transform.scores``, in its order: the same bits."""
        if self.backend.name != "tensorflow":
            raise RuntimeError(
                "FrozenNormalization needs TensorFlow, because it computes in float64, but Keras runs on "
                f"{self.backend.name!r}. Set KERAS_BACKEND=tensorflow, or put the layer into a Dataset.map, where "
                "Keras uses TensorFlow in any case."
            )
        numbers = tf.cast(inputs, tf.float64)
        if self.invert:
            return self._where_logarithm(tf.math.expm1, numbers * self._sigma + self.mean)
        numbers = self._where_logarithm(tf.math.log1p, numbers)
        scores = tf.where(tf.math.is_finite(numbers), (numbers - self.mean) * self._scale, self._filled)
        if not np.array_equal([self._lowest, self._highest], [self._filled, self._filled]):
            ends = tf.where(numbers > 0, self._highest, self._lowest)
            scores = tf.where(tf.math.is_inf(numbers), ends, scores)
        if np.isfinite(self._bound).any():
            scores = tf.clip_by_value(scores, -self._bound, self._bound)
        return tf.cast(scores, tf.float32)

    def _where_logarithm(self, function: Any, values: Any) -> Any:
        """``function`` of the columns that have a logarithm; 0 goes in for the others, which may be outside of it."""
        chosen = self._logarithm
        if chosen.all():
            return function(values)
        return tf.where(chosen, function(tf.where(chosen, values, 0.0)), values) if chosen.any() else values

    def compute_output_spec(self, inputs: Any) -> Any:
        """The input's shape; float32, or float64 with ``invert``."""
        return keras.KerasTensor(inputs.shape, dtype="float64" if self.invert else "float32")

    def adapt(self, data: Any = None) -> NoReturn:
        """Refused."""
        self._refuse("adapt")

    def update_state(self, data: Any = None) -> NoReturn:
        """Refused."""
        self._refuse("update_state")

    def reset_state(self) -> NoReturn:
        """Refused."""
        self._refuse("reset_state")

    def _refuse(self, method: str) -> NoReturn:
        raise RuntimeError(
            f"FrozenNormalization needs no {method}(): it has the statistics of the whole training split, and they "
            "never change. For other data, analyze those and call keras_normalization with the result."
        )

    def get_config(self) -> dict[str, Any]:
        """Everything ``from_config`` needs; floats as hex text, which JSON gives back bit by bit."""
        config = super().get_config()
        del config["dtype"]
        floats = {"mean": self.input_mean, "variance": self.input_variance}
        floats.update({name: getattr(self, name) for name in ("fill", "low", "high", "clip")})
        hexes = {name: np.vectorize(float.hex, otypes=[object])(values).tolist() for name, values in floats.items()}
        return {**config, **hexes, "log1p": self.log1p.tolist()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "FrozenNormalization":
        """The layer of ``get_config``, not built."""
        read = np.vectorize(float.fromhex, otypes=[np.float64])
        floats = {name: read(config[name]) for name in ("mean", "variance", "fill", "low", "high", "clip")}
        return cls(**{**config, **floats})


def keras_normalization(
    frozen: "FrozenTransform", features: str | Sequence[str], *, invert: bool = False, name: str | None = None
) -> FrozenNormalization:
    """A built Keras layer that gives for these features, bit by bit, what ``frozen`` gives.

    The features' own policies come along: a missing value is a NaN here, an infinite one is filled or clipped, the
    logarithm and the bound are applied. A saved model loads where ``components.frozen.keras_layer`` was imported.

    Args:
      frozen: holds the constants.
      features: the schema's names of scalar features, for an input [batch, len(features)] of columns in this order; or
        the name of one feature with a shape, for [batch, *shape].
      invert: the way back, float64; see ``FrozenNormalization``.
      name: the layer's.

    Raises:
      ConfigError: a feature that is not there, is not a z_score, is of variable length, or has a policy that a layer
        with one input and one output cannot keep (missing=error, missing=indicator, nonfinite=error).
    """
    from components.errors import ConfigError
    from components.moments.wire import stand_in

    names = [features] if isinstance(features, str) else list(features)
    unknown = [item for item in names if item not in frozen.constants]
    if unknown or not names:
        raise ConfigError(
            f"keras_normalization needs names of analysed features but got {unknown or names}. "
            f"There are {list(frozen.constants)}."
        )
    found = [frozen.constants[item] for item in names]
    for item in found:
        if problem := _obstacle(item):
            raise ConfigError(
                f"keras_normalization takes z_score features of fixed shape with missing=mean or missing=constant and "
                f"nonfinite=missing or nonfinite=clip, but {item.name!r} has {problem}. Change its tags in the schema, "
                "or let the FrozenTransform do it, in the map and in the serving signature."
            )
    shaped = [item.name for item in found if item.feature.model_shape != ()]
    if shaped and len(names) > 1:
        raise ConfigError(
            f"keras_normalization takes several scalars or one feature with a shape, but of {names} {shaped} have a "
            "shape. Make one layer for each of them."
        )
    fills = [stand_in(item, item.mean) for item in found]
    clipped = [item.feature.nonfinite == "clip" for item in found]
    columns: dict[str, list[Any]] = {
        "mean": [item.mean for item in found],
        "variance": [item.variance for item in found],
        "fill": fills,
        "low": [item.min if clip else fill for item, clip, fill in zip(found, clipped, fills, strict=True)],
        "high": [item.max if clip else fill for item, clip, fill in zip(found, clipped, fills, strict=True)],
        "clip": [item.feature.clip or np.inf for item in found],
        "log1p": [item.feature.log1p for item in found],
    }
    if shaped:
        feature = found[0].feature
        shape, axis = feature.shape or (), [1 + kept for kept in feature.axis or ()]
        constants = {key: np.asarray(values[0]) for key, values in columns.items()}
    else:
        shape, axis = (len(names),), [-1]
        constants = {key: np.array([np.reshape(value, ()) for value in values]) for key, values in columns.items()}
    layer = FrozenNormalization(axis=axis, invert=invert, name=name, **constants)
    layer.build((None, *shape))
    return layer


def _obstacle(constants: "FeatureConstants") -> str | None:
    """What a layer cannot take from this feature's plan."""
    feature = constants.feature
    if feature.role != "z_score":
        return f"the role {feature.role!r}"
    if feature.shape is None:
        return "any number of values a row"
    if feature.missing in ("error", "indicator"):
        return f"missing={feature.missing}"
    return "nonfinite=error" if feature.nonfinite == "error" else None
