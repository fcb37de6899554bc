"""What ParityCheck must find, seeded one by one: each is named, and a right run is blessed."""

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from graph_tables import constants_of, feature, plan_of, write_records
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.dsl.components.base import base_beam_executor
from tfx.proto import transform_pb2
from tfx.types import artifact_utils, standard_artifacts
from tfx.types.channel import Channel
from tfx.utils import proto_utils

from components import ConstantsArtifact, FrozenTransform, NormalizingTransform
from components.errors import DataError
from components.frozen.freeze import FrozenGraph
from components.parity.check import Subject, check_parity
from components.trainer.model import ModelSpec, build_model
from components.trainer.serving import export
from components.transform.executor import CONSTANTS, Executor
from components.transform.trace import frozen_graph

pytestmark = pytest.mark.beam

SCHEMA = "".join(
    (
        feature("x", "FLOAT", "z_score"),
        feature("y", "FLOAT", "z_score"),
        feature("n", "INT", "z_score_per_key:word", "missing=indicator"),
        feature("pair", "FLOAT", "min_max", "clip=3", shape="2"),
        feature("word", "BYTES", "category"),
        feature("late", "INT", "label", shape=""),
    )
)
PLAN = plan_of(SCHEMA)
RUNNER = "--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner"
Rows = list[dict[str, Any]]


def rows(seed: int, n: int = 60) -> Rows:
    random = np.random.default_rng(seed)
    return [
        {
            "x": float(x) if x > -1 else None,
            "y": float(5 + 3 * y),
            "n": at % 7 if at % 5 else None,
            "pair": [float(x + y), float(at)],
            "word": (b"a", b"bc", b"def")[at % 3],
            "late": at % 2,
        }
        for at, (x, y) in enumerate(random.normal(size=(n, 2)))
    ]


def transformed(folder: Path, data: Rows) -> tuple[FrozenTransform, str, str]:
    """What NormalizingTransform makes of these rows, the URI of its graph, and their file."""
    schema, examples = standard_artifacts.Schema(), standard_artifacts.Examples()
    schema.uri, examples.uri = str(folder / "schema"), str(folder / "examples")
    for place in (Path(schema.uri), Path(examples.uri, "Split-train")):
        place.mkdir(parents=True)
    Path(schema.uri, "schema.pbtxt").write_text(SCHEMA)
    file = str(write_records(PLAN, data, Path(examples.uri, "Split-train", "data.tfrecord")))
    examples.split_names = artifact_utils.encode_split_names(["train"])
    graph, constants = standard_artifacts.TransformGraph(), ConstantsArtifact()
    graph.uri, constants.uri = str(folder / "graph"), str(folder / "constants")
    node = NormalizingTransform(
        Channel(type=type(examples)),
        Channel(type=type(schema)),
        splits_config=transform_pb2.SplitsConfig(analyze=["train"]),
    )
    properties = {
        name: proto_utils.proto_to_json(value) if hasattr(value, "DESCRIPTOR") else value
        for name, value in node.spec.exec_properties.items()
    }
    context = base_beam_executor.BaseBeamExecutor.Context(
        beam_pipeline_args=[RUNNER, "--sdk_container_image=unused"], tmp_dir=str(folder / "temp"), unique_id="1"
    )
    inputs = {"examples": [examples], "schema": [schema]}
    Executor(context).Do(inputs, {"transform_graph": [graph], CONSTANTS: [constants]}, properties)
    return FrozenTransform.load(graph.uri), graph.uri, file


class Run:
    """A right run, whose parts a test replaces."""

    def __init__(self, folder: Path) -> None:
        self.frozen, self.graph, self.file = transformed(folder, rows(1))
        self.folder = folder
        keras.utils.set_random_seed(1)
        self.model = build_model(ModelSpec(self.frozen.constants, "binary", 0.01, (4,), 0.0))
        self.model({name: value for name, value in self.frozen(self._raw()).items() if name != "late"})

    def _raw(self) -> dict[str, Any]:
        return self.frozen.parse(tf.constant(list(tf.data.TFRecordDataset(self.file).as_numpy_iterator())[:3]))

    def exported(self, name: str, graph: FrozenGraph) -> str:
        export(
            self.model, FrozenTransform(graph), "binary", str(self.folder / name), str(self.folder / f"{name}-files")
        )
        return str(self.folder / name)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def model(run: Run) -> str:
    return run.exported("model", run.frozen.graph)


