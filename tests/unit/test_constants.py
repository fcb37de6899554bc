import dataclasses
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.constants import DigestError, NormalizationConstants
from components.errors import DataError
from components.feature_plan import Feature, FeaturePlan
from components.moments import Moments
from components.moments.finish import finish
from components.moments.table_statistics import KeyCounts, TableStatistics

X = Feature("x m", "z_score", "float32", (), True, axis=(), unit="metre")
PAIR = Feature("pair", "min_max", "float32", (2,), True, axis=(0,))
WORD = Feature("word", "category", "bytes", (), False)
LABEL = Feature("y", "label", "int64", (), True, missing="error")
VALUES = np.float32([0.1, 1e-45, -3e38, np.nan, np.inf, 7])
PAIRS = np.float32([[1, 1e-30], [2, 1e30], [4, 0]])
WORDS = Counter({b"a": 2, b"\xff\0": 2, "é".encode(): 1})


def constants_of(
    values: Any = VALUES, x: Feature = X, pair: Feature = PAIR, word: Feature = WORD, words: Counter[bytes] = WORDS
) -> NormalizationConstants:
    plan = FeaturePlan((x, Feature("i", "ignore", "bytes", None, False), pair, word, LABEL))
    statistics = {
        x.name: Moments.of(values),
        "pair": Moments.of(PAIRS),
        "word": KeyCounts(words, 1),
        "y": Moments.of(np.int64([-(2**63), 2**63 - 1, 1])),
    }
    return finish(plan, TableStatistics(6, statistics))


def test_constants_are_a_mapping_in_schema_order() -> None:
    constants = constants_of()
    assert list(constants) == ["x m", "pair", "word", "y"]
    assert len(constants) == 4
    assert "i" not in constants
    assert (constants["x m"].name, constants["x m"].role, constants["x m"].unit) == ("x m", "z_score", "metre")
    with pytest.raises(KeyError):
        constants["i"]


def test_sigma_is_the_root_of_the_variance() -> None:
    constants = constants_of(np.float32([2, 4, 4, 4, 5, 5, 7, 9]))
    assert (constants["x m"].variance.item(), constants["x m"].sigma.item()) == (4.0, 2.0)


def test_json_gives_the_same_bits_back() -> None:
    constants = constants_of()
    again = NormalizationConstants.from_json(constants.to_json())
    assert (again.plan, again.rows, list(again), again.digest) == (
        constants.plan,
        6,
        list(constants),
        constants.digest,
    )
    for name, one in constants.items():
        other = again[name]
        assert other.vocabulary == one.vocabulary
        for field in ("count", "missing", "nan", "pos_inf", "neg_inf", "min", "max", "mean", "variance", "sigma"):
            before, after = getattr(one, field), getattr(other, field)
            assert (before.shape, before.dtype, before.tobytes()) == (after.shape, after.dtype, after.tobytes()), field
    assert again.to_json() == constants.to_json()
    assert NormalizationConstants.from_json(constants.to_json().encode()).digest == constants.digest


def test_json_is_strict_json_with_a_version_and_the_digest() -> None:
    def no_constant(text: str) -> Any:
        raise AssertionError(f"{text} is no JSON")

    constants = constants_of()
    table = json.loads(constants.to_json(), parse_constant=no_constant)
    assert (table["format_version"], table["digest"], table["rows"]) == (1, constants.digest, 6)
    assert table["features"][0]["model_names"] == ["x_m"]
    assert table["features"][1]["mean_hex"][0] == (7 / 3).hex()
    assert table["features"][2]["mean"] == "nan"


ROBUST = Feature("r", "robust", "float32", (2,), True, axis=(0,))
KEYED = Feature("k", "z_score_per_key", "float32", (), True, axis=(), key="word")


def rich_constants(
    keyed: Feature = KEYED, values: Any = VALUES, keys: Any = (b"a", b"\xff\0", b"a", b"a", b"b", b"")
) -> Any:
    """With quartiles and a table by key; the first two analysed features."""
    texts = np.empty(len(values), dtype=object)
    texts[:] = keys
    pairs = np.resize(np.float32([1, 2, 1e-45, 4, -3e38, 8]), (len(values), 2))
    plan = FeaturePlan((ROBUST, keyed, dataclasses.replace(WORD, dense=True)))
    return finish(plan, TableStatistics.of(plan, [pairs, values, texts]))


