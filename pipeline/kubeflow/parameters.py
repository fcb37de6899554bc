"""The runtime parameters of a job: which there are, with their defaults, and what each changes in a step.

TFX can make a parameter only of a whole execution property, and most of what a person wants to set is inside one (a
threshold in the Evaluator's configuration, the epochs in the Trainer's). So each parameter travels to its steps as an
input of its own, which the steps' entry point takes away and works into the properties before TFX sees them.
"""

import dataclasses
import json
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from components.errors import ConfigError
from components.example_gen.span_pattern import base_and_pattern, glob_of, has_span, window_of
from pipeline.config import PipelineConfig, Threshold
from pipeline.kubeflow.bundled import bundled_path
from pipeline.kubeflow.uris import BUNDLED, resolved

PREFIX = "runtime_"  # of a step's inputs, so that none is taken for a property of the component
Value = str | int | float
Properties = dict[str, Any]

EXAMPLE_GENS = ("ArrowExampleGen", "ImportExampleGen", "BigQueryExampleGen")
_BOUNDS = ("min", "max", "max_drop")


@dataclasses.dataclass(frozen=True)
class JobParameter:
    """One runtime parameter.

    Attributes:
      name: as in ``--param NAME=VALUE``.
      default: its value where none is given; its type is the parameter's.
      steps: the components that it goes to, of those that the pipeline has.
      description: for the job's own page.
    """

    name: str
    default: Value
    steps: tuple[str, ...]
    description: str

    def parse(self, text: str) -> Value:
        """``text`` as a value of the parameter's type.

        Raises:
          ConfigError: it is none.
        """
        return parsed(self.name, type(self.default), text)


def parsed(name: str, kind: type, text: str) -> Value:
    """See ``JobParameter.parse``."""
    try:
        value: Value = kind(text)
    except ValueError as error:
        words = {int: "a whole number", float: "a number"}
        raise ConfigError(f"The parameter {name} must be {words[kind]} but is {text!r}.") from error
    return value


def parameters_of(config: PipelineConfig, data: str, schema: str) -> list[JobParameter]:
    """The parameters of a configuration's job.

    Args:
      config: the configuration.
      data: where the steps find the data; empty for BigQuery.
      schema: where the steps find the schema.
    """
    return list(_parameters(config, data, schema))


def _parameters(config: PipelineConfig, data: str, schema: str) -> Iterator[JobParameter]:
    if config.data.format == "bigquery":
        yield JobParameter("query", config.data.query, EXAMPLE_GENS, "BigQuery's SQL")
    else:
        yield JobParameter("data_path", data, EXAMPLE_GENS, "file, folder or glob of the data")
    yield JobParameter(
        "data_version",
        "",
        EXAMPLE_GENS,
        "any text; another one reads the data again where the backend does not see that they have changed",
    )
    tables = () if config.data.format in ("tfrecord", "bigquery") else ("ArrowExampleGen",)
    yield JobParameter(
        "schema", schema, ("ImportSchemaGen", *tables), "URI of the schema, or package:NAME/FILE in the image"
    )
    if has_span(config.data.path):
        yield JobParameter("window", config.data.window, tables, "so many of the newest spans; 0 = all")
        bounds = ",".join(config.data.spans)
        yield JobParameter("spans", bounds, tables, "first and last span instead, as 2013-01-01,2013-01-28")
    yield JobParameter(
        "drift_baseline", config.drift.baseline, ("DriftGate",), "URI of a model or constants to compare with"
    )
    yield JobParameter("epochs", config.trainer.epochs, ("Trainer",), "passes over the training split")
    yield JobParameter("steps", config.trainer.steps, ("Trainer",), "most training steps; 0 = those of the epochs")
    for threshold in config.evaluation.thresholds:
        for bound in _BOUNDS:
            value = getattr(threshold, bound)
            if value is not None:
                yield JobParameter(
                    f"threshold_{threshold.metric}_{bound}",
                    float(value),
                    ("Evaluator",),
                    f"{bound} of {threshold.metric} for a model to be blessed",
                )
    yield JobParameter("serving_dir", config.kubeflow.serving, ("Pusher",), "gets the models; empty = the artifact")
    yield JobParameter(
        "checkpoint_dir", config.trainer.checkpoint_dir, ("Trainer",), "state of an interrupted training; empty = none"
    )
    yield JobParameter(
        "cache_dir", config.cache.dir, (*tables, "NormalizingTransform"), "statistics kept between runs; empty = none"
    )


def applied(properties: Mapping[str, Any], values: Mapping[str, Any], outputs: Mapping[str, str]) -> Properties:
    """A step's execution properties with the runtime parameters worked in.

    Args:
      properties: by name; protos are JSON.
      values: of the step's runtime parameters, by name; whole numbers may have become floats.
      outputs: URIs of the step's output artifacts, by key.

    Raises:
      ConfigError: an unknown parameter, or a value that the step cannot use.
    """
    changed = dict(properties)
    # The backends keep no order; a cache needs the path before it, bounds the window.
    known = [name for name in _RULES if name in values]
    for name in known:
        _RULES[name](changed, values[name], outputs)
    for name in sorted(set(values) - set(known)):
        if not name.startswith("threshold_"):
            raise ConfigError(f"This image knows no runtime parameter {name!r}. Compile the job for this image.")
        _set_threshold(changed, name.removeprefix("threshold_"), float(values[name]))
    return changed