def check(run: Run, folder: Path, model: str, **changed: Any) -> Any:
    schema = text_format.Parse(SCHEMA, schema_pb2.Schema())
    parts = {"frozen": run.frozen, "graph": run.graph, **changed}
    subject = Subject(schema=schema, model=model, files=[run.file], **parts)
    return check_parity(subject, rows=40, max_ulps=1.0, folder=str(folder))


def faults(verdict: Any) -> set[tuple[str, str]]:
    return {(finding.fault, finding.feature) for finding in verdict.findings}


def with_epsilon(run: Run) -> FrozenGraph:
    """The formula x / (sigma + 1e-5) in the place of x / sigma, beside the right constants."""
    y = run.frozen.constants["y"]
    changed = dataclasses.replace(y, variance=(y.sigma + 1e-5) ** 2)
    other = dataclasses.replace(run.frozen.constants, by_name={**run.frozen.constants.by_name, "y": changed})
    return dataclasses.replace(frozen_graph(other), constants=run.frozen.constants)


def permuted(graph: FrozenGraph) -> FrozenGraph:
    return dataclasses.replace(graph, outputs={**graph.outputs, "x": graph.outputs["y"], "y": graph.outputs["x"]})


def test_a_right_run_is_blessed_and_every_way_is_told(run: Run, model: str, tmp_path: Path) -> None:
    verdict = check(run, tmp_path, model)
    assert faults(verdict) == set()
    figures = verdict.figures
    # The row in which all may be absent that may: tf.Transform wants `pair`, which has a shape.
    assert (figures["rows"], figures["rows_that_tf_transform_cannot_take"], figures["not_compared"]) == (40, 1, [])
    assert set(figures["edge_rows"]) >= {"nan", "pos_inf", "neg_inf", "largest", "lowest", "unseen", "empty_example"}
    assert set(figures["features"]) == {"x", "y", "n", "n_missing", "pair", "word"}
    for by_way in figures["features"].values():
        assert set(by_way) == {"beam_transform", "map", "serving"}
        assert max(by_way.values()) <= 0.5


def test_epsilon_on_the_serving_side_only(run: Run, tmp_path: Path) -> None:
    found = faults(check(run, tmp_path, run.exported("epsilon", with_epsilon(run))))
    assert found == {("parity_serving", "y"), ("older_graph", "")}


def test_epsilon_on_the_trainer_s_side_only(run: Run, model: str, tmp_path: Path) -> None:
    frozen = FrozenTransform(with_epsilon(run))
    assert faults(check(run, tmp_path, model, frozen=frozen)) == {("parity_map", "y")}


def test_features_permuted_in_serving(run: Run, tmp_path: Path) -> None:
    found = faults(check(run, tmp_path, run.exported("permuted", permuted(run.frozen.graph))))
    assert found == {("parity_serving", "x"), ("parity_serving", "y"), ("older_graph", "")}


def test_a_serving_signature_of_an_older_graph(run: Run, tmp_path: Path) -> None:
    older = frozen_graph(constants_of(PLAN, rows(2)))
    found = faults(check(run, tmp_path, run.exported("older", older)))
    assert found >= {("older_graph", ""), ("parity_serving", "x"), ("parity_serving", "y")}


def test_a_serving_signature_of_another_graph_with_the_same_constants(run: Run, tmp_path: Path) -> None:
    """The scores are the right ones to the bit, but no analysis of this run made the graph that gives them."""
    other = tf.compat.v1.GraphDef.FromString(run.frozen.graph.graph_def.SerializeToString())
    other.node.add(name="of_another_release", op="NoOp")
    model = run.exported("other", dataclasses.replace(run.frozen.graph, graph_def=other))
    verdict = check(run, tmp_path, model)
    assert faults(verdict) == {("older_graph", "")}
    (finding,) = verdict.findings
    carried = hashlib.sha256(Path(model, "assets", "frozen_transform.pb").read_bytes()).hexdigest()
    mine = hashlib.sha256(Path(run.graph, "frozen_transform.pb").read_bytes()).hexdigest()
    assert carried in finding.message and mine in finding.message


def test_a_transform_function_of_other_rows(run: Run, model: str, tmp_path: Path) -> None:
    _, graph, _ = transformed(tmp_path / "other", rows(3))
    (tmp_path / "check").mkdir()
    found = faults(check(run, tmp_path / "check", model, graph=graph))
    assert {fault for fault, _ in found} == {"parity_beam_transform"}
    assert {name for _, name in found} >= {"x", "y", "pair"}


def test_a_model_that_cannot_be_asked_is_said_with_its_last_words(run: Run, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be asked in a process of its own"):
        check(run, tmp_path, str(tmp_path / "nothing"))
