"""pipeline.init.roles: one role a column, by what was seen of it."""

from typing import Any

import pyarrow as pa
import pytest

from pipeline.init.columns import ColumnFacts, gather
from pipeline.init.roles import Proposal, propose, propose_role

_KINDS = {"int64": pa.int64(), "float32": pa.float32(), "bytes": pa.binary()}


def facts_of(name: str, dtype: str, values: list[Any]) -> ColumnFacts:
    values = [value.encode() if isinstance(value, str) else value for value in values]
    (facts,) = gather([pa.record_batch([pa.array(values, _KINDS[dtype])], names=[name])], {name: dtype})
    return facts


IGNORED = {
    "empty": ("bytes", [None] * 50, "empty"),
    "constant text": ("bytes", ["a"] * 50, "constant: the same value in every row"),
    "constant with gaps": ("bytes", ["a", None] * 25, "constant: the same value wherever"),
    "constant number": ("float32", [2.5] * 50, "constant"),
    "NaN only": ("float32", [float("nan")] * 50, "every value is NaN"),
    "rare": ("float32", [1.0] + [2.0] + [None] * 398, "present in 2 of 400 rows only (under 1%)"),
    "row number": ("int64", list(range(7, 57)), "running number"),
    "row number by group": ("int64", [*range(40), *range(60)], "running number"),
    "identifiers": ("int64", [(k * 7919) % 10_007 for k in range(50)], "unique per row"),
    "names": ("bytes", [f"n{k}" for k in range(50)], "unique per row"),
    "free text": ("bytes", [f"t{k % 150}" for k in range(200)], "nearly unique per row (150 different texts in 200"),
}


@pytest.mark.parametrize(("dtype", "values", "reason"), IGNORED.values(), ids=IGNORED.keys())
def test_ignored_with_the_reason(dtype: str, values: list[Any], reason: str) -> None:
    proposal = propose_role(facts_of("c", dtype, values))
    assert (proposal.role, proposal.options) == ("ignore", ())
    assert reason in proposal.reason


USED = {
    "numbers unique per row": ("float32", [k * 0.37 for k in range(50)], "z_score", ()),
    "few integers": ("int64", [1, 2, 3, 3, 1] * 10, "z_score", ()),
    "flag": ("int64", [0, 0, 0, 0, 0, 0, 0, 0, 0, 1] * 5, "z_score", ()),  # skewed, but a flag
    "just often enough": ("float32", [1.0, 2.0] + [None] * 198, "z_score", ("missing=indicator",)),
    "often missing": ("float32", [1.0, 2.0, 3.0, None] * 10, "z_score", ("missing=indicator",)),
    "seldom missing": ("float32", [*([1.0, 2.0, 3.0] * 10), None], "z_score", ()),
    "long tail": ("float32", [1.0, 2.0, 3.0, 4.0, 5.0] * 8 + [900.0], "z_score", ("log1p",)),
    "long tail below zero": ("float32", [-1.0, 2.0, 3.0, 4.0, 5.0] * 8 + [900.0], "z_score", ()),
    "text": ("bytes", ["a", "b", None] * 10, "category", ()),
    "many texts, each often": ("bytes", [f"t{k % 150}" for k in range(600)], "category", ()),
    "mostly different, but few": ("bytes", [f"t{k % 60}" for k in range(80)], "category", ()),
}


@pytest.mark.parametrize(("dtype", "values", "role", "options"), USED.values(), ids=USED.keys())
def test_used(dtype: str, values: list[Any], role: str, options: tuple[str, ...]) -> None:
    proposal = propose_role(facts_of("c", dtype, values))
    assert (proposal.role, proposal.options) == (role, options)


def test_texts_of_which_a_row_holds_several_are_ignored() -> None:
    batch = pa.record_batch([pa.array([[b"a", b"b"], [b"a"]])], names=["words"])
    (facts,) = gather([batch], {"words": "bytes"})
    assert propose_role(facts).reason == "text with up to 2 values in a row; a category holds one."


@pytest.mark.parametrize(
    ("values", "role", "seen"),
    [
        ([[1.5, 2.0], [2.5, 3.0]], "z_score", "2 of them in a row"),
        ([[1.5, 2.0], [2.5]], "ignore", "1 to 2 values in a row"),
        ([[1.5, 2.0], None, [2.5, 3.0]], "ignore", "0 to 2 values in a row"),
    ],
)
def test_numbers_of_which_a_row_holds_several(values: list[Any], role: str, seen: str) -> None:
    (facts,) = gather([pa.record_batch([pa.array(values, pa.list_(pa.float32()))], names=["v"])], {"v": "float32"})
    proposal = propose_role(facts)
    assert proposal.role == role
    assert seen in proposal.reason


def test_the_label_is_the_label_whatever_it_looks_like() -> None:
    columns = [facts_of("y", "int64", [0, 1] * 20), facts_of("x", "float32", [1.0, 2.0] * 20)]
    assert [(p.name, p.role) for p in propose(columns, "y")] == [("y", "label"), ("x", "z_score")]


def test_names_that_a_model_cannot_tell_apart() -> None:
    x = [1.0, 2.0, None] * 10
    columns = [facts_of(name, "float32", x) for name in ("a b", "a_b", "a b missing", "y")]
    by_name = {p.name: p for p in propose(columns, "y")}
    assert [by_name[name].role for name in ("a b", "a_b", "a b missing")] == ["z_score", "ignore", "ignore"]
    assert by_name["a_b"] == Proposal(
        "a_b", "ignore", (), "its name becomes 'a_b' in the model, as that of 'a b' does; rename one to use it."
    )
