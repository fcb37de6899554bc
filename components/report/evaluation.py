"""The Evaluator's results as numbers and sentences."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from components.report.facts import Evaluation, Metric

# One name for one quantity, whatever Keras or TFMA calls it.
_FLAT_NAMES = {
    "binary_accuracy": "accuracy",
    "categorical_accuracy": "accuracy",
    "sparse_categorical_accuracy": "accuracy",
    "mean_absolute_error": "mae",
    "root_mean_squared_error": "rmse",
    "binary_crossentropy": "loss",
    "sparse_categorical_crossentropy": "loss",
    "categorical_crossentropy": "loss",
}
_BASELINE_MODEL = "baseline"  # TFMA's name for the model that the candidate is compared with
_CONFIG_FILE = "eval_config.json"
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def read_metrics(evaluation_uri: str) -> dict[str, float]:
    """The candidate model's metrics over the whole evaluation split, by flat name (``auc``, ``mae`` ...)."""
    import tensorflow_model_analysis as tfma

    return flat_metrics(tfma.load_metrics(evaluation_uri))


def evaluation_facts(evaluation_uri: str, metrics: Mapping[str, float] | None = None) -> Evaluation:
    """Metrics beside their bounds, and what was missed.

    Args:
      evaluation_uri: of the Evaluator's ModelEvaluation.
      metrics: by flat name, those of the baseline as ``baseline_<name>``; read from the artifact if None.
    """
    found = read_metrics(evaluation_uri) if metrics is None else metrics
    bounds = required_bounds(evaluation_uri)
    shown = (
        # A score that knows nothing has this area whatever the data are.
        Metric(name, value, 0.5 if name == "auc" else found.get(f"baseline_{name}"), bounds.get(name, ""))
        for name, value in found.items()
        if not name.startswith("baseline_")
    )
    return Evaluation(tuple(shown), tuple(unmet_thresholds(evaluation_uri)))


def required_bounds(evaluation_uri: str) -> dict[str, str]:
    """What the Evaluator's configuration requires, in words, by flat name; empty for an artifact without one."""
    import tensorflow as tf
    from google.protobuf import json_format
    from tensorflow_model_analysis.proto import config_pb2

    path = f"{evaluation_uri.rstrip('/')}/{_CONFIG_FILE}"
    if not tf.io.gfile.exists(path):
        return {}
    with tf.io.gfile.GFile(path) as file:
        table = json.loads(file.read())
    config = json_format.ParseDict(table["evalConfig"], config_pb2.EvalConfig(), ignore_unknown_fields=True)
    found = {}
    for metric in (metric for spec in config.metrics_specs for metric in spec.metrics):
        name = _WORD.sub("_", metric.class_name).lower()
        bounds = []
        if metric.threshold.HasField("value_threshold"):
            bounds.append(_bound(metric.threshold, is_change=False))
        if metric.threshold.HasField("change_threshold"):
            bounds.append(f"change {_bound(metric.threshold, is_change=True)}")
        if bounds:
            found[_FLAT_NAMES.get(name, name)] = ", ".join(bounds)
    return found


def flat_metrics(slices: Iterable[Any]) -> dict[str, float]:
    """Numeric metrics of the slice without keys; differences and the compared model's are left out."""
    found: dict[str, float] = {}
    for metrics in slices:
        if metrics.slice_key.single_slice_keys:
            continue
        for item in metrics.metric_keys_and_values:
            own = item.key.model_name != _BASELINE_MODEL and not item.key.is_diff
            if own and item.value.HasField("double_value") and item.key.name != "example_count":
                found[_FLAT_NAMES.get(item.key.name, item.key.name)] = item.value.double_value.value
    return found


def unmet_thresholds(evaluation_uri: str) -> list[str]:
    """One sentence for each threshold that the model missed: the metric, its value, and the bound."""
    import tensorflow_model_analysis as tfma

    return failed_bounds(tfma.load_validation_result(evaluation_uri))


def failed_bounds(result: Any) -> list[str]:
    """See ``unmet_thresholds``; ``result`` is TFMA's ValidationResult."""
    reasons = []
    for part in result.metric_validations_per_slice:
        for failure in part.failures:
            name = _FLAT_NAMES.get(failure.metric_key.name, failure.metric_key.name)
            value = failure.metric_value.double_value.value
            bound = _bound(failure.metric_threshold, failure.metric_key.is_diff)
            kind = f"the change of {name} against the latest blessed model" if failure.metric_key.is_diff else name
            reasons.append(f"{kind} is {value:.4g}, {bound} is required")
    return reasons


def _bound(threshold: Any, is_change: bool) -> str:
    if is_change:
        change = threshold.change_threshold
        sides = []
        if change.HasField("absolute"):
            sides.append(f"{change.absolute.value:.4g}")
        if change.HasField("relative"):
            sides.append(f"{change.relative.value:.4g} relative")
        return "no worse than " + " and ".join(sides)
    value = threshold.value_threshold
    sides = []
    if value.HasField("lower_bound"):
        sides.append(f"at least {value.lower_bound.value:.4g}")
    if value.HasField("upper_bound"):
        sides.append(f"at most {value.upper_bound.value:.4g}")
    return " and ".join(sides)
