"""Edge rows: which values they hold, and which features keep their usual ones."""

from dataclasses import replace

import numpy as np
from hand_constants import number, words

from components.constants import FeatureConstants, NormalizationConstants
from components.feature_plan import FeaturePlan
from components.parity.edge_rows import edge_rows
from components.parity.reference import Row


def _rows(*features: FeatureConstants) -> dict[str, Row]:
    plan = FeaturePlan(tuple(own.feature for own in features))
    return edge_rows(NormalizationConstants(plan, 100, {own.name: own for own in features}), {"x": [2.5], "y": [7]})


def test_floats_take_every_edge() -> None:
    rows = _rows(number("x", low=-4.0, high=9.0))
    assert rows["empty_example"] == {}
    assert np.isnan(rows["nan"]["x"]).all()
    assert (rows["pos_inf"]["x"], rows["neg_inf"]["x"]) == ([float("inf")], [float("-inf")])
    assert (rows["data_min"]["x"], rows["data_max"]["x"]) == ([-4.0], [9.0])
    assert rows["largest"]["x"] == [float(2**128 - 2**104)]


def test_whole_numbers_have_no_nan_but_extremes() -> None:
    rows = _rows(number("y", dtype="int64"))
    assert rows["nan"]["y"] == [7]
    assert (rows["lowest"]["y"], rows["largest"]["y"]) == ([-(2**53 - 1)], [2**53 - 1])


def test_what_a_policy_refuses_stays_usual() -> None:
    rows = _rows(number("x", missing="error", nonfinite="error"))
    assert rows["missing"] == {"x": [2.5]}
    assert "empty_example" not in rows
    assert rows["nan"]["x"] == rows["pos_inf"]["x"] == [2.5]


def test_only_texts_of_a_vocabulary_become_unseen() -> None:
    rows = _rows(number("x"), words("word", {b"a": 3}))
    assert rows["unseen"]["word"][0] not in (b"a", b"")
    assert rows["unseen"]["x"] == [2.5]


def test_whole_numbers_of_a_vocabulary_become_unseen_ones() -> None:
    month = words("month", {b"7": 3})
    rows = _rows(number("x"), replace(month, feature=replace(month.feature, dtype="int64")))
    assert rows["unseen"]["month"] == [-(2**53 - 11)]