def _leave(properties: Properties, value: Any, outputs: Mapping[str, str]) -> None:
    """For a parameter that is there for the backend's cache key alone."""


def _set_data_path(properties: Properties, value: str, outputs: Mapping[str, str]) -> None:
    custom = _custom(properties)
    data_format = custom.get("data_format", "")
    path = bundled_path(value, data_format) if value.startswith(BUNDLED) else value
    base, pattern = base_and_pattern(path, data_format)
    properties["input_base"] = base
    custom.pop("span_patterns", None)
    if has_span(pattern):
        custom["span_patterns"] = [pattern]
        custom.setdefault("window", 0)
        _put_custom(properties, custom)
        pattern = glob_of(pattern)
    elif "custom_config" in properties:
        _put_custom(properties, custom)
    splits = json.loads(properties["input_config"])
    splits["splits"][0]["pattern"] = pattern
    properties["input_config"] = json.dumps(splits)


def _set_query(properties: Properties, value: str, outputs: Mapping[str, str]) -> None:
    config = json.loads(properties["input_config"])
    config["splits"][0]["pattern"] = value
    properties["input_config"] = json.dumps(config)


def _set_schema(properties: Properties, value: str, outputs: Mapping[str, str]) -> None:
    if "schema_file" in properties:
        properties["schema_file"] = resolved(value)
    else:
        _put_custom(properties, {**_custom(properties), "schema_uri": resolved(value)})


def _set_window(properties: Properties, value: Any, outputs: Mapping[str, str]) -> None:
    window_of(int(value))
    _put_custom(properties, {**_custom(properties), "window": int(value)})


def _set_spans(properties: Properties, value: str, outputs: Mapping[str, str]) -> None:
    custom = _custom(properties)
    bounds = window_of(int(custom.get("window", 0)), [bound.strip() for bound in value.split(",")] if value else ())
    for key, bound in (("first_span", bounds.first), ("last_span", bounds.last)):
        custom.pop(key, None)
        if bound is not None:
            custom[key] = bound
    _put_custom(properties, custom)


def _set_drift_baseline(properties: Properties, value: str, outputs: Mapping[str, str]) -> None:
    properties["baseline"] = value


def _set_training(name: str) -> Callable[[Properties, Any, Mapping[str, str]], None]:
    def set_it(properties: Properties, value: Any, outputs: Mapping[str, str]) -> None:
        config = json.loads(properties["custom_config"])
        training = json.loads(config["training"])
        training[name] = value if isinstance(value, str) else int(value)
        properties["custom_config"] = json.dumps({**config, "training": json.dumps(training, sort_keys=True)})

    return set_it


def _set_threshold(properties: Properties, name: str, value: float) -> None:
    from google.protobuf import json_format
    from tensorflow_model_analysis.proto.config_pb2 import EvalConfig

    from pipeline.evaluator_config import class_of_metric, metric_threshold

    metric, _, bound = name.partition("_")
    config = json_format.Parse(properties["eval_config"], EvalConfig())
    wanted = class_of_metric(metric)
    found = [m for spec in config.metrics_specs for m in spec.metrics if m.class_name in wanted]
    if not found or bound not in _BOUNDS:
        raise ConfigError(f"The evaluation has no threshold {name!r}.")
    given = metric_threshold(Threshold(metric, **{bound: value}))
    found[0].threshold.MergeFrom(given)
    properties["eval_config"] = json_format.MessageToJson(config, sort_keys=True, preserving_proto_field_name=True)


def _set_serving_dir(properties: Properties, value: str, outputs: Mapping[str, str]) -> None:
    # The Pusher copies the model into its artifact as well, which is what the backends keep.
    folder = value or os.path.join(os.path.dirname(outputs["pushed_model"]), "serving")
    properties["push_destination"] = json.dumps({"filesystem": {"base_directory": folder}})


def _set_cache_dir(properties: Properties, value: str, outputs: Mapping[str, str]) -> None:
    if "cache_dir" in properties:
        properties["cache_dir"] = value
        return
    custom = _custom(properties)
    custom.pop("cache_dir", None)
    if value and "span_patterns" in custom:
        custom["cache_dir"] = value
    _put_custom(properties, custom)


_RULES: Mapping[str, Callable[[Properties, Any, Mapping[str, str]], None]] = {
    "query": _set_query,
    "data_path": _set_data_path,
    "data_version": _leave,
    "schema": _set_schema,
    "schema_digest": _leave,
    "window": _set_window,
    "spans": _set_spans,
    "drift_baseline": _set_drift_baseline,
    "epochs": _set_training("epochs"),
    "steps": _set_training("steps"),
    "serving_dir": _set_serving_dir,
    "checkpoint_dir": _set_training("checkpoint_dir"),
    "cache_dir": _set_cache_dir,
}


def _custom(properties: Mapping[str, Any]) -> dict[str, Any]:
    """ArrowExampleGen's options, a Struct in an Any as JSON."""
    packed = json.loads(properties.get("custom_config") or "{}").get("custom_config", {})
    return dict(packed.get("value", {}))


def _put_custom(properties: Properties, options: Mapping[str, Any]) -> None:
    packed = {"@type": "type.googleapis.com/google.protobuf.Struct", "value": options}
    properties["custom_config"] = json.dumps({"custom_config": packed}, sort_keys=True)