def test_quartiles_and_tables_by_key_come_back_with_the_same_bits() -> None:
    constants = rich_constants()
    again = NormalizationConstants.from_json(constants.to_json())
    assert (again.digest, again.to_json()) == (constants.digest, constants.to_json())
    for field in ("quartiles", "quartile_error"):
        one, other = getattr(constants["r"], field), getattr(again["r"], field)
        assert (one.shape, one.dtype, one.tobytes()) == (other.shape, other.dtype, other.tobytes())
    assert again["r"].quartiles.tolist() == [[np.float32(-3e38), 2], [np.float32(1e-45), 4], [1, 8]]
    assert again["r"].quartile_error.tolist() == [0, 0]
    one, other = constants["k"].by_key, again["k"].by_key
    assert other.keys == one.keys == (b"", b"a", b"\xff\0")
    for field in ("count", "min", "max", "mean", "variance", "sigma"):
        before, after = getattr(one, field), getattr(other, field)
        assert (before.shape, before.dtype, before.tobytes()) == (after.shape, after.dtype, after.tobytes())
    assert one.count.tolist() == [1, 2, 1]
    assert again["k"].quartiles is again["r"].by_key is None


def test_the_digest_covers_quartiles_and_tables_by_key() -> None:
    digest = rich_constants().digest
    assert rich_constants(dataclasses.replace(KEYED, unseen="zero", unit="s")).digest == digest
    others = [
        rich_constants(dataclasses.replace(KEYED, min_count=9)),
        rich_constants(keys=(b"a", b"\xff\0", b"a", b"a", b"b", b"c")),
        rich_constants(keys=(b"a", b"a", b"\xff\0", b"a", b"b", b"")),
    ]
    assert len({digest, *(constants.digest for constants in others)}) == 4
    # The means of the keys are untouched, and still the quartiles count.
    table = rich_constants()["r"]
    moved = dataclasses.replace(table, quartiles=table.quartiles + 1)
    wider = dataclasses.replace(table, quartile_error=table.quartile_error + 1)
    by_name = rich_constants().by_name
    for changed in (moved, wider):
        assert dataclasses.replace(rich_constants(), by_name={**by_name, "r": changed}).digest != digest


def rich_edit(at: int, *path: Any, value: Any) -> str:
    table = json.loads(rich_constants().to_json())
    place = table["features"][at]
    for key in path[:-1]:
        place = place[key]
    assert place[path[-1]] != value
    place[path[-1]] = value
    return json.dumps(table)


RICH_EDITS = {
    **{f"decimal {name}": rich_edit(0, name, 0, value=[0.5, 0.5]) for name in ("quartiles",)},
    "hex quartile": rich_edit(0, "quartiles_hex", 1, 1, value=(0.5).hex()),
    "decimal error": rich_edit(0, "quartile_error", 1, value=0.5),
    "hex error": rich_edit(0, "quartile_error_hex", 1, value=(0.5).hex()),
    "no quartiles": rich_edit(0, "quartiles_hex", value=None),
    "key": rich_edit(1, "by_key", "keys", 0, value="z"),
    "key that is none": rich_edit(1, "by_key", "keys", 0, value=7),
    "keys as one text": rich_edit(1, "by_key", "keys", value="abc"),
    "count of a key": rich_edit(1, "by_key", "count", 1, value=3),
    "count of a fraction": rich_edit(1, "by_key", "count", 1, value=2.5),
    **{f"decimal {n} of a key": rich_edit(1, "by_key", n, 1, value=0.5) for n in ("min", "max", "mean", "variance")},
    **{f"hex {n} of a key": rich_edit(1, "by_key", f"{n}_hex", 1, value=(0.5).hex()) for n in ("mean", "variance")},
    "sigma of a key": rich_edit(1, "by_key", "sigma", 1, value=0.5),
    "no table": rich_edit(1, "by_key", value=None),
}


@pytest.mark.parametrize("text", RICH_EDITS.values(), ids=RICH_EDITS)
def test_edited_quartiles_and_tables_are_refused(text: str) -> None:
    with pytest.raises(DigestError, match=r"c\.json"):
        NormalizationConstants.from_json(text, "c.json")


@pytest.mark.parametrize("gone", ["by_key", "quartiles_hex", "quartile_error_hex"])
def test_quartiles_and_tables_that_are_gone_are_missed(gone: str) -> None:
    table = json.loads(rich_constants().to_json())
    (holder,) = [item for item in table["features"] if gone in item]
    del holder[gone]
    with pytest.raises(DigestError, match=r"c\.json"):
        NormalizationConstants.from_json(json.dumps(table), "c.json")


