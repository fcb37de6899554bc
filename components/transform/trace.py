"""Constants -> the frozen graph, traced anew: the function of the preprocessing_fn, no pass over the data."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from components.constants import NormalizationConstants
from components.feature_plan import Feature, FeaturePlan
from components.frozen.freeze import FrozenGraph, freeze_function
from components.frozen.image_decoding import DTYPES as SAMPLES
from components.frozen.raw_columns import DTYPES, tensor_spec
from components.moments.fingerprint import fingerprints
from components.moments.wire import encode
from components.transform.preprocessing import apply_plan


def frozen_graph(constants: NormalizationConstants) -> FrozenGraph:
    """The transform with these constants; every feature of one value a row, or of variable length, may be absent.

    Of an image it takes the decoded samples: ``FrozenTransform`` decodes.
    """
    plan = constants.plan
    measured = tf.constant(encode(constants, fingerprints))
    spec = {
        feature.name: _input_spec(feature)
        if feature.image is None
        else tf.TensorSpec([None, *feature.image.shape], SAMPLES[constants[feature.name].bits])
        for feature in plan.read
    }

    def transform(raw: Mapping[str, Any]) -> dict[str, tf.Tensor]:
        return apply_plan(raw, plan, lambda _inputs, _plan: measured)

    # Nothing in there is Python control flow over tensors, and AutoGraph's rewriting costs seconds.
    return freeze_function(tf.function(transform, autograph=False).get_concrete_function(spec), constants)


def _input_spec(feature: Feature) -> tf.TensorSpec | tf.SparseTensorSpec:
    """Sparse where a row may lack the value; a float that may be absent is dense where NaN means the same."""
    nan_is_absent = feature.dtype == "float32" and "error" not in (feature.missing, feature.nonfinite)
    may_be_absent = feature.model_shape == () and feature.role != "passthrough"
    return tensor_spec(feature, sparse=feature.shape is None or (may_be_absent and not nan_is_absent))


def raw_feature_spec(plan: FeaturePlan) -> dict[str, tf.io.FixedLenFeature | tf.io.VarLenFeature]:
    """How an analysis parses tf.Examples: the forms that the schema declares."""
    return {
        feature.name: tf.io.FixedLenFeature(feature.shape, DTYPES[feature.dtype])
        if feature.dense
        else tf.io.VarLenFeature(DTYPES[feature.dtype])
        for feature in plan.read
    }
