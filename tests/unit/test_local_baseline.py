import math

import pytest

from pipeline.baseline import baseline


def test_the_majority_class_is_the_training_splits() -> None:
    # 0 is most frequent in training; it is 1 of 4 in evaluation, where 1 would be 3 of 4.
    assert baseline("binary", [0, 0, 1], [0, 1, 1, 1]) == {"baseline_accuracy": 0.25}


def test_classes_may_be_texts_and_a_tie_goes_to_the_smallest() -> None:
    assert baseline("multiclass", [b"b", b"a"], [b"a", b"a", b"b"]) == {"baseline_accuracy": pytest.approx(2 / 3)}


def test_a_regression_is_measured_from_the_training_mean() -> None:
    # mean 2; distances 1, 0 and 8
    assert baseline("regression", [1.0, 3.0], [1.0, 2.0, 10.0]) == {"baseline_mae": 3.0}


def test_no_labels_have_no_baseline() -> None:
    assert math.isnan(baseline("binary", [], [1])["baseline_accuracy"])
    assert math.isnan(baseline("regression", [1.0], [])["baseline_mae"])
