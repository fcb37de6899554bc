"""ArrowExampleGen through Beam: what lands in the artifact, on one worker and on several processes."""

import csv
import gzip
import hashlib
import posixpath
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.beam

tfx_types = pytest.importorskip("tfx.types")
import tensorflow as tf  # noqa: E402
from tfx.dsl.components.base import base_beam_executor  # noqa: E402
from tfx.proto import example_gen_pb2  # noqa: E402
from tfx.types import standard_artifacts  # noqa: E402
from tfx.utils import proto_utils  # noqa: E402

from components.errors import DataError  # noqa: E402
from components.example_gen import shards, tables  # noqa: E402
from components.example_gen.component import ArrowExampleGen  # noqa: E402
from components.example_gen.executor import Executor  # noqa: E402

RUNNER = "--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner"
# With an image named, TFX does not build a package of itself at every start; nothing here looks at the image.
ONE_WORKER = (RUNNER, "--sdk_container_image=unused")
TWO_PROCESSES = (*ONE_WORKER, "--direct_running_mode=multi_processing", "--direct_num_workers=2")
Row = dict[str, Any]


def ingest(
    tmp_path: Path, node: ArrowExampleGen, beam_args: Sequence[str] = ONE_WORKER
) -> tuple[dict[str, list[Row]], standard_artifacts.Examples]:
    """Runs the node's executor; its splits' rows (a missing feature is None) and the artifact."""
    artifact = standard_artifacts.Examples()
    artifact.uri = str(tmp_path / "examples")
    properties = {
        name: proto_utils.proto_to_json(value) if hasattr(value, "DESCRIPTOR") else value
        for name, value in node.spec.exec_properties.items()
    }
    context = base_beam_executor.BaseBeamExecutor.Context(beam_pipeline_args=list(beam_args), tmp_dir=str(tmp_path))
    Executor(context).Do({}, {"examples": [artifact]}, properties)
    uris = {folder.name.removeprefix("Split-"): folder for folder in Path(artifact.uri).iterdir()}
    return {split: rows_of(folder) for split, folder in uris.items()}, artifact


def rows_of(folder: Path) -> list[Row]:
    return [row for file in sorted(folder.glob("*data_tfrecord-*-of-*.gz")) for row in rows_in(file)]


def rows_in(file: Path) -> list[Row]:
    rows = []
    for record in tf.data.TFRecordDataset(str(file), compression_type="GZIP").as_numpy_iterator():
        row: Row = {}
        for name, feature in tf.train.Example.FromString(record).features.feature.items():
            kind = feature.WhichOneof("kind")
            row[name] = getattr(feature, kind).value[0] if kind else None
        rows.append(row)
    return rows


def hand_made_split(cells: list[int | bytes | None]) -> str:
    """Of a row of int64 and bytes columns, from the documented bytes and hashlib alone; 4 : 1."""
    key = b""
    for cell in cells:
        if isinstance(cell, int):
            key += b"i\0" + struct.pack("<Iq", 8, cell)
        elif cell is None:
            key += b"b\1" + bytes(4)
        else:
            key += b"b\0" + struct.pack("<I", len(cell)) + cell
    return "train" if int(hashlib.sha256(key).hexdigest(), 16) % 5 < 4 else "eval"


