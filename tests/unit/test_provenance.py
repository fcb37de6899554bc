"""Where constants come from travels with them and changes nothing that they say of the data."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.constants import FeatureConstants, NormalizationConstants
from components.errors import DataError
from components.feature_plan import Feature, FeaturePlan
from components.provenance import Provenance

X = Feature("x", "z_score", "float32", (), dense=True, axis=())
MADE = Provenance("ab" * 32, "0.1.0", ("2013-01-01", "2013-01-02"))
PINNED = Provenance("ef" * 32, "2", (), "runs/other", "cd" * 32, "ab" * 32, "1")


def constants() -> NormalizationConstants:
    none = np.zeros((), np.int64)
    x = FeatureConstants(
        *(X, np.asarray(4), none, none, none, none),
        *(np.asarray(1.0), np.asarray(7.0), np.asarray(4.0), np.asarray(5.0)),
    )
    return NormalizationConstants(FeaturePlan((X,)), 4, {"x": x})


@pytest.mark.parametrize("provenance", [Provenance(), MADE, PINNED])
def test_it_comes_back_from_the_file(provenance: Provenance, tmp_path: Path) -> None:
    constants().with_provenance(provenance).save(tmp_path / "constants.json")
    assert NormalizationConstants.load(tmp_path).provenance == provenance


def test_it_stands_in_the_file_by_name() -> None:
    table = json.loads(constants().with_provenance(MADE).to_json())
    assert (table["schema_digest"], table["code_version"]) == ("ab" * 32, "0.1.0")
    assert table["spans"] == ["2013-01-01", "2013-01-02"]
    assert not {"source", "source_digest"} & set(table)
    pinned = json.loads(constants().with_provenance(PINNED).to_json())
    assert (pinned["source"], pinned["source_digest"]) == ("runs/other", "cd" * 32)


def test_it_enters_neither_the_digest_nor_the_format_version() -> None:
    plain = json.loads(constants().to_json())
    known = json.loads(constants().with_provenance(MADE).to_json())
    assert (plain["digest"], plain["format_version"]) == (known["digest"], known["format_version"])
    assert plain["digest"] == constants().digest


def test_a_file_without_it_still_loads() -> None:
    text = constants().to_json()
    assert not {"schema_digest", "code_version", "spans", "source"} & set(json.loads(text))
    assert NormalizationConstants.from_json(text).provenance == Provenance()


def test_a_graph_keeps_it() -> None:
    assert constants().with_provenance(MADE).with_graph("ef" * 32).provenance == MADE


@pytest.mark.parametrize("damage", [{"spans": "2013"}, {"spans": [1]}, {"code_version": 7}, {"source": None}])
def test_a_damaged_one_is_a_data_error(damage: dict[str, Any]) -> None:
    table = {**json.loads(constants().to_json()), **damage}
    with pytest.raises(DataError, match=r"c\.json holds damaged normalization constants"):
        NormalizationConstants.from_json(json.dumps(table), "c.json")


def test_a_features_digest_says_what_the_data_are_and_not_what_is_made_of_them() -> None:
    x = constants()["x"]
    assert dataclasses.replace(x, feature=dataclasses.replace(X, clip=3.0, unit="m")).digest == x.digest
    for change in ({"mean": np.asarray(4.5)}, {"count": np.asarray(5)}, {"variance": np.asarray(5.5)}):
        assert dataclasses.replace(x, **change).digest != x.digest
