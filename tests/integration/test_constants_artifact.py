"""The constants as a TFX artifact: written by one component, read by the next, found by digest, known to Kubeflow."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from graph_tables import constants_of, feature, plan_of
from ml_metadata import ListOptions
from ml_metadata.metadata_store import metadata_store
from tfx import v1 as tfx
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.orchestration.metadata import sqlite_metadata_connection_config
from tfx.types.standard_artifacts import String

from components.artifacts import ConstantsArtifact, read_constants, write_constants
from components.constants import DigestError, NormalizationConstants
from components.errors import DataError
from components.provenance import Provenance

pytestmark = pytest.mark.beam

PLAN = plan_of(feature("x", "FLOAT", "z_score"), feature("kind", "BYTES", "category"))
MADE = Provenance(code_version="0.1.0", spans=("1", "2"))


def some_constants(x: float = 3.0) -> NormalizationConstants:
    rows = [{"x": 1.0, "kind": b"a"}, {"x": x, "kind": b"b"}, {"x": None, "kind": b"a"}]
    return constants_of(PLAN, rows).with_provenance(MADE)


@component
def Write(text: Parameter[str], constants: OutputArtifact[ConstantsArtifact]) -> None:
    write_constants(constants, NormalizationConstants.from_json(text))


@component
def Read(constants: InputArtifact[ConstantsArtifact], seen: OutputArtifact[String]) -> None:
    found = read_constants(constants)
    Path(seen.uri).write_text(json.dumps([found.digest, constants.get_string_custom_property("digest")]))


def two_components(root: Path, **options: Any) -> Any:
    write = Write(text=some_constants().to_json())
    read = Read(constants=write.outputs["constants"])
    return tfx.dsl.Pipeline(pipeline_name="two", pipeline_root=str(root), components=[write, read], **options)


def test_what_one_component_writes_the_next_one_reads_and_metadata_knows(tmp_path: Path) -> None:
    connection = sqlite_metadata_connection_config(str(tmp_path / "metadata.db"))
    pipeline = two_components(tmp_path, metadata_connection_config=connection)
    tfx.orchestration.LocalDagRunner().run(pipeline)
    digest = some_constants().digest
    (seen,) = (tmp_path / "Read" / "seen").glob("*/value")
    assert json.loads(seen.read_text()) == [digest, digest]
    by_digest = ListOptions(filter_query=f'custom_properties.digest.string_value = "{digest}"')
    (found,) = metadata_store.MetadataStore(connection).get_artifacts(by_digest)
    assert found.type == "tfxnorm.NormalizationConstants"
    assert [found.custom_properties[name].int_value for name in ("rows", "features")] == [3, 2]
    assert NormalizationConstants.load(found.uri).provenance == MADE


def artifact_at(uri: str) -> ConstantsArtifact:
    artifact = ConstantsArtifact()
    artifact.uri = uri
    return artifact


def test_an_address_with_a_scheme_works_alike(tmp_path: Path) -> None:
    artifact = artifact_at(f"file://{tmp_path}/new/folder")
    write_constants(artifact, some_constants())
    assert [file.name for file in (tmp_path / "new" / "folder").iterdir()] == ["constants.json"]
    assert read_constants(artifact).digest == some_constants().digest == artifact.get_string_custom_property("digest")


def test_a_file_that_was_replaced_is_noticed(tmp_path: Path) -> None:
    artifact = artifact_at(str(tmp_path))
    write_constants(artifact, some_constants())
    some_constants(x=4.0).save(tmp_path / "constants.json")
    with pytest.raises(DigestError, match="is registered with digest"):
        read_constants(artifact)


def test_a_folder_without_constants_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No constants at"):
        read_constants(artifact_at(str(tmp_path)))


def test_kubeflow_compiles_it_and_a_container_there_gets_class_and_properties_back(tmp_path: Path) -> None:
    pytest.importorskip("kfp")
    from kfp.pipeline_spec import pipeline_spec_pb2
    from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_entrypoint_utils as entrypoint

    config = tfx.orchestration.experimental.KubeflowV2DagRunnerConfig(default_image="image")
    runner = tfx.orchestration.experimental.KubeflowV2DagRunner(
        config, output_dir=str(tmp_path), output_filename="job.json"
    )
    runner.run(two_components(tmp_path / "root"))
    job = json.loads((tmp_path / "job.json").read_text())
    steps = job["pipelineSpec"]["components"]
    output = steps["Write"]["outputDefinitions"]["artifacts"]["constants"]["artifactType"]["instanceSchema"]
    taken = steps["Read"]["inputDefinitions"]["artifacts"]["constants"]["artifactType"]["instanceSchema"]
    assert "title: tfxnorm.NormalizationConstants" in output and output == taken

    written = artifact_at(str(tmp_path / "there"))
    write_constants(written, some_constants())
    passed = entrypoint.to_runtime_artifact(written, {})
    passed.type.instance_schema = output
    listed = pipeline_spec_pb2.ExecutorInput.Inputs().artifacts
    listed["constants"].artifacts.append(passed)
    ((received,),) = entrypoint.parse_raw_artifact_dict(listed, {}).values()
    assert type(received) is ConstantsArtifact
    assert received.get_string_custom_property("digest") == some_constants().digest
    assert np.isclose(read_constants(received)["x"].mean, 2.0)
