"""What the value of a runtime parameter must be: as in the configuration, before a job with it is written or sent."""

import math
import os
from collections.abc import Callable, Mapping
from typing import Any

from components.errors import ConfigError
from components.example_gen.span_pattern import check_pattern, has_span, window_of
from pipeline import datasets
from pipeline.kubeflow.defaults import OURS
from pipeline.kubeflow.uris import BUNDLED, PACKAGE, is_elsewhere, resolved

_ENTRY_POINT = "pipeline.kubeflow.entrypoint"


def is_ours(spec: Mapping[str, Any]) -> bool:
    """Whether a PipelineSpec has a step of ours, whose parameters mean what they mean here."""
    executors = spec["deploymentSpec"].get("executors", {}).values()
    return any(_ENTRY_POINT in executor.get("container", {}).get("command", ()) for executor in executors)


def check_values(values: Mapping[str, Any]) -> None:
    """Returns where every value can be used, as far as that is known here.

    Args:
      values: of a job of ours, by the parameter's name, in their types.

    Raises:
      ConfigError: one cannot; it names the parameter.
    """
    check_finite(values)
    for name, check in _CHECKS.items():
        if name in values:
            check(name, values[name])
    bounds = [bound.strip() for bound in values["spans"].split(",")] if values.get("spans") else ()
    window_of(int(values.get("window", 0)), bounds)


def check_finite(values: Mapping[str, Any]) -> None:
    """ConfigError for NaN and infinity, which JSON does not have."""
    for name, value in values.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"The parameter {name} must be a finite number but is {value!r}.")


def _at_least(least: int) -> Callable[[str, Any], None]:
    def check(name: str, value: Any) -> None:
        if value < least:
            raise ConfigError(f"The parameter {name} must be at least {least} but is {value!r}.")

    return check


def _given(name: str, value: str) -> None:
    if not value:
        raise ConfigError(f"The parameter {name} must not be empty.")


def _place(name: str, place: str) -> None:
    if place and "://" not in place and not os.path.isabs(place):
        raise ConfigError(
            f"{name} = {place!r} must be a URI or an absolute path: a step has a working folder of its own."
        )


def _data_path(name: str, place: str) -> None:
    _given(name, place)
    dataset = place.removeprefix(BUNDLED)
    if place.startswith(BUNDLED):
        if dataset not in datasets.names():
            raise ConfigError(
                f"{name} = {place!r}: there is no such bundled data set; there are {', '.join(datasets.names())}."
            )
        return
    _place(name, place)
    if has_span(place):
        check_pattern(place)


def _schema(name: str, place: str) -> None:
    _given(name, place)
    # Only of our own packages is it known here what the image has.
    if place.removeprefix(PACKAGE).partition("/")[0] in OURS:
        resolved(place)
    if not is_elsewhere(place):
        _place(name, place)


_CHECKS: Mapping[str, Callable[[str, Any], None]] = {
    "query": _given,
    "data_path": _data_path,
    "schema": _schema,
    "epochs": _at_least(1),
    "steps": _at_least(0),
    "drift_baseline": _place,
    "serving_dir": _place,
    "checkpoint_dir": _place,
    "cache_dir": _place,
}
