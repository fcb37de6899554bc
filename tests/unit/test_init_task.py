"""pipeline.init.task: which task a label means and how it is declared."""

from typing import Any

import pyarrow as pa
import pytest

from components.errors import DataError
from pipeline.init.columns import ColumnFacts, gather
from pipeline.init.task import propose_task


def facts_of(values: list[Any], dtype: str) -> ColumnFacts:
    kind = {"int64": pa.int64(), "float32": pa.float32(), "bytes": pa.string()}[dtype]
    (facts,) = gather([pa.record_batch([pa.array(values, kind)], names=["y"])], {"y": dtype})
    return facts


def as_text(values: list[Any]) -> ColumnFacts:
    return facts_of([None if value is None else str(value) for value in values], "bytes")


CASES = {
    "0 and 1": ([0, 1] * 10, "int64", "binary", "int64", ("0", "1")),
    "1 and 2": ([1, 2] * 10, "int64", "binary", "bytes", ("1", "2")),
    "0.0 and 1.0": ([0.0, 1.0] * 10, "float32", "binary", "bytes", ("0.0", "1.0")),
    "yes and no": (["yes", "no"] * 10, "bytes", "binary", "bytes", ("no", "yes")),
    "0 to 2": ([2, 1, 0] * 10, "int64", "multiclass", "int64", ("0", "1", "2")),
    "1 to 3": ([3, 1, 2] * 10, "int64", "multiclass", "bytes", ("1", "2", "3")),
    "three texts": (["b", "a", "c"] * 10, "bytes", "multiclass", "bytes", ("a", "b", "c")),
    "21 integers": (list(range(21)) * 2, "int64", "regression", "int64", ()),
    "three numbers": ([0.5, 1.0, 2.0] * 10, "float32", "regression", "float32", ()),
}


@pytest.mark.parametrize(("values", "dtype", "kind", "declared", "classes"), CASES.values(), ids=CASES.keys())
def test_task(values: list[Any], dtype: str, kind: str, declared: str, classes: tuple[str, ...]) -> None:
    task = propose_task(facts_of(values, dtype), "csv", as_text(values))
    assert (task.kind, task.dtype, task.classes, task.notes) == (kind, declared, classes, ())


def test_ten_classes_counted_from_zero_stay_in_the_order_of_numbers() -> None:
    values = list(range(11)) * 10
    assert propose_task(facts_of(values, "int64"), "csv", as_text(values)).classes == tuple(map(str, range(11)))


def test_true_and_false_are_texts_though_they_count_as_integers() -> None:
    task = propose_task(facts_of([1, 0] * 10, "int64"), "csv", facts_of(["true", "false"] * 10, "bytes"))
    assert (task.kind, task.dtype, task.classes) == ("binary", "bytes", ("false", "true"))


def test_a_rare_class_is_noted() -> None:
    (note,) = propose_task(facts_of(["a"] * 30 + ["b"] * 30 + ["c"], "bytes"), "csv").notes
    assert "'c' of 'y' has 1 of 61 rows" in note


def test_a_quantity_may_be_nan_where_it_is_missing() -> None:
    assert propose_task(facts_of([1.5, 2.0, 3.0, float("nan")], "float32"), "csv").kind == "regression"


REFUSED = {
    "one value": (["a", "a", None], "bytes", "csv", r"one value 'a' in all of 2 rows"),
    "no value": ([None, None], "bytes", "csv", r"no value in any of 2 rows"),
    "free text": ([f"t{k}" for k in range(1_001)], "bytes", "csv", r"more than 1,000 different texts"),
    "classes and NaN": ([1.0, 2.0, float("nan")], "float32", "csv", r"NaN in 1 rows"),
    "TFRecord and NaN": ([1.0, 2.0, 3.0, float("nan")], "float32", "tfrecord", r"NaN in 1 rows"),
    "TFRecord classes 1, 2": ([1, 2], "int64", "tfrecord", r"classes 1, 2; .* must be 0 to 1"),
    "TFRecord without label": ([1, 0, None], "int64", "tfrecord", r"missing in 1 of 3 records"),
}


@pytest.mark.parametrize(("values", "dtype", "data_format", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(values: list[Any], dtype: str, data_format: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        propose_task(facts_of(values, dtype), data_format)
