"""From a place on the disk to the constants that are meant, without TensorFlow."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hand_constants import number, set_of
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.constants import DigestError, NormalizationConstants
from components.errors import DataError
from pipeline.where import constants_at


def constants(mean: float) -> NormalizationConstants:
    return set_of(number(mean=mean))


def write(mean: float, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    constants(mean).save(folder / "constants.json")
    return folder


def mean_at(where: Path | str) -> float:
    return float(constants_at(where)["x"].mean)


def write_run(root: Path, graphs: Sequence[Path], state: mlmd.Execution.State = mlmd.Execution.COMPLETE) -> None:
    """A run more in the root's metadata, whose executions wrote or reused these transform graphs, one each."""
    root.mkdir(parents=True, exist_ok=True)
    connection = mlmd.ConnectionConfig()
    connection.sqlite.filename_uri = str(root / "metadata.db")
    connection.sqlite.connection_mode = mlmd.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
    store = metadata_store.MetadataStore(connection)
    of_artifact = store.put_artifact_type(mlmd.ArtifactType(name="TransformGraph"))
    of_execution = store.put_execution_type(mlmd.ExecutionType(name="Transform"))
    of_context = store.put_context_type(mlmd.ContextType(name="pipeline_run"))
    name = f"run {len(store.get_contexts_by_type('pipeline_run'))}"
    (run,) = store.put_contexts([mlmd.Context(type_id=of_context, name=name)])
    for graph in graphs:
        known = [artifact.id for artifact in store.get_artifacts_by_uri(str(graph))]
        artifact = known[0] if known else store.put_artifacts([mlmd.Artifact(type_id=of_artifact, uri=str(graph))])[0]
        execution = mlmd.Execution(type_id=of_execution, last_known_state=state)
        (made,) = store.put_executions([execution])
        event = mlmd.Event(artifact_id=artifact, execution_id=made, type=mlmd.Event.OUTPUT)
        event.path.steps.add().key = "transform_graph"
        store.put_events([event])
        store.put_attributions_and_associations([], [mlmd.Association(execution_id=made, context_id=run)])


def test_a_file_and_a_folder(tmp_path: Path) -> None:
    folder = write(1.0, tmp_path / "graph")
    shutil.copy(folder / "constants.json", tmp_path / "mine.json")
    for where in (folder, f"{folder}/", folder / "constants.json", tmp_path / "mine.json"):
        assert mean_at(where) == 1.0


def test_a_model_and_the_artifact_around_it(tmp_path: Path) -> None:
    write(2.0, tmp_path / "pushed" / "assets")
    write(3.0, tmp_path / "artifact" / "Format-Serving" / "assets")
    assert mean_at(tmp_path / "pushed") == 2.0
    assert mean_at(tmp_path / "artifact") == 3.0


def test_the_newest_of_the_numbered_versions(tmp_path: Path) -> None:
    for version, mean in (("9", 1.0), ("10", 2.0), ("0007", 3.0)):
        write(mean, tmp_path / version / "assets")
    (tmp_path / "11").write_text("no folder")
    (tmp_path / "latest").mkdir()
    assert mean_at(tmp_path) == 2.0


def test_a_newest_version_without_constants_is_not_passed_over(tmp_path: Path) -> None:
    write(1.0, tmp_path / "1" / "assets")
    (tmp_path / "2").mkdir()
    with pytest.raises(DataError, match=f"No normalization constants at {tmp_path}/2"):
        constants_at(tmp_path)


def test_the_newest_run_counts_and_not_the_newest_graph(tmp_path: Path) -> None:
    first, second = (write(mean, tmp_path / "artifacts" / "T" / name) for mean, name in ((1.0, "3"), (2.0, "7")))
    write_run(tmp_path, [first])
    assert mean_at(tmp_path) == 1.0
    write_run(tmp_path, [second])
    assert mean_at(tmp_path) == 2.0
    write_run(tmp_path, [first], mlmd.Execution.CACHED)
    assert mean_at(tmp_path) == 1.0


def test_a_run_whose_transform_failed_has_none_and_the_one_before_counts(tmp_path: Path) -> None:
    first, second = (write(mean, tmp_path / "artifacts" / "T" / name) for mean, name in ((1.0, "3"), (2.0, "7")))
    write_run(tmp_path, [first])
    write_run(tmp_path, [second], mlmd.Execution.FAILED)
    write_run(tmp_path, [])
    assert mean_at(tmp_path) == 1.0


def test_a_run_that_was_moved_means_its_own_graph(tmp_path: Path) -> None:
    old = tmp_path / "old"
    write_run(old, [write(1.0, old / "artifacts" / "T" / "3")])
    old.rename(tmp_path / "new")
    assert mean_at(tmp_path / "new") == 1.0
    write(5.0, old / "artifacts" / "T" / "3")  # another run has taken the place
    assert mean_at(tmp_path / "new") == 1.0


def test_a_run_is_only_read(tmp_path: Path) -> None:
    write_run(tmp_path, [write(1.0, tmp_path / "artifacts" / "T" / "3")])
    before = (tmp_path / "metadata.db").read_bytes()
    (tmp_path / "metadata.db").chmod(0o400)
    assert mean_at(tmp_path) == 1.0
    assert (tmp_path / "metadata.db").read_bytes() == before


def test_what_is_wrong_with_a_run_is_said(tmp_path: Path) -> None:
    write_run(tmp_path / "early", [])
    with pytest.raises(DataError, match="has a transform graph yet"):
        constants_at(tmp_path / "early")
    write_run(tmp_path / "gone", [tmp_path / "gone" / "artifacts" / "T" / "3"])
    with pytest.raises(DataError, match="which is gone"):
        constants_at(tmp_path / "gone")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "metadata.db").write_text("no database" * 100)
    with pytest.raises(DataError, match="is no ML Metadata store") as caught:
        constants_at(tmp_path / "other")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "gone"])
def test_nothing_there_lists_what_was_looked_for(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError) as caught:
        constants_at(tmp_path / name)
    message = str(caught.value)
    assert "\n" not in message and str(tmp_path / name) in message
    for looked_for in ("*.json", "assets/", "Format-Serving", "metadata.db", "numbered", "transform_fn"):
        assert looked_for in message
    assert ("is no folder" in message) == (name == "gone")


def test_a_damaged_file_is_not_passed_over(tmp_path: Path) -> None:
    file = write(1.0, tmp_path) / "constants.json"
    file.write_text(file.read_text().replace('"mean": 1.0', '"mean": 1.5'))
    write(2.0, tmp_path / "assets")
    with pytest.raises(DigestError):
        constants_at(tmp_path)


def test_tensorflow_is_not_loaded(tmp_path: Path) -> None:
    root = tmp_path / "run"
    write_run(root, [write(1.0, root / "artifacts" / "T" / "3")])
    code = (
        "import sys\nfrom pipeline.where import constants_at\n"
        f"for where in ({str(root)!r}, {str(root / 'artifacts' / 'T')!r}): print(constants_at(where).digest)\n"
        "print('tensorflow' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert said == [constants(1.0).digest, constants(1.0).digest, "False"]