def write_csv(path: Path, header: list[str], rows: Sequence[Sequence[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def f1_f10(count: int, start: int = 0) -> list[tuple[int, str]]:
    return [(n, "" if n % 7 == 0 else f"t{n % 5}") for n in range(start, start + count)]


def expected_f1_f10(rows: Sequence[tuple[int, str]]) -> dict[str, list[Row]]:
    splits: dict[str, list[Row]] = {"train": [], "eval": []}
    for n, text in rows:
        value = text.encode() or None
        splits[hand_made_split([n, value])].append({"f1": n, "f10": value})
    return splits


def by_f1(splits: dict[str, list[Row]]) -> dict[str, list[Row]]:
    return {split: sorted(rows, key=lambda row: int(row["f1"])) for split, rows in splits.items()}


@pytest.mark.parametrize("beam_args", [ONE_WORKER, TWO_PROCESSES], ids=["one worker", "two processes"])
def test_rows_and_splits_are_those_made_by_hand(tmp_path: Path, beam_args: Sequence[str]) -> None:
    rows = f1_f10(600)
    write_csv(tmp_path / "in" / "1.csv", ["f1", "f10"], rows[:300])
    write_csv(tmp_path / "in" / "2.csv", ["f1", "f10"], rows[300:])
    found, artifact = ingest(tmp_path, ArrowExampleGen(str(tmp_path / "in")), beam_args)
    assert by_f1(found) == expected_f1_f10(rows)
    assert artifact.split_names == '["train", "eval"]'
    assert artifact.get_int_custom_property("rows_read") == 600
    assert artifact.get_int_custom_property("rows_train") == len(found["train"])
    assert sorted(path.name for path in Path(artifact.uri).iterdir()) == ["Split-eval", "Split-train"]


def test_csv_gzip_and_parquet_give_the_same_splits(tmp_path: Path) -> None:
    rows = f1_f10(200)
    write_csv(tmp_path / "c" / "t.csv", ["f1", "f10"], rows)
    plain = (tmp_path / "c" / "t.csv").read_bytes()
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(plain))
    pq.write_table(pa.table({"f1": [n for n, _ in rows], "f10": [t or None for _, t in rows]}), tmp_path / "t.parquet")
    packed, _ = ingest(tmp_path / "1", ArrowExampleGen(str(tmp_path / "t.csv.gz")))
    columnar, _ = ingest(tmp_path / "2", ArrowExampleGen(str(tmp_path / "t.parquet"), data_format="parquet"))
    assert by_f1(packed) == by_f1(columnar) == expected_f1_f10(rows)


def test_big_splits_are_several_shards_of_all_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "ROWS_A_BATCH", 700)
    monkeypatch.setattr(shards, "ROWS_A_SHARD", 1600)
    write_csv(tmp_path / "in.csv", ["f1", "f10"], f1_f10(3000))
    found, artifact = ingest(tmp_path, ArrowExampleGen(str(tmp_path / "in.csv")))
    assert sorted(row["f1"] for rows in found.values() for row in rows) == list(range(3000))
    assert [file.name for file in sorted(Path(artifact.uri, "Split-train").iterdir())] == [
        "data_tfrecord-00000-of-00002.gz",
        "data_tfrecord-00001-of-00002.gz",
    ]


def test_several_input_splits_become_the_output_splits(tmp_path: Path) -> None:
    write_csv(tmp_path / "in" / "learn" / "1.csv", ["f1"], [[1], [2]])
    write_csv(tmp_path / "in" / "judge" / "1.csv", ["f1"], [[3.5]])
    config = example_gen_pb2.Input(
        splits=[
            example_gen_pb2.Input.Split(name="learn", pattern="learn/*"),
            example_gen_pb2.Input.Split(name="judge", pattern="judge/*"),
        ]
    )
    found, _ = ingest(tmp_path, ArrowExampleGen(str(tmp_path / "in"), input_config=config))
    # one type for both: 1 and 2 are floats because of 3.5
    assert {split: [row["f1"] for row in rows] for split, rows in found.items()} == {
        "learn": [1.0, 2.0],
        "judge": [3.5],
    }


def test_a_partition_feature_keeps_its_values_together_and_require_leaves_rows_out(tmp_path: Path) -> None:
    rows = [(f"2013-01-{1 + n % 28:02d}", n, "" if n % 10 == 0 else n % 2) for n in range(560)]
    write_csv(tmp_path / "in.csv", ["day", "n", "y"], rows)
    output = example_gen_pb2.Output(
        split_config=example_gen_pb2.SplitConfig(
            splits=[
                example_gen_pb2.SplitConfig.Split(name="train", hash_buckets=4),
                example_gen_pb2.SplitConfig.Split(name="eval", hash_buckets=1),
            ],
            partition_feature_name="day",
        )
    )
    node = ArrowExampleGen(str(tmp_path / "in.csv"), output_config=output, require=["y"])
    found, artifact = ingest(tmp_path, node)
    for split, kept in found.items():
        assert {hand_made_split([row["day"]]) for row in kept} == {split}
    assert sorted(row["n"] for kept in found.values() for row in kept) == [n for n in range(560) if n % 10]
    assert artifact.get_int_custom_property("rows_left_out") == 56
    assert artifact.get_int_custom_property("rows_train") + artifact.get_int_custom_property("rows_eval") == 504


def test_the_schema_decides_on_types_and_order(tmp_path: Path) -> None:
    (tmp_path / "schema.pbtxt").write_text('feature { name: "zip" type: BYTES } feature { name: "n" type: INT }')
    write_csv(tmp_path / "in.csv", ["n", "zip", "more"], [[n, f"0{n}", 0.5] for n in range(100)])
    found, _ = ingest(tmp_path, ArrowExampleGen(str(tmp_path / "in.csv"), schema_uri=str(tmp_path / "schema.pbtxt")))
    head = b"b\0" + struct.pack("<I", 3)
    for split, rows in found.items():
        for row in rows:
            assert row["more"] == 0.5
            key = head[:2] + struct.pack("<I", len(row["zip"])) + row["zip"]
            key += b"i\0" + struct.pack("<Iq", 8, row["n"]) + b"f\0" + struct.pack("<If", 4, 0.5)
            assert ("train" if int(hashlib.sha256(key).hexdigest(), 16) % 5 < 4 else "eval") == split
            assert row["zip"] == b"0%d" % row["n"]


@pytest.mark.parametrize("beam_args", [ONE_WORKER, TWO_PROCESSES], ids=["one worker", "two processes"])
def test_a_bad_value_is_one_clear_line(tmp_path: Path, beam_args: Sequence[str]) -> None:
    (tmp_path / "schema.pbtxt").write_text('feature { name: "f1" type: INT }')
    write_csv(tmp_path / "in" / "1.csv", ["f1"], [[1], [2]])
    write_csv(tmp_path / "in" / "2.csv", ["f1"], [[1], ["oops"]])
    node = ArrowExampleGen(str(tmp_path / "in"), schema_uri=str(tmp_path / "schema.pbtxt"))
    with pytest.raises(DataError) as caught:
        ingest(tmp_path, node, beam_args)
    assert str(caught.value) == (
        f"{tmp_path}/in/2.csv, line 3, column 'f1': 'oops' is not an integer, and the column is int64. "
        "Correct the value, name it as a missing value, or declare the column BYTES."
    )


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([], {}, "holds column names but no rows"),
        ([[""], ["NA"]], {"require": ["f1"]}, "All 2 rows lack a value that is required"),
        ([[1]], {"require": ["y"]}, "The required column 'y' is not in the data. The columns are f1."),
    ],
)
def test_nothing_to_learn_from_is_one_clear_line(
    tmp_path: Path, rows: list[list[Any]], options: dict[str, Any], message: str
) -> None:
    write_csv(tmp_path / "in.csv", ["f1"], rows)
    with pytest.raises(DataError, match=message):
        ingest(tmp_path, ArrowExampleGen(str(tmp_path / "in.csv"), **options))


