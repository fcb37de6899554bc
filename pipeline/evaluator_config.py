"""The configuration's task and thresholds -> what the Evaluator computes and demands."""

import tensorflow_model_analysis as tfma

from components.feature_plan import Feature
from components.trainer.serving import EVALUATION_LABEL
from pipeline.config import LOWER_IS_BETTER, METRICS_OF_TASK, Task, Threshold

_CLASS_OF_METRIC = {
    ("binary", "auc"): "AUC",
    ("binary", "accuracy"): "BinaryAccuracy",
    ("binary", "loss"): "BinaryCrossentropy",
    ("multiclass", "accuracy"): "SparseCategoricalAccuracy",
    ("multiclass", "loss"): "SparseCategoricalCrossentropy",
    ("regression", "mae"): "MeanAbsoluteError",
    ("regression", "rmse"): "RootMeanSquaredError",
}


def eval_config(
    task: Task, label: Feature, thresholds: tuple[Threshold, ...], weight: Feature | None = None
) -> tfma.EvalConfig:
    """Metrics of the task over the whole evaluation split, with the thresholds as they are.

    A numeric label is read from the raw examples; a text label by the model's own ``transform_label`` signature. Rows
    weigh what ``weight`` says, where the schema has one.
    """
    by_metric = {threshold.metric: threshold for threshold in thresholds}
    metrics = [
        tfma.MetricConfig(class_name=_CLASS_OF_METRIC[task, name], threshold=metric_threshold(by_metric.get(name)))
        for name in METRICS_OF_TASK[task]
    ]
    is_text = label.dtype == "bytes"
    model = tfma.ModelSpec(
        model_type=tfma.TF_GENERIC,
        signature_name="serving_default",
        prediction_key="scores",
        label_key=EVALUATION_LABEL if is_text else label.name,
        preprocessing_function_names=["transform_label"] if is_text else [],
        example_weight_key=weight.name if weight is not None else "",
    )
    return tfma.EvalConfig(
        model_specs=[model],
        slicing_specs=[tfma.SlicingSpec()],
        metrics_specs=[tfma.MetricsSpec(metrics=[_counted(), *metrics])],
    )


def class_of_metric(metric: str) -> frozenset[str]:
    """TFMA's classes for a metric, one a task."""
    return frozenset(name for (_, known), name in _CLASS_OF_METRIC.items() if known == metric)


def _counted() -> tfma.MetricConfig:
    """TFMA blesses no model without any threshold; this one asks for a row to evaluate on."""
    at_least_one = tfma.GenericValueThreshold(lower_bound={"value": 1})
    return tfma.MetricConfig(class_name="ExampleCount", threshold=tfma.MetricThreshold(value_threshold=at_least_one))


def metric_threshold(threshold: Threshold | None) -> tfma.MetricThreshold | None:
    """A threshold as TFMA takes it."""
    if threshold is None:
        return None
    value = change = None
    if threshold.min is not None:
        value = tfma.GenericValueThreshold(lower_bound={"value": threshold.min})
    if threshold.max is not None:
        value = tfma.GenericValueThreshold(upper_bound={"value": threshold.max})
    if threshold.max_drop is not None:
        lower_is_better = threshold.metric in LOWER_IS_BETTER
        change = tfma.GenericChangeThreshold(
            direction=tfma.MetricDirection.LOWER_IS_BETTER
            if lower_is_better
            else tfma.MetricDirection.HIGHER_IS_BETTER,
            absolute={"value": threshold.max_drop if lower_is_better else -threshold.max_drop},
        )
    return tfma.MetricThreshold(value_threshold=value, change_threshold=change)