def edited(change: Callable[[Any], None]) -> str:
    table = json.loads(constants_of().to_json())
    change(table)
    return json.dumps(table)


def feature_edit(at: int, key: str, value: Any) -> Callable[[Any], None]:
    def change(table: Any) -> None:
        assert table["features"][at][key] != value
        table["features"][at][key] = value

    return change


TAMPERED: dict[str, Callable[[Any], None]] = {
    "digest": lambda table: table.update(digest="0" * 64),
    "digest of no text": lambda table: table.update(digest=None),
    **{f"decimal {key}": feature_edit(0, key, 0.5) for key in ("min", "max", "mean", "variance", "sigma")},
    **{f"hex {key}": feature_edit(0, f"{key}_hex", (0.5).hex()) for key in ("min", "max", "mean", "variance", "sigma")},
    **{f"count {key}": feature_edit(0, key, 3) for key in ("count", "missing", "nan", "pos_inf", "neg_inf")},
    "count of a fraction": feature_edit(0, "count", 4.5),
    "count as text": feature_edit(0, "count", "4"),
    "count of null": feature_edit(0, "count", None),
    "one element": feature_edit(1, "max", [4.0, 5.0]),
    "one element too many": feature_edit(1, "count", [3, 3, 3]),
    "both forms": lambda table: table["features"][0].update(mean=0.5, mean_hex=(0.5).hex()),
    "hex that is none": feature_edit(0, "mean_hex", "zzz"),
    "decimal that is none": feature_edit(0, "mean", "many"),
    "hex gone": lambda table: table["features"][0].pop("mean_hex"),
    "count gone": lambda table: table["features"][0].pop("count"),
    "sigma gone": lambda table: table["features"][0].pop("sigma"),
    "nan to a number": feature_edit(2, "mean", 0.0),
    "role": feature_edit(0, "role", "min_max"),
    "unit": feature_edit(0, "unit", "foot"),
    "role of the plan": lambda table: table["plan"][0].update(role="min_max"),
    "axis of the plan": lambda table: table["plan"][2].update(axis=[]),
    "vocabulary count": lambda table: table["features"][2]["vocabulary"][0].__setitem__(1, 9),
    "vocabulary key": lambda table: table["features"][2]["vocabulary"][0].__setitem__(0, "b"),
    "vocabulary order": lambda table: table["features"][2]["vocabulary"].reverse(),
    "vocabulary gone": lambda table: table["features"][2].pop("vocabulary"),
    "vocabulary of numbers": lambda table: table["features"][2].update(vocabulary=[[1, 2]]),
    "feature gone": lambda table: table["features"].pop(),
    "features swapped": lambda table: table["features"].reverse(),
}


@pytest.mark.parametrize("change", TAMPERED.values(), ids=TAMPERED)
def test_an_edited_file_is_refused(change: Callable[[Any], None]) -> None:
    with pytest.raises(DigestError, match=r"c\.json"):
        NormalizationConstants.from_json(edited(change), "c.json")


BESIDE_THE_VALUES: dict[str, Callable[[Any], None]] = {
    "rows": lambda table: table.update(rows=7),
    "policy of the plan": lambda table: table["plan"][0].update(clip=3.0),
    "ignored feature of the plan": lambda table: table["plan"][1].update(name="j"),
    "a frozen graph": lambda table: table.update(frozen_graph_sha256="ab" * 32),
    "spans": lambda table: table.update(spans=["1"]),
    "a key of nobody": lambda table: table.update(colour="red"),
    "checksum": lambda table: table.update(content_sha256="0" * 64),
    "no checksum": lambda table: table.pop("content_sha256"),
    "checksum of no text": lambda table: table.update(content_sha256=None),
}


@pytest.mark.parametrize("change", BESIDE_THE_VALUES.values(), ids=BESIDE_THE_VALUES)
def test_a_file_edited_beside_its_values_is_refused(change: Callable[[Any], None]) -> None:
    with pytest.raises(DigestError, match=r"c\.json states content_sha256"):
        NormalizationConstants.from_json(edited(change), "c.json")


def test_another_writer_may_write_a_whole_number_without_its_fraction() -> None:
    text = constants_of().to_json()
    assert " 1.0," in text
    assert NormalizationConstants.from_json(text.replace(" 1.0,", " 1,")).digest == constants_of().digest


