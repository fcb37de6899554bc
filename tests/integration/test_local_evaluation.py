"""What is read from the Evaluator's and ExampleGen's files, written here by hand."""

from pathlib import Path

import pytest

from components.feature_plan import Feature

pytestmark = pytest.mark.beam


def test_metrics_of_the_candidate_over_all_rows_by_flat_name() -> None:
    import tensorflow_model_analysis as tfma
    from google.protobuf import text_format
    from tensorflow_model_analysis.proto import metrics_for_slice_pb2

    from components.report.evaluation import flat_metrics

    assert tfma.BASELINE_KEY == "baseline"
    overall = """
      slice_key {}
      metric_keys_and_values { key { name: "auc" model_name: "candidate" } value { double_value { value: 0.9 } } }
      metric_keys_and_values { key { name: "auc" model_name: "baseline" } value { double_value { value: 0.7 } } }
      metric_keys_and_values {
        key { name: "auc" model_name: "candidate" is_diff: true } value { double_value { value: 0.2 } } }
      metric_keys_and_values { key { name: "binary_accuracy" } value { double_value { value: 0.8 } } }
      metric_keys_and_values { key { name: "example_count" } value { double_value { value: 50 } } }
      metric_keys_and_values { key { name: "plot" } value { bytes_value: "x" } }
    """
    part = overall.replace("{}", '{ single_slice_keys { column: "carrier" bytes_value: "UA" } }').replace("0.9", "0.1")
    slices = [text_format.Parse(text, metrics_for_slice_pb2.MetricsForSlice()) for text in (part, overall)]
    assert flat_metrics(slices) == {"auc": 0.9, "accuracy": 0.8}


def test_a_missed_threshold_is_named_with_value_and_bound() -> None:
    from google.protobuf import text_format
    from tensorflow_model_analysis.proto import validation_result_pb2

    from components.report.evaluation import failed_bounds

    text = """
      metric_validations_per_slice {
        failures {
          metric_key { name: "auc" }
          metric_threshold { value_threshold { lower_bound { value: 0.85 } } }
          metric_value { double_value { value: 0.5 } }
        }
        failures {
          metric_key { name: "auc" is_diff: true }
          metric_threshold { change_threshold { absolute { value: -0.01 } direction: HIGHER_IS_BETTER } }
          metric_value { double_value { value: -0.2 } }
        }
      }
    """
    assert failed_bounds(text_format.Parse(text, validation_result_pb2.ValidationResult())) == [
        "auc is 0.5, at least 0.85 is required",
        "the change of auc against the latest blessed model is -0.2, no worse than -0.01 is required",
    ]


def test_labels_of_a_split_are_read_and_rows_without_one_skipped(tmp_path: Path) -> None:
    import tensorflow as tf

    from pipeline.labels import read_labels

    def example(*labels: bytes) -> bytes:
        feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=labels))
        return bytes(tf.train.Example(features=tf.train.Features(feature={"y": feature})).SerializeToString())

    for file, labels in (("data-0.gz", [[b"a"], []]), ("data-1.gz", [[b"b"]])):
        (tmp_path / "Split-eval").mkdir(exist_ok=True)
        with tf.io.TFRecordWriter(str(tmp_path / "Split-eval" / file), "GZIP") as writer:
            for label in labels:
                writer.write(example(*label))
    column = Feature("y", "label", "bytes", (), dense=False)
    assert read_labels(str(tmp_path), "eval", column) == [b"a", b"b"]
