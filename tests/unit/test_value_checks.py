"""A runtime parameter's value is held to what the configuration's is, before anything is written or sent."""

from typing import Any

import pytest

from components.errors import ConfigError
from pipeline.kubeflow.value_checks import check_values

GOOD: dict[str, Any] = {
    "data_path": "bundled:flights_small",
    "data_version": "",
    "schema": "package:schemas/flights.pbtxt",
    "drift_baseline": "",
    "epochs": 1,
    "steps": 0,
    "window": 0,
    "spans": "",
    "threshold_auc_min": -0.5,
    "serving_dir": "",
    "checkpoint_dir": "gs://bucket/checkpoints",
    "cache_dir": "/mnt/cache",
}


def test_good_values_pass_and_so_do_those_that_only_the_image_can_tell() -> None:
    check_values(GOOD)
    check_values({**GOOD, "schema": "package:theirs/schema.pbtxt", "data_path": "gs://b/{SPAN}.csv", "window": 3})
    check_values({**GOOD, "schema": "/mnt/schema.pbtxt", "data_path": "/mnt/*.csv", "spans": "2013-01-01, 2013-01-28"})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": -3}, "epochs must be at least 1 but is -3"),
        ({"epochs": 0}, "epochs must be at least 1 but is 0"),
        ({"steps": -1}, "steps must be at least 0 but is -1"),
        ({"window": -1}, "A window takes at least 1 span"),
        ({"window": 2, "spans": "1,2"}, "Give one of the two"),
        ({"spans": "2,1"}, "2 comes after 1"),
        ({"threshold_auc_min": float("nan")}, "threshold_auc_min must be a finite number but is nan"),
        ({"threshold_auc_min": float("-inf")}, "threshold_auc_min must be a finite number but is -inf"),
        ({"data_path": ""}, "data_path must not be empty"),
        ({"data_path": "bundled:nope"}, "no such bundled data set; there are flights"),
        ({"data_path": "rows.csv"}, "data_path = 'rows.csv' must be a URI or an absolute path"),
        ({"data_path": "gs://b/{YYYY}.csv"}, "YYYY"),
        ({"schema": "package:schemas/nope.pbtxt"}, "no file 'nope.pbtxt' in the installed package 'schemas'"),
        ({"schema": "s.pbtxt"}, "schema = 's.pbtxt' must be a URI or an absolute path"),
        ({"schema": ""}, "schema must not be empty"),
        ({"drift_baseline": "../before"}, "drift_baseline = '../before' must be a URI or an absolute path"),
        ({"serving_dir": "serving"}, "serving_dir = 'serving' must be a URI or an absolute path"),
    ],
)
def test_a_value_that_no_step_can_use_is_refused_by_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_values({**GOOD, **changes})
