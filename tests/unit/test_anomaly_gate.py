"""Which findings of the ExampleValidator stop a run, and what is said."""

import pytest
from tensorflow_metadata.proto.v0 import anomalies_pb2

from components.anomalies.gate import AnomaliesError, describe, stop_on_anomalies

ERROR, WARNING = anomalies_pb2.AnomalyInfo.ERROR, anomalies_pb2.AnomalyInfo.WARNING


def anomalies(*found: tuple[str, int]) -> anomalies_pb2.Anomalies:
    proto = anomalies_pb2.Anomalies()
    for name, severity in found:
        proto.anomaly_info[name].severity = severity
        proto.anomaly_info[name].short_description = "Out-of-range values"
        proto.anomaly_info[name].description = f"{name} is below 0"
    return proto


def test_clean_splits_pass() -> None:
    stop_on_anomalies({"train": anomalies(), "eval": anomalies()})


def test_a_warning_does_not_stop_a_run() -> None:
    stop_on_anomalies({"train": anomalies(("distance", WARNING))})


def test_every_error_of_every_split_is_named_in_a_line_of_its_own() -> None:
    found = {
        "train": anomalies(("temp", ERROR), ("distance", ERROR), ("humid", WARNING)),
        "eval": anomalies(("x", ERROR)),
    }
    with pytest.raises(AnomaliesError) as caught:
        stop_on_anomalies(found)
    assert str(caught.value).splitlines() == [
        "The data break the schema in 3 place(s). Mend the data, or the schema where it is wrong.",
        "  eval: feature 'x': Out-of-range values: x is below 0",
        "  train: feature 'distance': Out-of-range values: distance is below 0",
        "  train: feature 'temp': Out-of-range values: temp is below 0",
    ]


def test_an_empty_split_stops_a_run() -> None:
    assert describe(anomalies_pb2.Anomalies(data_missing=True), "eval") == ["eval: the split holds no data"]


def test_an_anomaly_of_the_whole_split_stops_a_run() -> None:
    proto = anomalies_pb2.Anomalies()
    proto.dataset_anomaly_info.severity = ERROR
    proto.dataset_anomaly_info.short_description = "Low num examples in dataset."
    proto.dataset_anomaly_info.description = "The dataset has 3 examples, which is fewer than 10."
    with pytest.raises(AnomaliesError, match=r"train: Low num examples in dataset\.: The dataset has 3 examples"):
        stop_on_anomalies({"train": proto})


def test_no_split_at_all_is_no_anomaly() -> None:
    stop_on_anomalies({})
