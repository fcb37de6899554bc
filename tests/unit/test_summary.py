import dataclasses
import io
import json

import numpy as np
import pytest
from rich.console import Console

from components.constants import FeatureConstants, NormalizationConstants
from components.feature_plan import Feature, FeaturePlan
from components.provenance import Provenance
from components.span_counters import SpanCounters
from pipeline.run_result import RunResult, as_json
from pipeline.summary import print_summary

DISTANCE = Feature("distance", "z_score", "float32", (), dense=True, axis=(), unit="mile")
CARRIER = Feature("carrier", "category", "bytes", (), dense=False)


def constants() -> NormalizationConstants:
    none, nan = np.zeros((), np.int64), np.full((), np.nan)
    distance = FeatureConstants(
        *(DISTANCE, np.asarray(262_000), np.asarray(1_234), none, none, none),
        *(np.asarray(17.0), np.asarray(4983.0), np.asarray(1048.5), np.asarray(90000.0)),
    )
    carrier = FeatureConstants(
        *(CARRIER, np.asarray(263_000), none, none, none, none, nan, nan, nan, nan), vocabulary=((b"UA", 2), (b"B6", 1))
    )
    return NormalizationConstants(FeaturePlan((DISTANCE, CARRIER)), 263_234, {"distance": distance, "carrier": carrier})


RESULT = RunResult(
    constants=constants(),
    metrics={"auc": 0.91234, "accuracy": 0.85, "baseline_accuracy": 0.76},
    model="/r/serving/1",
    reasons=(),
    transform_graph="/r/graph",
    log="/r/logs/1.log",
    seconds={"Transform": 12.3456, "Trainer": 40.0},
    cached=("Transform",),
    left_out=7,
    peak_bytes=3 * 2**29,
    report="/r/report.html",
)


ANALYSIS = SpanCounters(("2013-01-30",), ("2013-01-28", "2013-01-29"), 57_123, 114_000, 2)


def printed(result: RunResult) -> str:
    stream = io.StringIO()
    print_summary(result, Console(file=stream, width=140))
    return stream.getvalue()


def words_of_line(text: str, first: str) -> list[str]:
    return next(line.split() for line in text.splitlines() if line.split()[:1] == [first])


def test_each_feature_has_its_unit_counts_mean_and_sigma() -> None:
    line = words_of_line(printed(RESULT), "distance")
    # sigma is the root of the variance 90,000
    assert line == ["distance", "z_score", "mile", "262,000", "1,234", "1048.5", "300"]


def test_a_category_has_the_size_of_its_vocabulary() -> None:
    assert words_of_line(printed(RESULT), "carrier") == ["carrier", "category", "263,000", "0", "2"]


def test_metrics_stand_beside_the_baseline() -> None:
    assert words_of_line(printed(RESULT), "accuracy") == ["accuracy", "0.8500", "0.7600"]


def test_it_says_where_everything_is_and_how_long_it_took() -> None:
    text = printed(RESULT)
    for part in ("/r/serving/1", "/r/graph", "/r/logs/1.log", constants().digest, "Transform cached", "Trainer 40.0 s"):
        assert part in text
    assert "peak memory 1.50 GiB" in text
    assert "7 rows were left out" in text


def test_without_a_model_it_says_why() -> None:
    refused = dataclasses.replace(RESULT, model=None, reasons=("auc is 0.5, at least 0.85 is required",))
    assert "model            none, it was not blessed: auc is 0.5, at least 0.85 is required" in printed(refused)
    assert not refused.ok


def test_the_json_object_has_the_agreed_keys_and_no_nan() -> None:
    table = as_json(dataclasses.replace(RESULT, metrics={"mae": 1.5, "baseline_mae": float("nan")}))
    assert table == {
        "constants_digest": constants().digest,
        "rows": 263_234,
        "metrics": {"mae": 1.5, "baseline_mae": None},
        "model": "/r/serving/1",
        "report": "/r/report.html",
        "analysis": None,
        "transform_graph": "/r/graph",
        "log": "/r/logs/1.log",
        "seconds": {"Transform": 12.346, "Trainer": 40.0},
    }
    json.dumps(table, allow_nan=False)


@pytest.mark.parametrize("metrics", [{}, {"mae": 1.0, "baseline_mae": 2.0}])
def test_a_part_that_is_not_known_is_left_out(metrics: dict[str, float]) -> None:
    text = printed(dataclasses.replace(RESULT, constants=None, transform_graph=None, metrics=metrics))
    assert "distance" not in text
    assert ("Evaluation" in text) == bool(metrics)


def test_the_spans_of_a_window_and_what_of_them_was_read() -> None:
    spans = ("2013-01-28", "2013-01-29", "2013-01-30")
    windowed = constants().with_provenance(Provenance(spans=spans))
    text = printed(dataclasses.replace(RESULT, constants=windowed, analysis=ANALYSIS))
    assert (
        "spans            3, 2013-01-28 to 2013-01-30: 1 read (57,123 bytes), 2 from the cache (114,000 bytes), "
        "2 cache entries evicted\n" in text
    )
    assert "spans  " not in printed(dataclasses.replace(RESULT, analysis=ANALYSIS))  # data without spans


def test_the_object_for_machines_says_what_was_read() -> None:
    assert as_json(RESULT)["analysis"] is None
    found = as_json(dataclasses.replace(RESULT, analysis=ANALYSIS))["analysis"]
    assert json.loads(json.dumps(found)) == {
        "measured": ["2013-01-30"],
        "reused": ["2013-01-28", "2013-01-29"],
        "bytes_measured": 57_123,
        "bytes_reused": 114_000,
        "entries_evicted": 2,
    }


def test_counters_come_back_from_an_artifacts_properties() -> None:
    class Artifact(dict[str, object]):
        set_int_custom_property = set_string_custom_property = dict.__setitem__

    artifact = Artifact()
    ANALYSIS.write(artifact)
    assert artifact["spans_measured"] == '["2013-01-30"]' and artifact["bytes_measured"] == 57_123
    assert SpanCounters.of(artifact) == ANALYSIS
    assert SpanCounters.of({"digest": "ab"}) is None
    assert ANALYSIS.after({"entries_evicted": 3}).entries_evicted == 5
    assert ANALYSIS.after({}) == ANALYSIS
