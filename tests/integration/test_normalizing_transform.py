"""NormalizingTransform through TFX: what it measures, writes, takes from elsewhere and leaves to tf.Transform."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from graph_tables import Row, constants_of, feature, plan_of, serialized, tensors, write_records

from components import FrozenTransform, NormalizationConstants
from components.errors import ConfigError, DataError, input_error_in
from components.provenance import Provenance
from components.rows_read import RowsRead, UnitRows
from components.transform.record_tfxio import ParsedTFRecords

pytestmark = pytest.mark.beam

RUNNER = "--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner"
SCHEMA = (
    feature("x", "FLOAT", "z_score"),
    feature("pair", "INT", "z_score", shape="2"),
    feature("taxi", "FLOAT", "z_score_per_key:key"),
    feature("key", "BYTES", "category"),
    feature("unused", "BYTES", "ignore"),
    feature("y", "INT", "label", shape=""),
)
PLAN = plan_of(*SCHEMA)


def rows(first: int, last: int) -> list[Row]:
    return [
        {
            "x": None if i % 5 == 0 else i / 7,
            "pair": [i, i * i],
            "taxi": float(i),
            "key": f"key {i % 3}".encode(),
            "unused": b"u",
            "y": i % 2,
        }
        for i in range(first, last)
    ]


TRAIN, EVAL = rows(0, 120), rows(120, 150)

OWN = """
import tensorflow as tf
import tensorflow_transform as tft
from components import FeaturePlan, global_moments
from components.transform.preprocessing import apply_plan


def preprocessing_fn(inputs, custom_config):
    plan = FeaturePlan.from_json(custom_config["feature_plan"])
    outputs = apply_plan(inputs, plan, global_moments)
    first = tf.cast(inputs["pair"][:, 0], tf.float32)
    return {**outputs, "largest": tf.zeros_like(first) + tf.cast(tft.max(first), tf.float32) * custom_config["times"]}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    (folder / "data").mkdir()
    write_records(PLAN, TRAIN[:50], folder / "data" / "train-0.gz")
    write_records(PLAN, TRAIN[50:], folder / "data" / "train-1.gz")
    write_records(PLAN, EVAL, folder / "data" / "eval-0.gz")
    (folder / "schema.pbtxt").write_text("".join(SCHEMA))
    (folder / "own_preprocessing.py").write_text(OWN)
    return folder


def run(project: Path, name: str, schema: str = "schema.pbtxt", **options: Any) -> Path:
    """Runs examples -> schema -> NormalizingTransform in a root of its own, and returns the component's folder."""
    from tfx import v1 as tfx

    from components import NormalizingTransform

    splits = [tfx.proto.Input.Split(name=split, pattern=f"{split}-*") for split in ("train", "eval")]
    example_gen = tfx.components.ImportExampleGen(
        input_base=str(project / "data"), input_config=tfx.proto.Input(splits=splits)
    )
    schema_gen = tfx.components.ImportSchemaGen(schema_file=str(project / schema))
    transform = NormalizingTransform(
        examples=example_gen.outputs["examples"], schema=schema_gen.outputs["schema"], **options
    )
    metadata = tfx.orchestration.metadata.sqlite_metadata_connection_config(str(project / name / "metadata.db"))
    (project / name).mkdir(exist_ok=True)
    tfx.orchestration.LocalDagRunner().run(
        tfx.dsl.Pipeline(
            pipeline_name="ours",
            pipeline_root=str(project / name / "artifacts"),
            components=[example_gen, schema_gen, transform],
            enable_cache=True,
            metadata_connection_config=metadata,
            beam_pipeline_args=[RUNNER],
        )
    )
    return project / name / "artifacts" / "NormalizingTransform"


def only(folder: Path) -> Path:
    (found,) = folder.iterdir()
    return found


@pytest.fixture(scope="module")
def written(project: Path) -> Path:
    return run(project, "default")


def test_the_constants_are_those_of_the_training_split_alone(written: Path) -> None:
    found = NormalizationConstants.load(only(written / "constants"))
    assert found.digest == constants_of(PLAN, TRAIN).digest
    assert found.rows == 120
    # By hand: 0..119 has mean 59.5 and variance (120**2 - 1) / 12.
    assert found["pair"].mean[0] == 59.5
    assert found["pair"].variance[0] == (120**2 - 1) / 12