def test_an_untouched_file_that_went_through_another_json_writer_is_accepted() -> None:
    text = json.dumps(json.loads(constants_of().to_json()), indent=None, sort_keys=True, ensure_ascii=False)
    assert NormalizationConstants.from_json(text).digest == constants_of().digest


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '"text"',
        "{}",
        '{"format_version": 2}',
        '{"format_version": "1"}',
        '{"format_version": null}',
        '{"format_version": 1}',
        edited(lambda table: table.pop("digest")),
        edited(lambda table: table.pop("plan")),
        edited(lambda table: table.update(rows="many")),
        edited(lambda table: table["features"][0].update(name="unheard of")),
        edited(lambda table: table["plan"][0].update(colour="red")),
    ],
)
def test_what_holds_no_constants_of_this_version_is_a_data_error(text: str) -> None:
    with pytest.raises(DataError, match=r"c\.json") as caught:
        NormalizationConstants.from_json(text, "c.json")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("version", ["2", "true", "1.0"])
def test_another_format_version_is_named(version: str) -> None:
    with pytest.raises(DataError, match=rf"format_version {json.loads(version)!r}; this version reads 1"):
        NormalizationConstants.from_json(edited(lambda table: table.update(format_version=json.loads(version))))


def test_the_digest_is_the_same_in_another_process() -> None:
    code = "import sys; from components import NormalizationConstants as N; print(N.from_json(sys.stdin.read()).digest)"
    command = [sys.executable, "-c", code + "; assert 'tensorflow' not in sys.modules"]
    text = constants_of().to_json()
    output = subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout
    assert output.strip() == constants_of().digest
    assert len(output.strip()) == 64


def test_the_digest_does_not_depend_on_unit_policies_or_the_order_of_rows_and_keys() -> None:
    digest = constants_of().digest
    assert constants_of(x=dataclasses.replace(X, unit="foot")).digest == digest
    assert constants_of(x=dataclasses.replace(X, clip=3.0, missing="indicator")).digest == digest
    assert constants_of(VALUES[::-1]).digest == digest
    assert constants_of(words=Counter(dict(reversed(WORDS.items())))).digest == digest


def test_the_digest_does_not_depend_on_which_zero_came_first() -> None:
    assert constants_of(np.float32([0.0, -0.0, 1])).digest == constants_of(np.float32([-0.0, 0.0, 1])).digest


def test_the_digest_depends_on_all_that_the_data_determine() -> None:
    bigger = VALUES.copy()
    bigger[-1] = np.nextafter(bigger[-1], np.float32(8))
    others = [
        constants_of(VALUES[:-1]),
        constants_of(np.append(VALUES, np.float32(np.nan))),
        constants_of(bigger),
        constants_of(x=dataclasses.replace(X, role="min_max")),
        constants_of(x=dataclasses.replace(X, name="z")),
        constants_of(pair=dataclasses.replace(PAIR, axis=())),
        constants_of(words=WORDS + Counter({b"a": 1})),
        constants_of(words=WORDS + Counter({b"b": 1})),
    ]
    assert len({constants.digest for constants in [constants_of(), *others]}) == len(others) + 1


def test_constants_are_saved_and_loaded_by_file_or_folder(tmp_path: Path) -> None:
    constants = constants_of()
    constants.save(tmp_path / "constants.json")
    assert [file.name for file in tmp_path.iterdir()] == ["constants.json"]
    for where in (tmp_path, str(tmp_path), f"{tmp_path}/", tmp_path / "constants.json"):
        assert NormalizationConstants.load(where).digest == constants.digest


def test_the_place_of_a_file_does_not_enter_it(tmp_path: Path) -> None:
    files = [tmp_path / "a.json", tmp_path / "b.json"]
    for file in files:
        constants_of().save(file)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_place_without_constants_is_a_data_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe")
    for where in (tmp_path, tmp_path / "none.json", tmp_path / "binary.json"):
        with pytest.raises(DataError, match=str(where)):
            NormalizationConstants.load(where)


def test_an_edited_file_is_named_when_it_is_loaded(tmp_path: Path) -> None:
    file = tmp_path / "constants.json"
    file.write_text(edited(feature_edit(0, "mean", 0.5)))
    with pytest.raises(DigestError, match=rf"{file}.*'x m' has mean 0\.5"):
        NormalizationConstants.load(tmp_path)
