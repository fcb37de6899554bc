"""Images through NormalizingTransform: the same constants as without a pipeline, and a graph with the same bits."""

from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from graph_tables import write_records
from pictures import arrays, channel, exact, png, schema

from components import FrozenTransform, NormalizationConstants, analyze
from components.errors import SchemaError
from components.feature_plan import FeaturePlan
from components.moments.fingerprint import fingerprints
from components.moments.wire import encode
from components.transform.preprocessing import apply_plan

pytestmark = pytest.mark.beam

RUNNER = "--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner"
SCHEMA = schema("size=16x16", "scale=1", "corrupt=skip")
SHALLOW, DEEP = arrays(9), arrays(3, 3, "uint16")


def transform_graph(folder: Path, texts: list[bytes]) -> Path:
    """Runs examples -> schema -> NormalizingTransform, and returns the folder of the transform graph."""
    from google.protobuf import text_format
    from tfx import v1 as tfx

    from components import NormalizingTransform

    (folder / "data").mkdir()
    rows = [{"photo": text, "y": at % 2} for at, text in enumerate(texts)]
    plan = FeaturePlan.from_schema(SCHEMA)
    for split in ("train", "eval"):
        write_records(plan, rows, folder / "data" / f"{split}-0.gz")
    (folder / "schema.pbtxt").write_text(text_format.MessageToString(SCHEMA))
    splits = [tfx.proto.Input.Split(name=split, pattern=f"{split}-*") for split in ("train", "eval")]
    config = tfx.proto.Input(splits=splits)
    example_gen = tfx.components.ImportExampleGen(input_base=str(folder / "data"), input_config=config)
    schema_gen = tfx.components.ImportSchemaGen(schema_file=str(folder / "schema.pbtxt"))
    transform = NormalizingTransform(examples=example_gen.outputs["examples"], schema=schema_gen.outputs["schema"])
    metadata = tfx.orchestration.metadata.sqlite_metadata_connection_config(str(folder / "metadata.db"))
    tfx.orchestration.LocalDagRunner().run(
        tfx.dsl.Pipeline(
            pipeline_name="images",
            pipeline_root=str(folder / "artifacts"),
            components=[example_gen, schema_gen, transform],
            metadata_connection_config=metadata,
            beam_pipeline_args=[RUNNER],
        )
    )
    (graph,) = (folder / "artifacts" / "NormalizingTransform" / "transform_graph").iterdir()
    return graph


def test_a_pipeline_gives_the_same_constants_and_the_same_bits(tmp_path: Path) -> None:
    import tensorflow_transform as tft

    texts = [png(photo) for photo in SHALLOW]
    graph = transform_graph(tmp_path, [*texts, b"no image"])
    alone = analyze(f"{tmp_path}/data/train-0.gz", SCHEMA)
    found = NormalizationConstants.load(graph)
    assert found.digest == alone.digest
    assert found["photo"].missing.tolist() == [1, 1, 1]
    batch = tf.constant(texts)
    frozen = FrozenTransform.load(graph)({"photo": batch})["photo"]
    assert tf.reduce_all(frozen == alone({"photo": batch})["photo"])
    raw = {"photo": batch, "y": tf.zeros([len(texts)], tf.int64)}
    by_transform = tft.TFTransformOutput(str(graph)).transform_raw_features(raw)["photo"]
    assert tf.reduce_all(by_transform == frozen)


@pytest.mark.parametrize("photos", [SHALLOW, [*SHALLOW, *DEEP]])
def test_a_graph_of_encoded_images_has_the_bits_of_one_of_samples(photos: list[Any], tmp_path: Path) -> None:
    texts = [png(photo) for photo in photos]
    plan = FeaturePlan.from_schema(SCHEMA)
    frozen = analyze(write_records(plan, [{"photo": text, "y": 1} for text in texts], tmp_path / "train"), SCHEMA)
    measured = tf.constant(encode(frozen.constants, fingerprints))
    raw = {"photo": tf.constant(texts), "y": tf.ones([len(texts)], tf.int64)}
    assert tf.reduce_all(apply_plan(raw, plan, lambda *_: measured)["photo"] == frozen(raw)["photo"])


def test_the_statistics_are_those_of_the_resized_images(tmp_path: Path) -> None:
    from components.frozen.image_decoding import resized

    rows = [{"photo": png(photo), "y": 0} for photo in SHALLOW]
    path = write_records(FeaturePlan.from_schema(SCHEMA), rows, tmp_path / "train")
    sized = [resized(tf.constant(photo), (16, 16)).numpy() for photo in SHALLOW]
    found = analyze(path, SCHEMA).constants["photo"]
    assert (found.mean[0], found.variance[0]) == exact(channel(sized, 0), 255)


def test_tf_transform_s_own_analysis_refuses_images() -> None:
    from components import global_moments

    with pytest.raises(SchemaError, match="'photo' is an image"):
        global_moments({"photo": tf.constant([b""]), "y": tf.constant([0])}, FeaturePlan.from_schema(SCHEMA))
