"""The preprocessing_fn: raw columns to model columns, from a FeaturePlan alone."""

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from components.feature_plan import FeaturePlan, model_name, model_names
from components.transform.forms import as_dense, checked
from components.transform.graph_constants import decode
from components.transform.lookup import look_up
from components.transform.scores import normalize

TensorMap = Mapping[str, Any]
Measure = Callable[[TensorMap, FeaturePlan], tf.Tensor]


def preprocessing_fn(inputs: TensorMap, custom_config: Mapping[str, Any]) -> dict[str, tf.Tensor]:
    """Called by tf.Transform while it traces; ``custom_config["feature_plan"]`` is ``FeaturePlan.to_json()``."""
    from components.moments.analyzer import global_moments

    return apply_plan(inputs, FeaturePlan.from_json(custom_config["feature_plan"]), global_moments)


def apply_plan(inputs: TensorMap, plan: FeaturePlan, measure: Measure) -> dict[str, tf.Tensor]:
    """Normalizes, looks up and passes on the plan's columns.

    Args:
      inputs: raw columns by name: dense [batch, *shape], or a SparseTensor or RaggedTensor where a row may
        have no value, or several.
      plan: roles and policies. Columns that it ignores, or that are absent from it, are left out.
      measure: gives the constants as tf.string [n] in the layout of ``components.moments.wire``: the analyzer in a
        pipeline, constants in a unit test.

    Returns:
      By ``model_name``: normalized features float32 [batch, *shape] (a column without spread is 0; a SparseTensor
      where the length varies), ``<name>_missing`` float32 where asked, categories int64 [batch] (0 = unknown or
      missing), a text label int64 [batch], everything else as it came.
    """
    raw = {name: _sparse(column) for name, column in inputs.items()}
    constants = decode(measure(raw, plan), plan)
    outputs = normalize(raw, plan, constants)
    for feature in plan.used:
        name = model_name(feature.name)
        if feature.role == "category":
            index, known = look_up(constants.lookups[feature.name], feature, raw[feature.name])
            outputs[name] = tf.where(known, index, tf.zeros([], tf.int64))
        elif feature.role in ("label", "weight"):
            value, present = as_dense(feature, raw[feature.name])
            if feature.name in constants.lookups:
                value, known = look_up(constants.lookups[feature.name], feature, raw[feature.name])
                known &= value >= 0
                known = known if present is None else known | ~present
                value = checked(value, known, feature, constants, "has a label that the training split lacks")
            outputs[name] = checked(
                value, present, feature, constants, f"is the {feature.role} and is missing in a row"
            )
        elif feature.role == "passthrough":
            outputs[name] = raw[feature.name]
    return {name: outputs[name] for feature in plan.used for name in model_names(feature)}


def _sparse(column: Any) -> Any:
    return column.to_sparse() if isinstance(column, tf.RaggedTensor) else column
