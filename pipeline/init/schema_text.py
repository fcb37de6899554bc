"""Inferred schema + proposals -> the annotated schema.pbtxt, each feature under the reason for its role."""

import re
import textwrap
from collections.abc import Mapping, Sequence

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.init.columns import ColumnFacts
from pipeline.init.roles import Proposal
from pipeline.init.task import Task

# A table that grows brings new values; up to this share of them is no anomaly, and the model sees "out of vocabulary".
MIN_DOMAIN_MASS = 0.9
_PROTO_TYPES: Mapping[str, "schema_pb2.FeatureType.ValueType"] = {
    "int64": schema_pb2.INT,
    "float32": schema_pb2.FLOAT,
    "bytes": schema_pb2.BYTES,
}
_LINE_LENGTH = 120
# A message inside a feature's, as protobuf prints it; no string in it spans lines (line breaks are escaped).
_INNER_MESSAGE = re.compile(r"^  (?P<name>\w+) \{\n(?P<body>(?:    .*\n)*)  \}$", re.MULTILINE)
_HEAD = """\
# Proposed from {rows:,} rows of {source}: review it. The comments say why; the tags decide.
# Each feature carries one role tag (z_score, min_max, robust, category, label, weight ...), and options as further
# tags, for instance tag: "clip=5", "log1p", "missing=indicator", "unit=millimetre".

default_environment: "TRAINING"
default_environment: "SERVING"
"""


def schema_text(
    inferred: schema_pb2.Schema, columns: Sequence[ColumnFacts], proposals: Sequence[Proposal], task: Task, source: str
) -> str:
    """The schema as commented text proto, features in the order of the columns."""
    features = {feature.name: feature for feature in inferred.feature}
    domains = {domain.name: domain for domain in inferred.string_domain}
    blocks = [_HEAD.format(rows=columns[0].rows, source=source)]
    kept: list[schema_pb2.StringDomain] = []
    for facts, proposal in zip(columns, proposals, strict=True):
        if proposal.role == "label":
            feature = label_feature(facts, task)
        else:
            domain = features[facts.name].domain if facts.name in features else ""
            feature = column_feature(facts, proposal, domain if domain in domains else "")
            kept += [domains[domain]] if feature.domain else []
        blocks.append(block(_comment(facts, proposal, task), schema_pb2.Schema(feature=[feature])))
    blocks += [block("", schema_pb2.Schema(string_domain=[domain])) for domain in kept]
    return "\n".join(blocks)


def column_feature(facts: ColumnFacts, proposal: Proposal, domain: str) -> schema_pb2.Feature:
    """A feature that is not the label.

    Dense (``shape``) where every row has a value; otherwise a value_count and no demand on presence,
    so that a split without any value of a rare column is no anomaly. Ignored features demand nothing.
    """
    feature = schema_pb2.Feature(name=facts.name, type=_PROTO_TYPES[facts.dtype])
    feature.annotation.tag.extend([proposal.role, *proposal.options])
    if proposal.role == "ignore":
        feature.value_count.max = max(facts.max_length, 1)
        return feature
    if facts.missing:
        feature.value_count.min, feature.value_count.max = 1, facts.max_length
    else:
        make_dense(feature, facts.max_length)
    if domain:
        feature.domain = domain
        feature.distribution_constraints.min_domain_mass = MIN_DOMAIN_MASS
    return feature


def label_feature(facts: ColumnFacts, task: Task) -> schema_pb2.Feature:
    """The label: dense, because rows without it are left out, and absent when serving."""
    feature = schema_pb2.Feature(name=facts.name, type=_PROTO_TYPES[task.dtype])
    make_dense(feature, 1)
    feature.annotation.tag.append("label")
    feature.not_in_environment.append("SERVING")
    if task.dtype == "bytes":
        feature.string_domain.value.extend(task.classes)
    elif task.classes:
        feature.int_domain.min, feature.int_domain.max = 0, len(task.classes) - 1
    return feature


def make_dense(feature: schema_pb2.Feature, length: int) -> None:
    """Every row has so many values."""
    feature.presence.min_fraction = 1
    feature.shape.SetInParent()
    if length > 1:
        feature.shape.dim.add(size=length)


def _comment(facts: ColumnFacts, proposal: Proposal, task: Task) -> str:
    if proposal.role == "label":
        left_out = facts.missing + facts.nan
        missing = f" {left_out:,} rows lack it and are left out." if left_out else ""
        return f"label of a {task.kind} task: {task.reason}{missing}"
    missing = f" {facts.missing:,} rows lack it." if facts.missing and proposal.role != "ignore" else ""
    return f"{proposal.role}: {proposal.reason}{missing}"


def block(comment: str, schema: schema_pb2.Schema) -> str:
    """The schema's text under the comment, with small messages on one line."""
    text: str = text_format.MessageToString(schema, as_utf8=True)
    lines = textwrap.wrap(comment, _LINE_LENGTH, initial_indent="# ", subsequent_indent="# ")
    return "".join(f"{line}\n" for line in lines) + _INNER_MESSAGE.sub(_folded, text)


def _folded(inner: re.Match[str]) -> str:
    fields = " ".join(line.strip() for line in inner["body"].splitlines())
    folded = f"  {inner['name']} {{ {fields} }}"
    return folded.replace("{  }", "{}") if len(folded) <= _LINE_LENGTH else inner[0]
