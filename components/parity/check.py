"""Real rows and edge rows, all ways: tf.Transform on Beam, the parallel map, the served model, the reference."""

from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2

from components.errors import DataError
from components.feature_plan import FeaturePlan
from components.frozen import FrozenTransform
from components.local_runner import LOCAL_RUNNER_ARG, NO_PACKAGE_ARG
from components.parity import ways
from components.parity.edge_rows import edge_rows
from components.parity.images import comparable_rows
from components.parity.judge import judge
from components.parity.reference import Row
from components.parity.serve_check import first_records, row_of
from components.parity.served_rows import ServedRows
from components.verdict import Verdict


def check_parity(
    frozen: FrozenTransform,
    *,
    graph: str,
    schema: schema_pb2.Schema,
    model: str,
    files: Sequence[str],
    rows: int,
    max_ulps: float,
    folder: str,
) -> Verdict:
    """The verdict of the check ``parity``; see ``components.parity.judge``.

    Args:
      frozen: the transform of the run.
      graph: URI of its TransformGraph artifact, whose ``transform_fn`` Beam applies.
      schema: of the raw examples.
      model: the SavedModel.
      files: TFRecords of tf.Examples.
      rows: so many of them, from the first file on, fewer where images are large, and none whose image is left out of
        the training by corrupt=skip; edge rows follow.
      max_ulps: largest distance allowed, in ulp of float32.
      folder: an empty one of this machine.

    Raises:
      DataError: no row there, or the model cannot be asked.
    """
    texts = _servable(frozen, first_records(files, comparable_rows(frozen.plan, rows)))
    real = len(texts)
    edges = edge_rows(frozen.constants, row_of(texts[0]))
    texts += [_example(frozen.plan, {**row, **_taught(frozen.plan, row_of(texts[0]))}) for row in edges.values()]
    records = str(Path(folder, "rows.tfrecord"))
    with tf.io.TFRecordWriter(records) as writer:
        for text in texts:
            writer.write(text)
    asked = Path(folder, "served")
    asked.mkdir()
    process = ServedRows(model, records, str(asked))  # it imports TensorFlow while Beam works here
    try:
        return _compared(frozen, graph, schema, texts, real, list(edges), process, records, max_ulps)
    finally:
        process.stop()


def _compared(
    frozen: FrozenTransform,
    graph: str,
    schema: schema_pb2.Schema,
    texts: Sequence[bytes],
    real: int,
    edges: Sequence[str],
    process: ServedRows,
    records: str,
    max_ulps: float,
) -> Verdict:
    examples = [row_of(text) for text in texts]
    for_beam = ways.rows_for_beam(frozen.plan, examples)
    # In this process, with this graph.
    beam_args = (LOCAL_RUNNER_ARG, NO_PACKAGE_ARG)
    on_beam = ways.by_beam(graph, schema, frozen.plan, [texts[at] for at in for_beam], beam_args)
    mapped = ways.by_map(frozen, records)
    check, served = process.result()
    carried = {feature.name for feature in frozen.plan.served}
    return judge(
        frozen.constants,
        {
            "parity_beam_transform": (on_beam, [examples[at] for at in for_beam]),
            "parity_map": (mapped, examples),
            "parity_serving": (served, [{k: v for k, v in row.items() if k in carried} for row in examples]),
        },
        max_ulps,
        served_digest=check.digest,
        disagreements=check.disagreements,
        figures={
            "rows": real,
            "edge_rows": edges,
            "rows_that_tf_transform_cannot_take": len(texts) - len(for_beam),
        },
    )


def _servable(frozen: FrozenTransform, texts: Sequence[bytes]) -> list[bytes]:
    """Those whose images can be decoded, where others are left out of analysis and training; serving refuses them."""
    if all(feature.image is None or feature.image.corrupt != "skip" for feature in frozen.plan.images):
        return list(texts)
    sound = [text for text in texts if _is_sound(frozen, text)]
    if not sound:
        raise DataError(f"None of the first {len(texts)} rows has an image that can be decoded: nothing to compare.")
    return sound


def _is_sound(frozen: FrozenTransform, text: bytes) -> bool:
    try:
        frozen(frozen.parse(tf.constant([text])))
    except tf.errors.InvalidArgumentError:
        return False
    return True


def _taught(plan: FeaturePlan, usual: Row) -> Row:
    """Label and weight, which no edge touches."""
    return {f.name: usual[f.name] for f in (plan.label, plan.weight) if f is not None and f.name in usual}


def _example(plan: FeaturePlan, row: Row) -> bytes:
    kinds = {
        "float32": lambda values: tf.train.Feature(float_list=tf.train.FloatList(value=values)),
        "int64": lambda values: tf.train.Feature(int64_list=tf.train.Int64List(value=values)),
        "bytes": lambda values: tf.train.Feature(bytes_list=tf.train.BytesList(value=values)),
    }
    dtypes = {feature.name: feature.dtype for feature in plan.features}
    named = {name: kinds[dtypes[name]](list(values)) for name, values in row.items() if len(values)}
    return bytes(tf.train.Example(features=tf.train.Features(feature=named)).SerializeToString())
