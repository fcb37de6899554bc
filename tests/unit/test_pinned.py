"""Constants from elsewhere under a plan of one's own: what fits, what does not, and what the errors list."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hand_constants import number, set_of, table_by_key, words

from components.constants import FeatureConstants, NormalizationConstants
from components.errors import ConfigError, SchemaError
from components.feature_plan import Feature, FeaturePlan
from components.moments.wire import encode
from components.provenance import Provenance
from components.transform.pinned import fitted
from pipeline.config import load_config
from pipeline.inputs import pinned_constants

TAIL = Feature("tail", "ignore", "bytes", (), dense=False)
FOUND = (
    number("x", mean=10.0, variance=4.0, unit="m"),
    number("taxi", role="z_score_per_key", key="tail", by_key=table_by_key({b"N1": (4, 1.0, 4.0), b"N2": (4, 0, 1)})),
    words("carrier", {b"UA": 6, b"B6": 4}),
)


def source(*found: FeatureConstants, tail: Feature = TAIL) -> NormalizationConstants:
    constants = set_of(*(found or FOUND)).with_provenance(Provenance("ab" * 32, "0.1.0", ("1",)))
    return dataclasses.replace(constants, plan=FeaturePlan((*constants.plan.features, tail)))


def plan(**changes: dict[str, Any]) -> FeaturePlan:
    """The plan of ``FOUND`` with the settings of some features changed."""
    features = (*(constants.feature for constants in FOUND), TAIL)
    return FeaturePlan(tuple(dataclasses.replace(feature, **changes.get(feature.name, {})) for feature in features))


def refusal(constants: NormalizationConstants, wanted: FeaturePlan) -> str:
    with pytest.raises(SchemaError) as caught:
        fitted(constants, wanted, "runs/other")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_numbers_are_those_of_the_source_and_where_they_come_from_is_recorded() -> None:
    found = fitted(source().with_graph("cd" * 32), plan(), "runs/other")
    assert found.digest == source().digest
    assert found.provenance == Provenance("", "", ("1",), "runs/other", source().digest, "ab" * 32, "0.1.0")
    assert (found.rows, found.graph_sha256) == (100, "")  # its own graph is not written yet
    again = NormalizationConstants.from_json(found.to_json())
    assert (again.digest, again.provenance) == (found.digest, found.provenance)


def test_constants_that_were_pinned_before_name_the_place_that_was_given(tmp_path: Path) -> None:
    pytest.importorskip("tfx.types")
    from components.transform.executor import pinned_constants as in_the_step

    once = fitted(source(), plan(), "runs/other")
    once.save(tmp_path / "constants.json")  # as a run prepares them for its step
    prepared = in_the_step(str(tmp_path), None, plan())
    assert prepared.provenance == once.provenance
    made = dataclasses.replace(once.provenance, schema_digest="12" * 32, code_version="2")
    once.with_provenance(made).with_graph("cd" * 32).save(tmp_path / "constants.json")
    twice = in_the_step(str(tmp_path), None, plan())
    assert twice.provenance == Provenance("", "", ("1",), str(tmp_path), source().digest, "12" * 32, "2")


def test_the_policies_are_the_plans() -> None:
    wanted = plan(x={"clip": 3.0, "missing": "indicator", "nonfinite": "clip"}, taxi={"unseen": "zero"})
    found = fitted(source(), wanted, "runs/other")
    assert found.plan == wanted
    assert (found["x"].feature.clip, found["taxi"].feature.unseen) == (3.0, "zero")
    assert found.digest == source().digest
    encode(found, lambda texts: np_fingerprints(len(texts)))  # it is whole: the graph's numbers can be made of it


def np_fingerprints(n: int) -> Any:
    import numpy as np

    return np.arange(n, dtype=np.int64)


def test_the_order_is_the_plans() -> None:
    reordered = FeaturePlan(tuple(reversed(plan().features)))
    found = fitted(source(), reordered, "runs/other")
    assert list(found) == ["carrier", "taxi", "x"]
    assert found.digest != source().digest == found.provenance.source_digest


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("x", {"role": "min_max"}, "'x' has role 'z_score' but the schema says 'min_max'"),
        ("x", {"dtype": "int64"}, "'x' has dtype 'float32' but the schema says 'int64'"),
        ("x", {"shape": (1,)}, "'x' has shape () but the schema says (1,)"),
        ("x", {"axis": (0,)}, "'x' has axis () but the schema says (0,)"),
        ("x", {"log1p": True}, "'x' has log1p False but the schema says True"),
        ("x", {"unit": "ft"}, "'x' is in 'm' but the schema says 'ft'"),
        ("taxi", {"key": "carrier"}, "'taxi' has key 'tail' but the schema says 'carrier'"),
        ("taxi", {"min_count": 9}, "'taxi' has min_count 1 but the schema says 9"),
        ("taxi", {"max_keys": 1}, "'taxi' has 2 keys but the schema allows max_keys=1"),
        ("tail", {"dtype": "int64"}, "'taxi' has keys of dtype bytes but the schema says int64"),
        ("carrier", {"max_keys": 1}, "'carrier' has 2 keys but the schema allows max_keys=1"),
        ("carrier", {"role": "ignore"}, "'carrier' has constants but no such part in the schema"),
        ("tail", {"role": "category"}, "'tail' has no constants"),
    ],
)
def test_what_does_not_fit_is_named(name: str, change: dict[str, Any], said: str) -> None:
    message = refusal(source(), plan(**{name: change}))
    assert said in message and "runs/other" in message
    assert ";" not in message  # nothing but that


def test_a_unit_that_one_side_does_not_state_is_no_difference() -> None:
    assert fitted(source(), plan(x={"unit": ""}), "a")["x"].unit == ""
    assert fitted(source(), plan(carrier={"unit": "airline"}), "a")["carrier"].unit == "airline"


def test_all_differences_are_listed_at_once() -> None:
    message = refusal(
        source(*FOUND, number("gone")), plan(x={"role": "robust", "unit": "ft"}, tail={"role": "category"})
    )
    for said in ("'tail' has no constants", "'gone' has constants", "'x' has role 'z_score'", "'x' is in 'm'"):
        assert said in message


CONFIG = '[pipeline]\nname = "t"\ntask = "binary"\n[data]\npath = "t.csv"\nschema = "t.pbtxt"\n'


def test_the_configuration_names_the_place(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    source().save(tmp_path / "other" / "constants.json")
    file = tmp_path / "c.toml"
    file.write_text(CONFIG)
    assert pinned_constants(load_config(file), plan()) is None
    file.write_text(CONFIG + '[transform]\nconstants = "other"\n')
    found = pinned_constants(load_config(file), plan())
    assert found is not None and found.digest == source().digest
    assert found.provenance.source == str(tmp_path / "other")


def test_a_place_without_constants_is_an_error_of_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(CONFIG + '[transform]\nconstants = "gone"\n')
    with pytest.raises(ConfigError, match=f"transform.constants: No normalization constants at {tmp_path}/gone"):
        pinned_constants(load_config(file), plan())