def test_only_reported_attempts_are_published_and_publishing_twice_changes_nothing(tmp_path: Path) -> None:
    write_csv(tmp_path / "in.csv", ["f1", "f10"], f1_f10(50))
    types = tables.infer_types([str(tmp_path / "in.csv")])
    plan = shards.Plan(
        "csv", types, tables.DEFAULT_NULL_VALUES, (), {"train": 4, "eval": 1}, None, str(tmp_path / "work")
    )
    source = shards.Source(0, str(tmp_path / "in.csv"), None)
    lost = list(shards.WriteShards(plan).process(source))
    counted = list(shards.WriteShards(plan).process(source))
    uris = {split: posixpath.join(str(tmp_path), f"Split-{split}") for split in plan.buckets}
    assert shards.publish(None, counted, uris) == shards.publish(None, counted, uris)
    assert {split: rows_of(Path(uri)) for split, uri in uris.items()} == expected_f1_f10(f1_f10(50))
    left = {shard.path for shard in lost if isinstance(shard, shards.Shard)}
    assert {str(path) for path in (tmp_path / "work").glob("*/*")} == left


def test_a_split_without_rows_is_an_empty_file(tmp_path: Path) -> None:
    write_csv(tmp_path / "in.csv", ["f1"], [[1]])
    found, artifact = ingest(tmp_path, ArrowExampleGen(str(tmp_path / "in.csv")))
    assert sorted(len(rows) for rows in found.values()) == [0, 1]
    for split in found:
        assert (Path(artifact.uri) / f"Split-{split}" / "data_tfrecord-00000-of-00001.gz").exists()


