"""The graph's lookup tables, found by walking it, against vocabularies and keys of ``constants.json``.

A table is a sorted int64 ``Const`` that is searched, and ``Const`` nodes as long: the texts that the search is checked
with, the ids and, for a feature by key, its numbers. The last entry is one that no search finds.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.audit.const_walk import Nodes, nodes_by_name
from components.audit.expected import center_and_scale, every_number
from components.constants import FeatureConstants
from components.feature_plan import model_name
from components.frozen.freeze import FrozenGraph
from components.verdict import Finding

_BUCKETS = 2**63 - 1  # of the fingerprints of texts
_KINDS = (np.dtype(np.int64), np.dtype(np.float64), np.dtype(object))


@dataclasses.dataclass(frozen=True)
class Table:
    """Arrays of one length [n + 1].

    Attributes:
      searched: int64, rising.
      texts: objects (bytes).
      whole: int64, what was found of that type; the ids are among them.
      numbers: float64.
    """

    searched: npt.NDArray[np.int64]
    texts: tuple[npt.NDArray[Any], ...]
    whole: tuple[npt.NDArray[np.int64], ...]
    numbers: tuple[npt.NDArray[np.float64], ...]


def lookup_findings(graph: FrozenGraph) -> tuple[Finding, ...]:
    """One finding for each category, text label or feature by key whose table is not the stated one."""
    nodes = nodes_by_name(graph.graph_def)
    dtypes = {feature.name: feature.dtype for feature in graph.constants.plan.features}
    findings = []
    for name, constants in graph.constants.items():
        expected = _expected(constants)
        if expected is None:
            continue
        of_text = dtypes[constants.feature.key or name] == "bytes"
        tables = list(_tables(nodes, graph.outputs[model_name(name)][0]))
        wrong = "no table is searched there"
        if tables:
            wrong = _wrong(tables[0], expected, of_text, constants.role != "label") or _wrong_numbers(
                tables[0], constants
            )
        if wrong:
            message = f"the graph must look up the {len(expected)} values that constants.json states, but {wrong}."
            findings.append(Finding("lookup_changed", f"{message} The graph was edited: analyse again.", name))
    return tuple(findings)


def _expected(constants: FeatureConstants) -> dict[bytes, int] | None:
    """The id of each text; of a feature by key its place in the table of keys."""
    if constants.by_key is not None:
        return {key: at for at, key in enumerate(constants.by_key.keys)}
    if constants.role == "category" or constants.vocabulary:
        first = 0 if constants.role == "label" else 1
        return {key: at for at, (key, _) in enumerate(constants.vocabulary, start=first)}
    return None


def _tables(nodes: Nodes, end: str) -> Iterator[Table]:
    reached = _reached(nodes, end)
    arrays = [array for node in reached if (array := _array(node)) is not None]
    for node in reached:
        if node.op != "LowerBound":
            continue
        searched = _array(nodes[_name(node.input[0])])
        if searched is not None:
            alike = [array for array in arrays if array.size == searched.size]
            texts, whole, numbers = (
                tuple(array for array in alike if array.dtype == kind) for kind in (object, np.int64, np.float64)
            )
            yield Table(searched, texts, whole, numbers)


def _reached(nodes: Nodes, end: str) -> list[tf.compat.v1.NodeDef]:
    waiting, seen = [_name(end)], set()
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            # A control input is a check of any feature.
            waiting += [_name(source) for source in nodes[name].input if not source.startswith("^")]
    return [nodes[name] for name in sorted(seen)]


def _name(tensor: str) -> str:
    return tensor.partition(":")[0]


def _array(node: tf.compat.v1.NodeDef) -> npt.NDArray[Any] | None:
    if node.op != "Const":
        return None
    value = tf.make_ndarray(node.attr["value"].tensor)
    return np.ravel(value) if value.dtype in _KINDS else None


def _wrong(table: Table, expected: Mapping[bytes, int], of_text: bool, is_compared: bool) -> str:
    """What is wrong with keys and ids, or an empty text."""
    n = len(expected)
    keys = table.searched[:n]
    if len(table.searched) != n + 1 or (np.diff(keys) <= 0).any() or (n and table.searched[n] != keys[-1]):
        return f"a table of {len(table.searched) - 1} rising keys is searched"
    ids = dict(zip(_keys(list(expected), of_text), expected.values(), strict=True))
    if not any(dict(zip(keys.tolist(), found[:n].tolist(), strict=True)) == ids for found in table.whole):
        return "other keys, or other ids, stand there"
    # A label's texts stand behind an assertion of the graph, which no output depends on.
    if of_text and is_compared and not any(_are(texts[:n].tolist(), keys, expected) for texts in table.texts):
        return "other texts stand beside the keys"
    return ""


def _keys(texts: list[bytes], of_text: bool) -> list[int]:
    if not of_text:
        return [int(text) for text in texts]
    found: list[int] = tf.strings.to_hash_bucket_fast(tf.constant(texts, tf.string), _BUCKETS).numpy().tolist()
    return found


def _are(texts: list[bytes], keys: npt.NDArray[np.int64], expected: Mapping[bytes, int]) -> bool:
    return set(texts) == set(expected) and _keys(texts, True) == keys.tolist()


def _wrong_numbers(table: Table, constants: FeatureConstants) -> str:
    if constants.by_key is None:
        return ""
    own = every_number(constants)
    if constants.feature.unseen == "zero":
        own = np.append(center_and_scale(constants), np.zeros([2, 1]), axis=1)
    stand = {array.tobytes() for array in table.numbers}
    if all(np.ascontiguousarray(row).tobytes() in stand for row in own):
        return ""
    return "the numbers of its keys stand in another order, or are others"
