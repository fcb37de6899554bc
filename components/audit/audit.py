"""The audit's verdict: the graph against ``constants.json``, and ``constants.json`` against the data."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from tensorflow_metadata.proto.v0 import statistics_pb2

from components.audit.account import RowCounts, Shard, account_findings
from components.audit.figures import figures_of_feature
from components.audit.graph_constants import constants_findings, standing_constants
from components.audit.graph_probe import distances, formula_findings, id_findings, probe, probe_rows
from components.audit.images import histograms, images_findings, pixel_findings, standing_in_images
from components.audit.lookups import lookup_findings
from components.audit.recount import Recounted, recount_findings
from components.audit.sample import sample_findings
from components.audit.shards import count_shards, sampled
from components.audit.statistics import compare_statistics, rows_of
from components.constants import NormalizationConstants
from components.errors import DataError
from components.frozen import FrozenTransform
from components.frozen.freeze import FrozenGraph
from components.rows_read import RowsRead
from components.verdict import Finding, Verdict

PINNED = "pinned constants are not those of this data: only the graph was audited"
LOST_ACCOUNT = (
    "NormalizingTransform writes rows_read.json beside the constants that name their schema, but it is not there: "
    "nothing tells which shards were read. Analyse again."
)
NO_ACCOUNT = "none was written beside the constants: which shards were read follows from numbers of rows only"


@dataclasses.dataclass(frozen=True)
class Evidence:
    """What the constants are held against.

    Attributes:
      shards: all of the analysed splits.
      statistics: StatisticsGen's, by split; one data set for each artifact of examples.
      splits: the analysed ones.
      sample_bytes: how much of the files is recounted at most, a whole shard at least; 0 recounts nothing.
      seed: of the sample.
      account: the reader's; None where there is none, which is right behind the stock Transform only.
      recorded: rows of the analysed splits by ExampleGen; None where it does not say.
      applied: the transform function that tf.Transform applies, where it is another file than the frozen graph.
    """

    shards: Sequence[Shard]
    statistics: Mapping[str, Sequence[statistics_pb2.DatasetFeatureStatistics]]
    splits: Sequence[str]
    sample_bytes: int
    seed: int
    account: RowsRead | None = None
    recorded: int | None = None
    applied: FrozenGraph | None = None


def audit_graph(frozen: FrozenTransform) -> tuple[tuple[Finding, ...], dict[str, Any]]:
    """Findings on the graph, and by feature the float64 constants found there and the worst distance in ulp."""
    constants = frozen.constants
    standing = standing_constants(frozen.graph)
    rows = probe_rows(frozen)
    found = probe(frozen, rows)
    ulps = distances(constants, rows, found)
    of_images = standing_in_images(frozen)
    findings = (
        *constants_findings(constants, standing),
        *images_findings(constants, of_images),
        *lookup_findings(frozen.graph),
        *formula_findings(constants, rows, found, ulps),
        *id_findings(constants, rows, found),
    )
    standing |= of_images
    return findings, {name: {"constants_in_graph": len(standing[name]), "max_ulp": ulps[name]} for name in standing}


def applied_findings(constants: NormalizationConstants, applied: FrozenGraph) -> tuple[Finding, ...]:
    """Findings on the constants in the transform function beside the frozen graph."""
    findings = (
        *constants_findings(constants, standing_constants(applied)),
        *lookup_findings(dataclasses.replace(applied, constants=constants)),
    )
    if applied.constants.digest != constants.digest:
        findings += (Finding("constant_changed", f"it holds the constants {applied.constants.digest}. Analyse again."),)
    return tuple(dataclasses.replace(each, message=f"in transform_fn: {each.message}") for each in findings)


def audit(frozen: FrozenTransform, evidence: Evidence) -> Verdict:
    """The verdict over graph, statistics, the reader's account and the shards.

    Figures: ``rows``, ``shards`` and ``shards_recounted``, ``complete``, ``units_read``, and by feature what was found
    in the graph, its numbers as stated, recounted and by StatisticsGen, or why these were not compared.

    Raises:
      DataError: no statistics of an analysed split.
    """
    constants = frozen.constants
    findings, features = audit_graph(frozen)
    if evidence.applied is not None:
        findings += applied_findings(constants, evidence.applied)
    if constants.provenance.source:
        pinned = {"data": PINNED, "source": constants.provenance.source, "features": features}
        return Verdict("audit", findings, figures=pinned)
    absent = [split for split in evidence.splits if not evidence.statistics.get(split)]
    if absent:
        raise DataError(
            f"The audit needs StatisticsGen's statistics of the splits {absent} but got those of "
            f"{sorted(evidence.statistics)}. Do not exclude any in StatisticsGen."
        )
    statistics = [dataset for split in evidence.splits for dataset in evidence.statistics[split]]
    others = {name: rows_of(of) for name, of in evidence.statistics.items() if name not in evidence.splits}
    files = [shard.path for shard in evidence.shards]
    chosen = sampled(files, evidence.sample_bytes, evidence.seed)
    whole = len(chosen) == len(files)
    shards = count_shards(chosen, constants, by_shard=not whole)
    counted = Recounted(shards, len(files), others, accounted=evidence.account is not None)
    compared = compare_statistics(constants, statistics)
    read: tuple[Finding, ...] = ()
    if evidence.account is not None:
        by_others = RowCounts(constants.rows, rows_of(statistics), evidence.recorded, shards.rows, shards.bytes)
        read = account_findings(evidence.account, evidence.shards, by_others)
    elif constants.provenance.schema_digest:
        read = (Finding("account_missing", LOST_ACCOUNT),)
    of_shards = recount_findings(constants, counted) if whole else sample_findings(constants, counted)
    if not whole and (extra := constants.rows - rows_of(statistics)):
        fault, why = counted.explained(extra)
        of_shards += (Finding(fault, f"the constants state {constants.rows} rows: {why}. Analyse again."),)
    for name in constants:
        numbers = figures_of_feature(constants[name], shards.features.get(name), compared, evidence.sample_bytes > 0)
        features[name] = {**features.get(name, {}), **numbers}
    of_images = histograms(constants, chosen)
    for name in (feature.name for feature in constants.plan.images):
        features[name] |= {"recounted": bool(chosen) and name in of_images, "statistics_gen": "an image"}
    findings += pixel_findings(constants, of_images, complete=whole)
    figures = {
        "rows": constants.rows,
        "shards": len(files),
        "shards_recounted": len(chosen),
        "rows_recounted": counted.rows,
        "complete": counted.complete,
        "units_read": len(evidence.account.units) if evidence.account is not None else NO_ACCOUNT,
        "features": features,
    }
    return Verdict("audit", (*findings, *read, *of_shards, *compared.findings), figures=figures)
