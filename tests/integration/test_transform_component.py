"""TFX's stock Transform with our preprocessing_fn by its path: what it analyses, writes and caches."""

from pathlib import Path

import pytest
from graph_tables import Row, constants_of, feature, plan_of, tensors, write_records

from components import FrozenTransform
from components.errors import input_error_in

pytestmark = pytest.mark.beam

RUNNER = "--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner"
SCHEMA = (
    feature("x", "FLOAT", "z_score"),
    feature("pair", "INT", "z_score", shape="2"),
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
            "key": f"key {i % 3}".encode(),
            "unused": b"u",
            "y": i % 2,
        }
        for i in range(first, last)
    ]


TRAIN, EVAL = rows(0, 120), rows(120, 150)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with examples by split, and two schemas: in the second, a column without values is to be normalized."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "data").mkdir()
    write_records(PLAN, TRAIN[:50], folder / "data" / "train-0.gz")
    write_records(PLAN, TRAIN[50:], folder / "data" / "train-1.gz")
    write_records(PLAN, EVAL, folder / "data" / "eval-0.gz")
    (folder / "schema.pbtxt").write_text("".join(SCHEMA))
    (folder / "empty.pbtxt").write_text("".join([*SCHEMA, feature("never", "FLOAT", "z_score")]))
    return folder


def run(project: Path, schema: str = "schema.pbtxt", code_digest: str = "one") -> None:
    from tfx import v1 as tfx

    from components import FeaturePlan
    from schemas.loader import load_schema

    splits = [tfx.proto.Input.Split(name=name, pattern=f"{name}-*") for name in ("train", "eval")]
    example_gen = tfx.components.ImportExampleGen(
        input_base=str(project / "data"), input_config=tfx.proto.Input(splits=splits)
    )
    schema_gen = tfx.components.ImportSchemaGen(schema_file=str(project / schema))
    transform = tfx.components.Transform(
        examples=example_gen.outputs["examples"],
        schema=schema_gen.outputs["schema"],
        preprocessing_fn="components.transform.preprocessing.preprocessing_fn",
        splits_config=tfx.proto.SplitsConfig(analyze=["train"]),
        materialize=False,
        disable_statistics=True,
        custom_config={
            "feature_plan": FeaturePlan.from_schema(load_schema(project / schema)).to_json(),
            "code_digest": code_digest,
        },
    )
    metadata = tfx.orchestration.metadata.sqlite_metadata_connection_config(str(project / "metadata.db"))
    tfx.orchestration.LocalDagRunner().run(
        tfx.dsl.Pipeline(
            pipeline_name="stock",
            pipeline_root=str(project / "artifacts"),
            components=[example_gen, schema_gen, transform],
            enable_cache=True,
            metadata_connection_config=metadata,
            beam_pipeline_args=[RUNNER],
        )
    )


def outputs_of(project: Path, component: str, output: str) -> list[Path]:
    """Folders of the artifacts that were written, oldest first; a cached execution writes none."""
    return sorted((project / "artifacts" / component / output).iterdir(), key=lambda folder: int(folder.name))


@pytest.fixture(scope="module")
def graph(project: Path) -> Path:
    run(project)
    (folder,) = outputs_of(project, "Transform", "transform_graph")
    return folder


def test_the_constants_are_those_of_the_training_split_alone(graph: Path) -> None:
    frozen = FrozenTransform.load(graph)
    assert frozen.digest == constants_of(PLAN, TRAIN).digest
    assert frozen.constants.rows == 120
    # By hand: 0..119 has mean 59.5 and variance (120**2 - 1) / 12.
    assert frozen.constants["pair"].mean[0] == 59.5
    assert frozen.constants["pair"].variance[0] == (120**2 - 1) / 12
    assert frozen.constants["key"].vocabulary == ((b"key 0", 40), (b"key 1", 40), (b"key 2", 40))
    assert int(frozen.constants["x"].missing) == 24


def test_its_frozen_function_normalizes_rows_of_the_other_split(graph: Path) -> None:
    found = FrozenTransform.load(graph)(tensors(PLAN, EVAL))
    assert {name: tuple(values.shape) for name, values in found.items()} == {
        "x": (30,),
        "pair": (30, 2),
        "key": (30,),
        "y": (30,),
    }
    sigma = ((120**2 - 1) / 12) ** 0.5
    assert found["pair"].numpy()[:, 0].tolist() == pytest.approx(
        [(i - 59.5) / sigma for i in range(120, 150)], rel=1e-6
    )
    assert found["key"].numpy().tolist() == [i % 3 + 1 for i in range(120, 150)]


def test_nothing_is_materialized(graph: Path, project: Path) -> None:
    assert graph.exists()
    assert not (project / "artifacts" / "Transform" / "transformed_examples").exists()


def test_another_digest_of_the_code_runs_it_again_and_the_same_one_does_not(graph: Path, project: Path) -> None:
    def executions() -> dict[str, int]:
        outputs = {"ImportExampleGen": "examples", "Transform": "transform_graph"}
        return {component: len(outputs_of(project, component, output)) for component, output in outputs.items()}

    assert executions() == {"ImportExampleGen": 1, "Transform": 1}
    run(project)
    assert executions() == {"ImportExampleGen": 1, "Transform": 1}
    run(project, code_digest="two")
    assert executions() == {"ImportExampleGen": 1, "Transform": 2}
    again = FrozenTransform.load(outputs_of(project, "Transform", "transform_graph")[-1])
    assert again.digest == FrozenTransform.load(graph).digest


def test_a_column_without_values_fails_with_our_own_words(graph: Path, project: Path) -> None:
    with pytest.raises(Exception) as caught:
        run(project, schema="empty.pbtxt")
    assert input_error_in(caught.value) == (
        "Feature 'never' has no finite value in the training split: it has no mean. Tag it 'ignore', or check the data."
    )