def test_span_patterns_and_the_cache_of_a_real_run(tmp_path: Path) -> None:
    from tfx.orchestration import metadata, pipeline
    from tfx.orchestration.local.local_dag_runner import LocalDagRunner

    def run(code: str) -> list[Any]:
        node = ArrowExampleGen(
            str(tmp_path / "in"),
            input_config=example_gen_pb2.Input(
                splits=[example_gen_pb2.Input.Split(name="all", pattern="span-{SPAN}/*.csv")]
            ),
            code_digest=code,
        )
        connection = metadata.sqlite_metadata_connection_config(str(tmp_path / "metadata.db"))
        LocalDagRunner().run(
            pipeline.Pipeline(
                "spans", str(tmp_path / "root"), metadata_connection_config=connection, components=[node],
                enable_cache=True, beam_pipeline_args=list(ONE_WORKER),
            )
        )  # fmt: skip
        with metadata.Metadata(connection) as handle:
            return list(handle.store.get_artifacts_by_type("Examples"))

    write_csv(tmp_path / "in" / "span-1" / "t.csv", ["f1", "f10"], f1_f10(10))
    write_csv(tmp_path / "in" / "span-2" / "t.csv", ["f1", "f10"], f1_f10(20))
    (first,) = run("a")
    assert first.custom_properties["span"].int_value == 2 or first.properties["span"].int_value == 2
    assert first.custom_properties["rows_read"].int_value == 20
    assert len(run("a")) == 1  # from the cache
    assert len(run("b")) == 2  # our code changed


def test_anything_that_tf_io_gfile_opens(tmp_path: Path) -> None:
    rows = f1_f10(40)
    write_csv(tmp_path / "t.csv", ["f1", "f10"], rows)
    pq.write_table(pa.table({"f1": [n for n, _ in rows], "f10": [t or None for _, t in rows]}), tmp_path / "t.parquet")
    data = {name: (tmp_path / name).read_bytes() for name in ("t.csv", "t.parquet")}
    data["t.csv.gz"] = gzip.compress(data["t.csv"])
    for name, content in data.items():
        with tf.io.gfile.GFile(f"ram://ingestion/{name}/{name}", "wb") as file:
            file.write(content)
        data_format = "parquet" if name.endswith("parquet") else "csv"
        for path in (f"ram://ingestion/{name}", f"ram://ingestion/{name}/t*", f"ram://ingestion/{name}/{name}"):
            files = tables.list_files(path)
            types = tables.infer_types(files, data_format)
            found = pa.Table.from_batches(list(tables.read_batches(files, data_format, types))).to_pylist()
            assert [(row["f1"], (row["f10"] or b"").decode()) for row in found] == rows
        with pytest.raises(DataError, match="No such file: ram://ingestion/nowhere"):
            tables.list_files("ram://ingestion/nowhere.csv")
