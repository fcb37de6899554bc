"""The audit walks and asks the graph's lookups: every change of a table is found by name."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from graph_tables import Row, constants_of, feature, plan_of

from components import FrozenTransform
from components.audit.audit import audit_graph
from components.audit.graph_probe import id_findings, probe, probe_rows
from components.audit.lookups import lookup_findings
from components.frozen.freeze import FrozenGraph
from components.transform.trace import frozen_graph

PLAN = plan_of(
    feature("delay", "FLOAT", "z_score_per_key:carrier"),
    feature("hour", "FLOAT", "z_score_per_key:origin", "unseen=zero"),
    feature("strict", "FLOAT", "z_score_per_key:gate", "unseen=error"),
    feature("carrier", "BYTES", "category"),
    feature("origin", "INT", "category"),
    feature("gate", "BYTES", "ignore"),
    feature("word", "BYTES", "label", shape=""),
)
_RANDOM = np.random.default_rng(3)
ROWS: list[Row] = [
    {
        "delay": float(np.float32(_RANDOM.normal(5, 3))),
        "hour": float(np.float32(_RANDOM.normal())),
        "strict": float(np.float32(_RANDOM.normal())),
        "carrier": (b"UA", b"B6", b"AA", b"DL", b"WN")[(i + i // 7) % 5],
        "origin": int(_RANDOM.integers(3, 8)),
        "gate": b"AB"[i % 2 : i % 2 + 1],
        "word": (b"no", b"yes", b"perhaps")[i % 3],
    }
    for i in range(60)
]


@pytest.fixture(scope="module")
def graph() -> FrozenGraph:
    return frozen_graph(constants_of(PLAN, ROWS))


def edited(graph: FrozenGraph, change: Callable[[Any], Any]) -> FrozenGraph:
    """The graph with arrays of at least three elements changed; ``change`` gives back what it does not change."""
    copy = tf.compat.v1.GraphDef.FromString(graph.graph_def.SerializeToString())
    changes = 0
    for node in copy.node:
        if node.op == "Const":
            old = tf.make_ndarray(node.attr["value"].tensor)
            new = change(old.copy()) if old.size > 2 else old
            if (new != old).any():
                node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(new, node.attr["dtype"].type, old.shape))
                changes += 1
    assert changes
    return dataclasses.replace(graph, graph_def=copy)


def test_right_tables_are_found_by_walking_and_by_asking(graph: FrozenGraph) -> None:
    findings, _ = audit_graph(FrozenTransform(graph))
    assert findings == ()


def test_every_known_value_an_unknown_one_and_none_are_asked_for(graph: FrozenGraph) -> None:
    frozen = FrozenTransform(graph)
    rows = probe_rows(frozen)
    ids = probe(frozen, rows)["carrier"].tolist()
    seen = {tuple(row["carrier"]): number for row, number in zip(rows, ids, strict=True)}
    vocabulary = {(key,): at for at, (key, _) in enumerate(graph.constants["carrier"].vocabulary, start=1)}
    assert {key: number for key, number in seen.items() if number} == vocabulary
    assert sorted(map(len, seen.keys() - vocabulary.keys())) == [0, 1]


def swapped_ids(size: int) -> Callable[[Any], Any]:
    def change(array: Any) -> Any:
        if array.dtype == np.int64 and array.size == size and sorted(array.tolist()[:-1]) == list(range(1, size)):
            array[:2] = array[1::-1]
        return array

    return change


def other_text(array: Any) -> Any:
    return np.array([b"DX" if text == b"DL" else text for text in array], object) if array.dtype == object else array


def swapped_texts(array: Any) -> Any:
    if array.dtype == object:
        array[:2] = array[1::-1]
    return array


def swapped_numbers(array: Any) -> Any:
    if array.dtype == np.float64 and array.size == 6:
        array[:2] = array[1::-1]
    return array


@pytest.mark.parametrize(
    ("change", "features"),
    [
        (swapped_ids(6), {"carrier", "origin"}),
        (other_text, {"carrier", "delay"}),
        (swapped_texts, {"carrier", "delay", "strict"}),
        (swapped_numbers, {"delay", "hour"}),
    ],
    ids=["ids of two values", "one text", "two texts", "the numbers of two keys"],
)
def test_a_table_that_was_edited(change: Callable[[Any], Any], features: set[str], graph: FrozenGraph) -> None:
    findings = lookup_findings(edited(graph, change))
    assert {(finding.fault, finding.feature) for finding in findings} == {("lookup_changed", name) for name in features}


def test_a_wrong_id_is_found_by_asking_too(graph: FrozenGraph) -> None:
    frozen = FrozenTransform(edited(graph, swapped_ids(6)))
    rows = probe_rows(frozen)
    findings = id_findings(graph.constants, rows, probe(frozen, rows))
    assert {(finding.fault, finding.feature) for finding in findings} == {
        ("lookup_changed", "carrier"),
        ("lookup_changed", "origin"),
    }


def test_an_unseen_key_that_gets_other_numbers(graph: FrozenGraph) -> None:
    """Only the last entry of a table by key is changed: no key that was seen shows it."""

    def change(array: Any) -> Any:
        if array.dtype == np.float64 and array.size == 6 and array[-1] == graph.constants["delay"].mean:
            array[-1] += 1
        return array

    findings, _ = audit_graph(FrozenTransform(edited(graph, change)))
    assert {(finding.fault, finding.feature) for finding in findings} >= {
        ("lookup_changed", "delay"),
        ("formula_changed", "delay"),
    }
