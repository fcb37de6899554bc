"""Two of the ways of an analysis: the executors of NormalizingTransform and of TFX's Transform, artifacts by hand."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from peers.stored_rows import Figures, Rows, Work, of_constants

RUNNER = "--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner"
# With an image named, TFX does not spend seconds on building a package of itself; the same for both.
NO_PACKAGE = "--sdk_container_image=unused"


def ours(rows: Rows, out: Path, beam_args: Sequence[str] = (), **settings: Any) -> Work:
    """NormalizingTransform's executor."""
    from components import ConstantsArtifact, NormalizationConstants
    from components.transform.component import NormalizingTransform
    from components.transform.executor import CONSTANTS, Executor

    constants = ConstantsArtifact()
    constants.uri = str(out / "constants")
    do = _executor(NormalizingTransform, Executor, rows, out, {CONSTANTS: [constants]}, beam_args, **settings)

    def work() -> Callable[[], Figures]:
        do()
        return lambda: of_constants(NormalizationConstants.load(constants.uri), rows)

    return work


def preprocessing_fn(inputs: dict[str, Any]) -> dict[str, Any]:
    """What TFX's own tutorials have for numbers."""
    import tensorflow_transform as tft

    return {name: tft.scale_to_z_score(values, name=name) for name, values in inputs.items()}


def stock(rows: Rows, out: Path) -> Work:
    """Transform's executor, with a z-score of each feature."""
    from tfx.components.transform import component, executor

    settings = {
        "preprocessing_fn": f"{__name__}.preprocessing_fn",
        "materialize": False,
        "disable_statistics": True,
        "disable_analyzer_cache": True,
    }
    do = _executor(component.Transform, executor.Executor, rows, out, {}, (), **settings)

    def work() -> Callable[[], Figures]:
        do()
        return lambda: _of_graph(str(out / "transform_graph"), rows)

    return work


def _executor(
    node: Any,
    executor: Any,
    rows: Rows,
    out: Path,
    outputs: dict[str, Any],
    beam_args: Sequence[str],
    **settings: Any,
) -> Callable[[], None]:
    """The executor's ``Do`` with artifacts made by hand, on Beam's runner in memory."""
    from google.protobuf import text_format
    from tfx.dsl.components.base import base_beam_executor
    from tfx.types import artifact_utils, standard_artifacts
    from tfx.types.channel import Channel
    from tfx.utils import proto_utils

    schema, examples = standard_artifacts.Schema(), standard_artifacts.Examples()
    schema.uri, examples.uri = str(out / "schema"), str(rows.folder)
    Path(schema.uri).mkdir(parents=True)
    Path(schema.uri, "schema.pbtxt").write_text(text_format.MessageToString(rows.schema), encoding="utf-8")
    examples.split_names = artifact_utils.encode_split_names(["train"])
    graph = standard_artifacts.TransformGraph()
    graph.uri = str(out / "transform_graph")
    channels = {"examples": Channel(type=type(examples)), "schema": Channel(type=type(schema))}
    properties = {
        name: proto_utils.proto_to_json(value) if hasattr(value, "DESCRIPTOR") else value
        for name, value in node(**channels, **settings).spec.exec_properties.items()
    }
    context = base_beam_executor.BaseBeamExecutor.Context(
        beam_pipeline_args=[RUNNER, NO_PACKAGE, *beam_args], tmp_dir=str(out / "temp"), unique_id="1"
    )
    inputs = {"examples": [examples], "schema": [schema]}
    return lambda: executor(context).Do(inputs, {"transform_graph": [graph], **outputs}, properties)


def _of_graph(graph: str, rows: Rows) -> Figures:
    """The constants that tf.Transform bound to ``(x - mean) / sqrt(variance)``, by the scope of each feature."""
    import tensorflow as tf
    import tensorflow_transform as tft
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    loaded = tf.saved_model.load(tft.TFTransformOutput(graph).transform_savedmodel_dir)
    frozen = convert_variables_to_constants_v2(loaded.signatures["serving_default"])
    nodes = {node.name: node for node in frozen.graph.as_graph_def().node}
    by_scope = {tuple(name.split("/")[-2:]): node for name, node in nodes.items()}

    def constant(name: str, operation: str, at: int) -> float:
        node = by_scope[name, operation]
        while node.op != "Const":
            node, at = nodes[node.input[at].split(":")[0]], 0
        return float(tf.make_ndarray(node.attr["value"].tensor).item())

    return [[constant(name, *of) for name in rows.names] for of in (("sub", 1), ("Sqrt", 0))]
