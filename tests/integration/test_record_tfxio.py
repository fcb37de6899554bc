"""ParsedTFRecords beside the stock TFExampleRecord: the same batches, tensors and constants."""

from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from beam_analysis import IN_MEMORY
from google.protobuf import text_format
from graph_tables import Row, feature, plan_of, serialized, write_records
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform.tf_metadata import schema_utils
from tfx_bsl.public import tfxio

from components.errors import DataError, input_error_in
from components.transform.record_tfxio import ParsedTFRecords

pytestmark = pytest.mark.beam

SCHEMA = (
    feature("one", "FLOAT", "z_score", shape=""),
    feature("pair", "FLOAT", "z_score", shape="2"),
    feature("n", "INT", "z_score", shape=""),
    feature("name", "BYTES", "passthrough", shape=""),
    feature("maybe", "FLOAT", "z_score"),
    feature("count", "INT", "z_score"),
    feature("word", "BYTES", "category"),
    feature("steps", "FLOAT", "z_score", shape="variable"),
    feature("ids", "INT", "z_score", shape="variable"),
)
PLAN = plan_of(*SCHEMA)
PROTO = text_format.Parse("".join(SCHEMA), schema_pb2.Schema())
ROWS = [
    {
        "one": float(i),
        "pair": [i + 0.5, -float(i)],
        "n": -(2**62) + i,
        "name": b"\xff\0%d" % i,
        "maybe": None if i % 3 else float("nan"),
        "count": None if i % 2 else i,
        "word": None if i % 5 == 0 else b"" if i % 5 == 1 else b"w",
        "steps": [float(j) for j in range(i % 4)] or None,
        "ids": list(range(i % 3)) or None,
    }
    for i in range(101)
]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("shards")
    parts = {"a": ROWS[:40], "b.gz": ROWS[40:70], "c": [], "d": ROWS[70:]}
    return [str(write_records(PLAN, rows, folder / name)) for name, rows in parts.items()]


def table(source: Any, folder: Path, batch_size: int | None = None) -> list[Row]:
    """The rows of all batches of a source, in one order."""

    def write(batch: pa.RecordBatch) -> None:
        assert batch.schema.equals(source.ArrowSchema())
        path = folder / f"{id(batch)}-{len(list(folder.iterdir()))}.arrow"
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)

    folder.mkdir()
    with beam.Pipeline(argv=list(IN_MEMORY)) as pipeline:
        _ = pipeline | source.BeamSource(batch_size) | beam.Map(write)
    rows = [row for path in folder.iterdir() for row in pa.ipc.open_stream(str(path)).read_all().to_pylist()]
    return sorted(rows, key=repr)


def sources(files: list[str], **options: Any) -> tuple[Any, Any]:
    stock = tfxio.TFExampleRecord(files, schema=PROTO, telemetry_descriptors=["test"])
    return ParsedTFRecords(files, PROTO, telemetry_descriptors=["test"], **options), stock


@pytest.mark.parametrize("options", [{}, {"unit_bytes": 2_000}, {"batch_bytes": 500}])
def test_the_batches_are_those_of_the_stock_reader(files: list[str], tmp_path: Path, options: dict[str, int]) -> None:
    ours, stock = sources(files, **options)
    found = table(ours, tmp_path / "ours")
    assert len(found) == len(ROWS)
    assert repr(found) == repr(table(stock, tmp_path / "stock"))


def test_schema_and_tensors_are_those_of_the_stock_reader(files: list[str]) -> None:
    for ours, stock in (sources(files), [source.Project(["pair", "steps", "word"]) for source in sources(files)]):
        assert ours.ArrowSchema().equals(stock.ArrowSchema())
        assert ours.TensorAdapter().TypeSpecs() == stock.TensorAdapter().TypeSpecs()
        assert ours.TensorAdapter().OriginalTypeSpecs() == stock.TensorAdapter().OriginalTypeSpecs()


def test_a_projection_parses_what_it_needs_only(files: list[str], tmp_path: Path) -> None:
    ours, stock = (source.Project(["pair", "steps", "word"]) for source in sources(files))
    found = table(ours, tmp_path / "ours", batch_size=7)
    assert set(found[0]) == {"pair", "steps", "word"}
    assert repr(found) == repr(table(stock, tmp_path / "stock"))


def test_tf_transform_finds_the_same_through_both(files: list[str], tmp_path: Path) -> None:
    def preprocessing_fn(inputs: Any) -> Any:
        words = tft.compute_and_apply_vocabulary(inputs["word"])
        return {"z": tft.scale_to_z_score(inputs["one"]), "s": tft.scale_to_z_score(inputs["steps"]), "w": words}

    found = []
    for at, source in enumerate(sources(files)):
        folder = str(tmp_path / f"{at}")
        with beam.Pipeline(argv=list(IN_MEMORY)) as pipeline, tft_beam.Context(temp_dir=folder):
            data = (pipeline | source.BeamSource(), source.TensorAdapterConfig())
            _ = data | tft_beam.AnalyzeDataset(preprocessing_fn) | tft_beam.WriteTransformFn(folder)
        layer = tft.TFTransformOutput(folder).transform_features_layer()
        spec = schema_utils.schema_as_feature_spec(PROTO).feature_spec
        raw = tf.io.parse_example(tf.constant([serialized(PLAN, row) for row in ROWS]), spec)
        out = layer(raw)
        found.append([out["z"].numpy(), out["s"].values.numpy(), out["w"].values.numpy()])
    for ours, stock in zip(*found, strict=True):
        assert ours == pytest.approx(stock, rel=1e-6)


def test_a_damaged_record_is_named(files: list[str], tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    data = bytearray(Path(files[0]).read_bytes())
    data[len(data) // 2] ^= 255
    bad.write_bytes(data)
    with pytest.raises(DataError) as caught:
        table(sources([files[3], str(bad)])[0], tmp_path / "out")
    assert f"Cannot read {bad}: record " in (input_error_in(caught.value) or "")
