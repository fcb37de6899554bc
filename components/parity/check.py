"""Real rows and edge rows, all ways: tf.Transform on Beam, the parallel map, the served model, the reference."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2

from components.feature_plan import FeaturePlan
from components.frozen import FrozenTransform
from components.local_runner import LOCAL_RUNNER_ARG, NO_PACKAGE_ARG
from components.parity import ways
from components.parity.edge_rows import edge_rows
from components.parity.judge import judge
from components.parity.records import first_records, row_of
from components.parity.reference import Row
from components.parity.served_rows import ServedRows
from components.verdict import Verdict

# In this process, with this graph.
_LOCAL = (LOCAL_RUNNER_ARG, NO_PACKAGE_ARG)


@dataclasses.dataclass(frozen=True)
class Subject:
    """What is checked.

    Attributes:
      frozen: the transform of the run.
      graph: URI of its TransformGraph artifact, whose ``transform_fn`` Beam applies.
      schema: of the raw examples.
      model: the SavedModel.
      files: TFRecords of tf.Examples.
    """

    frozen: FrozenTransform
    graph: str
    schema: schema_pb2.Schema
    model: str
    files: Sequence[str]


@dataclasses.dataclass(frozen=True)
class Rows:
    """Serialized tf.Examples and the same decoded: the first ``real`` are the data's, the others are edges by name."""

    texts: Sequence[bytes]
    decoded: Sequence[Row]
    real: int
    edges: Sequence[str]


def check_parity(subject: Subject, *, rows: int, max_ulps: float, folder: str) -> Verdict:
    """The verdict of the check ``parity``; see ``components.parity.judge``.

    Args:
      subject: the run's parts.
      rows: so many of its records, from the first file on; edge rows follow.
      max_ulps: largest distance allowed, in ulp of float32.
      folder: an empty one of this machine.

    Raises:
      DataError: no row there, or the model cannot be asked.
    """
    process = ServedRows(subject.model, _made(folder, "served"))  # it loads the model while the others work here
    try:
        sent = _rows(subject, rows)
        process.ask(sent.texts, sent.decoded)
        ways_here = _ways_here(subject, sent, folder)
        agreement, served = process.result()
    finally:
        process.stop()
    carried = {feature.name for feature in subject.frozen.plan.served}
    as_served = [{name: values for name, values in row.items() if name in carried} for row in sent.decoded]
    on_beam = ways_here["parity_beam_transform"][1]
    return judge(
        subject.frozen.constants,
        {**ways_here, "parity_serving": (served, as_served)},
        max_ulps,
        served_digest=agreement.digest,
        served_graph=agreement.graph_sha256,
        disagreements=agreement.disagreements,
        figures={
            "rows": sent.real,
            "edge_rows": sent.edges,
            "rows_that_tf_transform_cannot_take": len(sent.texts) - len(on_beam),
        },
    )


def _made(folder: str, name: str) -> str:
    Path(folder, name).mkdir()
    return str(Path(folder, name))


def _rows(subject: Subject, rows: int) -> Rows:
    texts, plan = first_records(subject.files, rows), subject.frozen.plan
    decoded = [row_of(text) for text in texts]
    edges = edge_rows(subject.frozen.constants, decoded[0])
    added = [_example(plan, {**row, **_taught(plan, decoded[0])}) for row in edges.values()]
    return Rows([*texts, *added], [*decoded, *map(row_of, added)], len(texts), list(edges))


def _ways_here(subject: Subject, rows: Rows, folder: str) -> dict[str, tuple[ways.Tensors, Sequence[Row]]]:
    """What tf.Transform and the map give, by the name of their fault, beside the rows that each was given."""
    taken = ways.rows_for_beam(subject.frozen.plan, rows.decoded)
    texts = [rows.texts[at] for at in taken]
    on_beam = ways.by_beam(subject.graph, subject.schema, subject.frozen.plan, texts, _LOCAL)
    records = str(Path(folder, "rows.tfrecord"))
    with tf.io.TFRecordWriter(records) as writer:
        for text in rows.texts:
            writer.write(text)
    return {
        "parity_beam_transform": (on_beam, [rows.decoded[at] for at in taken]),
        "parity_map": (ways.by_map(subject.frozen, records), rows.decoded),
    }


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
