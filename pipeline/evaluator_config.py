"""The configuration's task and thresholds -> what the Evaluator computes and demands."""

# Not from the top of the package: from version 0.52 on these are there only once TFX has put them there.
from tensorflow_model_analysis.constants import TF_GENERIC
from tensorflow_model_analysis.proto import config_pb2

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
) -> config_pb2.EvalConfig:
    """Metrics of the task over the whole evaluation split, with the thresholds as they are.

    A numeric label is read from the raw examples; a text label by the model's own ``transform_label`` signature. Rows
    weigh what ``weight`` says, where the schema has one.
    """
    by_metric = {threshold.metric: threshold for threshold in thresholds}
    metrics = [
        config_pb2.MetricConfig(
            class_name=_CLASS_OF_METRIC[task, name], threshold=metric_threshold(by_metric.get(name))
        )
        for name in METRICS_OF_TASK[task]
    ]
    is_text = label.dtype == "bytes"
    model = config_pb2.ModelSpec(
        model_type=TF_GENERIC,
        signature_name="serving_default",
        prediction_key="scores",
        label_key=EVALUATION_LABEL if is_text else label.name,
        preprocessing_function_names=["transform_label"] if is_text else [],
        example_weight_key=weight.name if weight is not None else "",
    )
    return config_pb2.EvalConfig(
        model_specs=[model],
        slicing_specs=[config_pb2.SlicingSpec()],
        metrics_specs=[config_pb2.MetricsSpec(metrics=[_counted(), *metrics])],
    )


def class_of_metric(metric: str) -> frozenset[str]:
    """TFMA's classes for a metric, one a task."""
    return frozenset(name for (_, known), name in _CLASS_OF_METRIC.items() if known == metric)


def _counted() -> config_pb2.MetricConfig:
    """TFMA blesses no model without any threshold; this one asks for a row to evaluate on."""
    at_least_one = config_pb2.GenericValueThreshold(lower_bound={"value": 1})
    return config_pb2.MetricConfig(
        class_name="ExampleCount", threshold=config_pb2.MetricThreshold(value_threshold=at_least_one)
    )


def metric_threshold(threshold: Threshold | None) -> config_pb2.MetricThreshold | None:
    """A threshold as TFMA takes it."""
    if threshold is None:
        return None
    value = change = None
    if threshold.min is not None:
        value = config_pb2.GenericValueThreshold(lower_bound={"value": threshold.min})
    if threshold.max is not None:
        value = config_pb2.GenericValueThreshold(upper_bound={"value": threshold.max})
    if threshold.max_drop is not None:
        lower_is_better = threshold.metric in LOWER_IS_BETTER
        change = config_pb2.GenericChangeThreshold(
            direction=config_pb2.MetricDirection.LOWER_IS_BETTER
            if lower_is_better
            else config_pb2.MetricDirection.HIGHER_IS_BETTER,
            absolute={"value": threshold.max_drop if lower_is_better else -threshold.max_drop},
        )
    return config_pb2.MetricThreshold(value_threshold=value, change_threshold=change)
