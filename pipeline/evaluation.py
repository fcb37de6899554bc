"""The Evaluator's results as numbers and sentences, and the labels that its baseline needs."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from components.feature_plan import Feature

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
_BATCH = 10_000  # rows parsed at once; parsing one column is then bound by reading


def read_metrics(evaluation_uri: str) -> dict[str, float]:
    """The candidate model's metrics over the whole evaluation split, by flat name (``auc``, ``mae`` ...)."""
    import tensorflow_model_analysis as tfma

    return flat_metrics(tfma.load_metrics(evaluation_uri))


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


def read_labels(examples_uri: str, split: str, label: Feature) -> list[Any]:
    """The label of every row of a split that has one, in file order: bytes, int or float."""
    import tensorflow as tf

    from components.frozen.record_files import compression_of

    files = sorted(str(file) for file in (Path(examples_uri) / f"Split-{split}").glob("*"))
    dtype = {"float32": tf.float32, "int64": tf.int64, "bytes": tf.string}[label.dtype]
    spec = {label.name: tf.io.VarLenFeature(dtype)}
    compression = compression_of(files[0]) if files else ""
    rows = tf.data.TFRecordDataset(files, compression_type=compression).batch(_BATCH)
    parsed = rows.map(lambda batch: tf.io.parse_example(batch, spec)[label.name].values, num_parallel_calls=2)
    return [value for values in parsed.as_numpy_iterator() for value in values.tolist()]