def test_graph_frozen_graph_and_constants_lie_in_one_folder(written: Path) -> None:
    graph = only(written / "transform_graph")
    assert {"transform_fn", "frozen_transform.pb", "constants.json"} <= {file.name for file in graph.iterdir()}
    assert not (graph / ".temp_path").exists()
    assert (graph / "constants.json").read_bytes() == (only(written / "constants") / "constants.json").read_bytes()
    assert not (written / "transformed_examples").exists()


def test_what_the_reader_read_lies_beside_them(written: Path, project: Path) -> None:
    read = RowsRead.load(str(only(written / "transform_graph")))
    assert read is not None and read.splits == ("train",)
    files = sorted(only(project / "default/artifacts/ImportExampleGen/examples").glob("Split-train/*"))
    lengths = {
        file.name: [len(text) + 16 for text in tf.data.TFRecordDataset(str(file), "GZIP").as_numpy_iterator()]
        for file in files
    }
    assert read.units == tuple(
        UnitRows(name, 0, None, len(found), sum(found), "train") for name, found in lengths.items()
    )
    assert read.rows == 120


def test_the_standard_graph_has_the_bits_of_the_frozen_one(written: Path) -> None:
    import tensorflow_transform as tft

    graph = only(written / "transform_graph")
    stock = tft.TFTransformOutput(str(graph))
    assert stock.transformed_feature_spec().keys() == {"x", "pair", "taxi", "key", "y"}
    raw = tensors(PLAN, EVAL)
    ours, theirs = FrozenTransform.load(graph)(raw), stock.transform_raw_features(raw)
    assert ours.keys() == theirs.keys()
    for name, values in ours.items():
        assert values.numpy().tobytes() == theirs[name].numpy().tobytes(), name


def test_the_frozen_graph_serves_an_empty_example_but_for_what_has_a_shape(written: Path) -> None:
    frozen = FrozenTransform.load(only(written / "transform_graph"))
    found = frozen(frozen.parse(tf.constant([serialized(PLAN, {"pair": [1, 2]})]), label=False))
    assert (found["x"].numpy().tolist(), found["key"].numpy().tolist()) == ([0], [0])


def test_metadata_knows_digest_rows_and_features(written: Path, project: Path) -> None:
    from tfx.orchestration import metadata

    connection = metadata.sqlite_metadata_connection_config(str(project / "default" / "metadata.db"))
    with metadata.Metadata(connection) as store:
        (artifact,) = store.store.get_artifacts_by_type("tfxnorm.NormalizationConstants")
    values = {name: value.string_value or value.int_value for name, value in artifact.custom_properties.items()}
    digest = NormalizationConstants.load(only(written / "constants")).digest
    assert (values["digest"], values["rows"], values["features"]) == (digest, 120, 5)
    read = sum(path.stat().st_size for path in (project / "default").glob("**/Split-train/*") if path.is_file())
    assert (values["bytes_measured"], values["bytes_reused"], values["spans_measured"]) == (read, 0, "[]")


