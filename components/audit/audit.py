"""The audit's verdict: the graph against ``constants.json``, and ``constants.json`` against the data."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from tensorflow_metadata.proto.v0 import statistics_pb2

from components.audit.graph_constants import constants_findings, standing_constants
from components.audit.graph_probe import distances, formula_findings, probe, probe_rows
from components.audit.images import histograms, images_findings, pixel_findings, standing_in_images
from components.audit.recount import Recounted, recount_findings
from components.audit.shards import count_shards, sampled
from components.audit.statistics import Comparison, compare_statistics
from components.errors import DataError
from components.frozen import FrozenTransform
from components.verdict import Finding, Verdict

PINNED = "pinned constants are not those of this data: only the graph was audited"


@dataclasses.dataclass(frozen=True)
class Evidence:
    """What the constants are held against.

    Attributes:
      files: all shards of the analysed split.
      statistics: StatisticsGen's, by split.
      split: the analysed one.
      sample_bytes: how much of the files is recounted at most, a whole shard at least.
      seed: of the sample.
    """

    files: Sequence[str]
    statistics: Mapping[str, statistics_pb2.DatasetFeatureStatistics]
    split: str
    sample_bytes: int
    seed: int


def audit_graph(frozen: FrozenTransform) -> tuple[tuple[Finding, ...], dict[str, Any]]:
    """Findings on the graph, and by feature the float64 constants found there and the worst distance in ulp."""
    constants = frozen.constants
    standing = standing_constants(frozen.graph)
    rows = probe_rows(frozen)
    found = probe(frozen, rows)
    ulps = distances(constants, rows, found)
    findings = constants_findings(constants, standing) + formula_findings(constants, rows, found, ulps)
    of_images = standing_in_images(frozen)
    findings += images_findings(constants, of_images)
    standing |= of_images
    return findings, {name: {"constants_in_graph": len(standing[name]), "max_ulp": ulps[name]} for name in standing}


def audit(frozen: FrozenTransform, evidence: Evidence) -> Verdict:
    """The verdict over graph, statistics and shards.

    Figures: ``rows``, ``shards`` and ``shards_recounted``, ``complete``, and by feature what was found in the graph,
    whether it was recounted, and why it was not compared with StatisticsGen.

    Raises:
      DataError: no statistics of the analysed split.
    """
    constants = frozen.constants
    findings, features = audit_graph(frozen)
    if constants.provenance.source:
        pinned = {"data": PINNED, "source": constants.provenance.source, "features": features}
        return Verdict("audit", findings, figures=pinned)
    if evidence.split not in evidence.statistics:
        raise DataError(
            f"The audit needs StatisticsGen's statistics of the split {evidence.split!r} but got those of "
            f"{sorted(evidence.statistics)}. Do not exclude it in StatisticsGen."
        )
    chosen = sampled(evidence.files, evidence.sample_bytes, evidence.seed)
    others = {name: int(s.num_examples) for name, s in evidence.statistics.items() if name != evidence.split}
    counted = Recounted(count_shards(chosen, constants.plan), len(chosen) == len(evidence.files), others)
    compared: Comparison = compare_statistics(constants, evidence.statistics[evidence.split])
    for name, figures_of in features.items():
        figures_of["recounted"] = name in counted.shards.features
        figures_of["statistics_gen"] = compared.not_compared.get(name, "compared")
    of_images = histograms(constants, chosen)
    for name in (feature.name for feature in constants.plan.images):
        features[name] |= {"recounted": name in of_images, "statistics_gen": "an image"}
    findings += pixel_findings(constants, of_images, complete=len(chosen) == len(evidence.files))
    figures = {
        "rows": constants.rows,
        "shards": len(evidence.files),
        "shards_recounted": len(chosen),
        "rows_recounted": counted.rows,
        "complete": counted.complete,
        "features": features,
    }
    return Verdict("audit", (*findings, *recount_findings(constants, counted), *compared.findings), figures=figures)
