"""How many rows a component worked on, read from what it wrote; None where it is not known."""

from collections.abc import Mapping
from pathlib import Path

from tensorflow_metadata.proto.v0 import statistics_pb2

from pipeline.node_result import NodeResult, OutputArtifact, Outputs
from pipeline.run_constants import constants_of

# Custom properties of an Examples artifact that ArrowExampleGen wrote.
ROWS_READ, ROWS_LEFT_OUT = "rows_read", "rows_left_out"
_STATISTICS_FILE = "FeatureStats.pb"


def count_rows(finished: Mapping[str, NodeResult], outputs: Outputs) -> int | None:
    """Rows behind a component's outputs, given the components before it.

    Examples and statistics: of all splits. Transform: rows analysed. Evaluation: rows of the evaluation split.
    """
    for artifact in (artifact for listed in outputs.values() for artifact in listed):
        if artifact.type_name == "Examples":
            return sum(rows_of_examples(artifact).values()) or None
        if artifact.type_name == "ExampleStatistics":
            return sum(rows_by_split(artifact.uri).values()) or None
        if artifact.type_name == "TransformGraph":
            constants = constants_of(artifact.uri)
            return constants.rows if constants is not None else None
        if artifact.type_name == "ModelEvaluation":
            statistics = first_artifact(finished, "ExampleStatistics")
            return rows_by_split(statistics.uri).get("eval") if statistics else None
    return None


def rows_of_examples(examples: OutputArtifact) -> dict[str, int]:
    """Rows of each split as ArrowExampleGen counted them; empty for an ExampleGen that counts none."""
    counts = {name: value for name, value in examples.properties.items() if name.startswith("rows_")}
    return {name.removeprefix("rows_"): int(n) for name, n in counts.items() if name not in (ROWS_READ, ROWS_LEFT_OUT)}


def rows_by_split(statistics_uri: str) -> dict[str, int]:
    """Rows of each split in an ExampleStatistics artifact; empty where nothing is readable there."""
    counts: dict[str, int] = {}
    for file in sorted(Path(statistics_uri).glob(f"Split-*/{_STATISTICS_FILE}")):
        statistics = statistics_pb2.DatasetFeatureStatisticsList.FromString(file.read_bytes())
        counts[file.parent.name.removeprefix("Split-")] = sum(int(part.num_examples) for part in statistics.datasets)
    return counts


def first_artifact(finished: Mapping[str, NodeResult], type_name: str) -> OutputArtifact | None:
    """The first artifact of a type, in the order in which the components ran."""
    return next(
        (
            artifact
            for result in finished.values()
            for listed in result.outputs.values()
            for artifact in listed
            if artifact.type_name == type_name
        ),
        None,
    )
