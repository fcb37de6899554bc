"""``analyze``: from files of tf.Examples to a FrozenTransform, without a pipeline."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from graph_tables import Row, constants_of, feature, plan_of, serialized, write_records
from tensorflow_metadata.proto.v0 import schema_pb2

from components import analyze
from components.errors import ConfigError, DataError, SchemaError
from components.moments.finish import finish
from components.transform.analyze import matching_files, read_statistics

SCHEMA = (
    feature("x", "FLOAT", "z_score"),
    feature("n", "INT", "z_score", shape=""),
    feature("pair", "FLOAT", "min_max", shape="2"),
    feature("steps", "FLOAT", "z_score", "log1p", shape="variable"),
    feature("price", "FLOAT", "robust"),
    feature("delay", "FLOAT", "z_score_per_key:carrier", "min_count=5"),
    feature("carrier", "BYTES", "category"),
    feature("unused", "BYTES", "ignore"),
    feature("w", "FLOAT", "weight", shape=""),
    feature("y", "BYTES", "label", shape=""),
)
PLAN = plan_of(*SCHEMA)
PROTO = text_format.Parse("".join(SCHEMA), schema_pb2.Schema())


def rows(n: int) -> list[Row]:
    random = np.random.default_rng(8)

    def single(value: float) -> float:
        return float(np.float32(value))

    return [
        {
            "x": [None, float("nan"), float("inf"), single(random.normal(1e6, 1))][min(3, i % 9)],
            "n": int(2**60 + random.integers(2**55)),
            "pair": [single(v) for v in random.normal(0, 1e20, 2)],
            "steps": [single(v) for v in random.gamma(2, 10, int(random.integers(4)))],
            "price": single(random.lognormal()),
            "delay": single(random.normal(1e4, 1)),
            "carrier": [b"UA", b"UA", b"UA\0", b"", None][i % 5],
            "unused": b"u",
            "w": single(random.choice([0, 0.1, 1, 7])),
            "y": [b"no", b"yes"][i % 2],
        }
        for i in range(n)
    ]


ROWS = rows(600)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_records(PLAN, ROWS, tmp_path_factory.mktemp("records") / "all.gz")


def exact(values: list[Any], weights: list[float]) -> tuple[float, float]:
    used = [(Fraction(x), Fraction(w)) for x, w in zip(values, weights, strict=True) if w]
    total = sum(w for _, w in used)
    mean = sum(w * x for x, w in used) / total
    return float(mean), float(sum(w * (x - mean) ** 2 for x, w in used) / total)


def test_the_constants_are_exact_fractions_rounded_once(file: Path) -> None:
    found = analyze(file, PROTO).constants
    weights = [row["w"] for row in ROWS]
    assert found.rows == 600
    assert (found["n"].mean.item(), found["n"].variance.item()) == exact([row["n"] for row in ROWS], weights)
    finite = [(row["x"], row["w"]) for row in ROWS if row["x"] is not None and np.isfinite(row["x"])]
    assert (found["x"].mean.item(), found["x"].variance.item()) == exact(*map(list, zip(*finite, strict=True)))
    for at in range(2):
        column = [row["pair"][at] for row in ROWS]
        assert (found["pair"].mean[at], found["pair"].variance[at]) == exact(column, weights)
    keyed = found["delay"].by_key
    assert keyed is not None
    assert keyed.keys == (b"", b"UA", b"UA\0")
    for at, key in enumerate(keyed.keys):
        mine = [row for row in ROWS if row["carrier"] == key]
        column, mine_weights = [row["delay"] for row in mine], [row["w"] for row in mine]
        assert (keyed.mean[at], keyed.variance[at]) == exact(column, mine_weights)
    price = [row["price"] for row in ROWS if row["w"]]
    assert found["price"].quartiles is not None
    assert found["price"].quartiles.tolist() == np.quantile(price, [0.25, 0.5, 0.75], method="inverted_cdf").tolist()
    weighing = [row for row in ROWS if row["w"]]
    assert found["steps"].count == sum(len(row["steps"]) for row in weighing)
    assert found["steps"].missing == sum(not row["steps"] for row in weighing)
    assert found["x"].count + found["x"].missing + found["x"].nan + found["x"].pos_inf == len(weighing)


def test_batches_shards_and_order_do_not_enter_the_digest(file: Path, tmp_path: Path) -> None:
    expected = constants_of(PLAN, ROWS).digest
    for size in (7, 64, 10_000):
        assert finish(PLAN, read_statistics([str(file)], PLAN, size).statistics).digest == expected
    few = write_records(PLAN, ROWS[:40], tmp_path / "few")
    assert finish(PLAN, read_statistics([str(few)], PLAN, 1).statistics).digest == constants_of(PLAN, ROWS[:40]).digest
    order = np.random.default_rng(3).permutation(600)
    for shards in (1, 3, 16):
        folder = tmp_path / str(shards)
        folder.mkdir()
        for shard in range(shards):
            ending = ".gz" if shard % 2 else ""
            write_records(PLAN, [ROWS[at] for at in order[shard::shards]], folder / f"part-{shard}{ending}")
        assert analyze(f"{folder}/part-*", PROTO).digest == expected


def test_an_empty_shard_changes_nothing(file: Path, tmp_path: Path) -> None:
    empty = write_records(PLAN, [], tmp_path / "none")
    assert analyze([empty, file], PROTO).digest == analyze(file, PROTO).digest


def test_the_transform_is_ready_to_use(file: Path) -> None:
    frozen = analyze(str(file), PROTO)
    found = frozen(frozen.parse(tf.constant([serialized(PLAN, row) for row in ROWS[:9]])))
    assert found["y"].numpy().tolist() == [0, 1, 0, 1, 0, 1, 0, 1, 0]
    assert found["carrier"].numpy().tolist()[:5] == [1, 1, found["carrier"].numpy()[2], found["carrier"].numpy()[3], 0]
    x = frozen.constants["x"]
    expected = np.float32((ROWS[8]["x"] - x.mean) / x.sigma)
    np.testing.assert_array_max_ulp(found["x"].numpy()[8], expected, maxulp=1)
    assert found["x"].numpy()[:3].tolist() == [0, 0, 0]


def test_a_schema_may_be_given_by_its_path(file: Path, tmp_path: Path) -> None:
    path = tmp_path / "schema.pbtxt"
    path.write_text("".join(SCHEMA))
    assert analyze(file, path).digest == analyze(file, str(path)).digest == constants_of(PLAN, ROWS).digest


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_a_damaged_file_is_named(file: Path, tmp_path: Path, ending: str) -> None:
    good = write_records(PLAN, ROWS[:20], tmp_path / f"good{ending}")
    bad = tmp_path / f"bad{ending}"
    whole = good.read_bytes()
    bad.write_bytes(whole[: len(whole) // 2 if ending else -3])  # TensorFlow does not mind a short gzip trailer
    with pytest.raises(DataError, match=f"Cannot read {bad}") as caught:
        analyze([good, bad], PROTO)
    assert "\n" not in str(caught.value)


def test_a_file_of_something_else_is_named(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("a,b\n1,2\n" * 20)
    with pytest.raises(DataError, match=r"Cannot read .*data\.csv"):
        analyze(tmp_path / "data.csv", PROTO)
    with tf.io.TFRecordWriter(str(tmp_path / "texts")) as writer:
        writer.write(b"no example")
    with pytest.raises(DataError, match=r"Cannot read .*texts"):
        analyze(tmp_path / "texts", PROTO)


def test_a_row_without_a_required_column_is_named_with_its_file(tmp_path: Path) -> None:
    file = write_records(PLAN, [{**ROWS[0], "n": None}], tmp_path / "r")
    with pytest.raises(DataError, match=r"/r: .*n "):
        analyze(file, PROTO)


def test_what_the_plan_does_not_allow_is_a_data_error(tmp_path: Path) -> None:
    file = write_records(PLAN, [{**ROWS[0], "w": -1.0}], tmp_path / "r")
    with pytest.raises(DataError, match="The weight 'w' must be a number of at least 0"):
        analyze(file, PROTO)
    with pytest.raises(DataError, match="no row"):
        analyze(write_records(PLAN, [], tmp_path / "none"), PROTO)


def test_no_file_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"No TFRecord file matches .*none-\*"):
        analyze(f"{tmp_path}/none-*", PROTO)


def test_files_are_sorted_within_each_pattern(tmp_path: Path) -> None:
    for name in ("b-2", "b-1", "a-1"):
        (tmp_path / name).touch()
    found = matching_files([f"{tmp_path}/b-*", tmp_path / "a-1"])
    assert [Path(name).name for name in found] == ["b-1", "b-2", "a-1"]


def test_an_unknown_engine_and_a_bad_schema_are_errors(file: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'in_process', 'beam' or 'spark' but is 'flink'"):
        analyze(file, PROTO, engine="flink")  # type: ignore[arg-type]
    with pytest.raises(SchemaError):
        analyze(file, tmp_path / "none.pbtxt")


@pytest.mark.beam
def test_beam_finds_the_same_constants_and_the_same_outputs(file: Path) -> None:
    here, there = analyze(file, PROTO), analyze(file, PROTO, engine="beam")
    assert there.digest == here.digest
    assert there.constants.to_json() == here.constants.to_json()
    raw = here.parse(tf.constant([serialized(PLAN, row) for row in ROWS[:50]]))
    one, other = here(raw), there(raw)
    for name, values in one.items():
        for left, right in zip(tf.nest.flatten(values, True), tf.nest.flatten(other[name], True), strict=True):
            assert left.numpy().tobytes() == right.numpy().tobytes(), name


@pytest.mark.beam
def test_a_refusal_on_beam_is_the_same_data_error(tmp_path: Path) -> None:
    file = write_records(PLAN, [{**ROWS[0], "w": -1.0}], tmp_path / "r")
    with pytest.raises(DataError, match=r"^The weight 'w' must be a number of at least 0"):
        analyze(file, PROTO, engine="beam")
