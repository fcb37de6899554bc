"""What the signatures of an exported model give for the same rows, and whether they agree."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from components.errors import DataError
from components.feature_plan import model_names
from components.frozen import FrozenTransform, named_tensors
from components.parity.agreement import Agreement
from components.parity.reference import Row

Tensors = dict[str, Any]
_NEEDED = ("serving_default", "serving_raw", "transform_features")


class Signatures:
    """A model, loaded once, to be asked."""

    def __init__(self, model: str) -> None:
        """Loads the SavedModel and the constants and graph among its assets.

        Raises:
          DataError: no model with constants there, or none with our signatures.
          DigestError: the model's constants do not agree with themselves or with its graph.
        """
        self.frozen = FrozenTransform.load(model)
        try:
            loaded = tf.saved_model.load(model)
        except (OSError, tf.errors.OpError) as error:
            raise DataError(f"No SavedModel at {model}: {error}") from error
        self._loaded = loaded  # owns the variables behind the signatures
        self._by_name = loaded.signatures
        lacking = set(_NEEDED) - set(self._by_name)
        if lacking:
            raise DataError(
                f"The model at {model} has no signature {min(lacking)!r}; it has {', '.join(self._by_name)}."
            )

    def ask(self, texts: Sequence[bytes], rows: Sequence[Row]) -> tuple[Agreement, Tensors]:
        """Gives every signature the same rows.

        Args:
          texts: serialized tf.Examples.
          rows: the same, decoded.

        Returns:
          How the answers agree, and what ``transform_features`` gives by model tensor; of a variable length the values
          of all rows in one line.
        """
        serialized = tf.constant(list(texts), tf.string)
        transformed = self._by_name["transform_features"](examples=serialized)
        by_default = self._by_name["serving_default"](examples=serialized)
        by_name = self._by_name["serving_raw"](**_named(self.frozen, rows))
        again = {}
        if "predict_transformed" in self._by_name:
            again = self._by_name["predict_transformed"](**transformed)
        agreement = Agreement(
            digest=self.frozen.digest,
            graph_sha256=self.frozen.constants.graph_sha256,
            rows=len(texts),
            raw_scores_differ={name: _differing(by_default[name], by_name[name]) for name in by_default},
            transformed_scores_differ={name: _differing(by_default[name], again[name]) for name in again},
        )
        # An image's pixels are TensorFlow's on every way, and many.
        features = [feature for feature in self.frozen.plan.inputs if feature.role != "image"]
        names = [name for feature in features for name in model_names(feature) if name in transformed]
        return agreement, {name: _dense(transformed[name]) for name in names}


def _named(frozen: FrozenTransform, rows: Sequence[Row]) -> dict[str, tf.Tensor]:
    """The rows as the signature ``serving_raw`` takes them."""
    named_rows = {}
    specs = named_tensors.tensor_specs(frozen.plan)
    for feature, (name, spec) in zip(frozen.plan.served, specs.items(), strict=True):
        is_text = spec.dtype == tf.string
        width = max([1, *(len(row.get(feature.name, ())) for row in rows)])
        table = np.full([len(rows), width], b"" if is_text else np.nan, object if is_text else np.float64)
        for at, row in enumerate(rows):
            table[at, : len(row.get(feature.name, ()))] = row.get(feature.name, ())
        shape = [len(rows), *(width if size is None else size for size in spec.shape[1:])]
        named_rows[name] = tf.constant(table.reshape(shape), spec.dtype)
    return named_rows


def _dense(value: Any) -> Any:
    return value.values.numpy() if isinstance(value, tf.SparseTensor) else value.numpy()


def _differing(one: tf.Tensor, other: tf.Tensor) -> int:
    found, expected = one.numpy(), other.numpy()
    same = np.asarray(found == expected)
    if found.dtype.kind == "f":
        same |= np.isnan(found) & np.isnan(expected)
    return int((~same.reshape(len(same), -1).all(axis=1)).sum())