def test_analyzers_of_ones_own_and_materialized_examples_still_work(
    project: Path, written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(project)
    read: list[str] = []
    source = ParsedTFRecords.BeamSource
    monkeypatch.setattr(
        ParsedTFRecords, "BeamSource", lambda self, rows=None: (read.extend(self._file_pattern), source(self, rows))[1]
    )
    folder = run(
        project,
        "own",
        preprocessing_fn="own_preprocessing.preprocessing_fn",
        custom_config={"times": 2.0},
        materialize=True,
        disable_statistics=False,
    )
    frozen = FrozenTransform.load(only(folder / "transform_graph"))
    assert frozen.digest == FrozenTransform.load(only(written / "transform_graph")).digest
    files = sorted(only(folder / "transformed_examples").glob("Split-eval/*"))
    records = tf.data.TFRecordDataset([str(file) for file in files], compression_type="GZIP")
    examples = [tf.train.Example.FromString(record.numpy()).features.feature for record in records]
    assert len(examples) == len(EVAL)
    assert {example["largest"].float_list.value[0] for example in examples} == {238.0}
    expected = frozen(tensors(PLAN, EVAL))["pair"].numpy()
    found = np.array([example["pair"].float_list.value for example in examples], np.float32)
    assert sorted(found[:, 0].tolist()) == sorted(expected[:, 0].tolist())
    assert (folder / "post_transform_stats").exists()
    assert {Path(pattern).parent.name for pattern in read} == {"Split-train", "Split-eval"}


def test_a_column_without_values_fails_with_our_own_words(project: Path) -> None:
    (project / "empty.pbtxt").write_text("".join([*SCHEMA, feature("never", "FLOAT", "z_score")]))
    with pytest.raises(Exception) as caught:
        run(project, "empty", schema="empty.pbtxt")
    assert input_error_in(caught.value) == (
        "Feature 'never' has no finite value in the training split: it has no mean. Tag it 'ignore', or check the data."
    )


def test_the_rows_of_a_split_are_stated_where_every_artifact_states_them() -> None:
    from tfx.types.standard_artifacts import Examples

    from components.transform.executor import stated_rows

    ours, more, other = Examples(), Examples(), Examples()
    for artifact, rows in ((ours, 7), (more, 5)):
        artifact.set_int_custom_property("rows_train", rows)
    assert stated_rows([ours, more], ["train", "eval"]) == {"train": 12}
    assert stated_rows([ours, other], ["train"]) == {}


def test_pinned_constants_are_used_and_no_data_are_read(project: Path, written: Path, tmp_path: Path) -> None:
    elsewhere = [{**row, "pair": [row["pair"][0] + 1000, row["pair"][1]]} for row in TRAIN]
    pinned = constants_of(PLAN, elsewhere).with_provenance(Provenance("ab" * 32, "0.1"))
    pinned.save(tmp_path / "constants.json")
    folder = run(project, "pinned", constants_from=str(tmp_path), constants_digest=pinned.digest)
    found = NormalizationConstants.load(only(folder / "constants"))
    assert found.digest == pinned.digest != NormalizationConstants.load(only(written / "constants")).digest
    assert (found.provenance.source, found.provenance.source_digest) == (str(tmp_path), pinned.digest)
    assert (found.provenance.source_schema_digest, found.provenance.source_code_version) == ("ab" * 32, "0.1")
    own = NormalizationConstants.load(only(written / "constants")).provenance
    assert (found.provenance.schema_digest, found.provenance.code_version) == (own.schema_digest, own.code_version)
    frozen = FrozenTransform.load(only(folder / "transform_graph"))
    assert RowsRead.load(str(only(folder / "transform_graph"))) is None
    sigma = ((120**2 - 1) / 12) ** 0.5
    assert frozen(tensors(PLAN, EVAL[:1]))["pair"].numpy()[0, 0] == pytest.approx((120 - 1059.5) / sigma, rel=1e-6)


def test_pinned_constants_of_another_plan_are_refused(project: Path, tmp_path: Path) -> None:
    other = plan_of(feature("x", "FLOAT", "min_max"), *SCHEMA[1:])
    constants_of(other, TRAIN).save(tmp_path / "constants.json")
    with pytest.raises(Exception) as caught:
        run(project, "unfit", constants_from=str(tmp_path))
    message = input_error_in(caught.value)
    assert message is not None and "'x'" in message and "min_max" in message


def made(**options: Any) -> Any:
    from tfx import v1 as tfx

    from components import NormalizingTransform

    channel = tfx.dsl.Channel
    return NormalizingTransform(
        examples=channel(type=tfx.types.standard_artifacts.Examples),
        schema=channel(type=tfx.types.standard_artifacts.Schema),
        **options,
    )


def test_pinned_constants_that_are_replaced_are_another_cache_key(tmp_path: Path) -> None:
    digests = []
    for shift in (0, 1):
        rows = [{**row, "pair": [row["pair"][0] + shift, row["pair"][1]]} for row in TRAIN]
        constants_of(PLAN, rows).save(tmp_path / "constants.json")
        digests.append(made(constants_from=str(tmp_path)).exec_properties["constants_digest"])
        assert digests[-1] == NormalizationConstants.load(tmp_path).digest
    assert digests[0] != digests[1]
    with pytest.raises(DataError, match=r"No constants at .*Or state their constants_digest"):
        made(constants_from=str(tmp_path / "nowhere"))
    assert made(constants_from="gs://out/of/reach", constants_digest="ab").exec_properties["constants_digest"] == "ab"


def test_a_cache_needs_to_know_the_code() -> None:
    with pytest.raises(ConfigError, match="needs a code_digest"):
        made(cache_dir="cache")


def test_no_argument_grows_with_the_number_of_features() -> None:
    """Kubeflow takes no argument of more than 128 KiB."""
    component = made()
    assert len(json.dumps({name: str(value) for name, value in component.exec_properties.items()})) < 1000
