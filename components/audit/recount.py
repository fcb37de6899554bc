"""The stated statistics against those of the shards: equal bits, or the fault that explains the difference."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from components.audit.exact_recount import Recount
from components.audit.shards import ShardCounts
from components.constants import FeatureConstants, NormalizationConstants
from components.verdict import Finding

_COUNTS = ("count", "missing", "nan", "inf")
_FLOATS = ("min", "max", "mean", "variance")
# Up to here a difference is called one of arithmetic: a float32 sum of 10^7 rows is off by less.
_ARITHMETIC = 1e-3
_ROUNDING = 1e-12  # of n / (n - 1) in float64
Table = dict[str, list[Any]]


@dataclasses.dataclass(frozen=True)
class Recounted:
    """What the comparison knows.

    Attributes:
      shards: rows and statistics of the shards that were read.
      complete: whether these are all shards of the split.
      other_splits: rows of the other splits, as far as the statistics tell.
    """

    shards: ShardCounts
    complete: bool
    other_splits: Mapping[str, int]

    @property
    def rows(self) -> int:
        """Of all shards read."""
        return sum(self.shards.rows.values())


def recount_findings(constants: NormalizationConstants, recounted: Recounted) -> tuple[Finding, ...]:
    """Findings on rows first; by feature only where the rows agree.

    A sample of the shards can only show that no count and no extreme exceeds the stated ones.
    """
    if not recounted.complete:
        return _of_sample(constants, recounted)
    if constants.rows != recounted.rows:
        fault, why = _rows_fault(constants.rows - recounted.rows, recounted)
        message = f"the split has {recounted.rows} rows but the constants state {constants.rows}: {why}. Analyse again."
        return (Finding(fault, message),)
    found = {name: _found(counts) for name, counts in recounted.shards.features.items()}
    return tuple(
        finding for name in found if (finding := _feature_finding(constants[name], found, recounted)) is not None
    )


def _of_sample(constants: NormalizationConstants, recounted: Recounted) -> tuple[Finding, ...]:
    findings = []
    if recounted.rows > constants.rows:
        message = f"a sample of the shards has {recounted.rows} rows but the constants state {constants.rows} for all."
        findings.append(Finding("rows_differ", f"{message} Analyse again."))
    for name, counts in recounted.shards.features.items():
        stated, found = _stated(constants[name]), _found(counts)
        excess = [key for key in _COUNTS if any(f > s for f, s in zip(found[key], stated[key], strict=True))]
        excess += [key for key in ("min", "max") if _beyond(key, found, stated)]
        if excess:
            key = excess[0]
            message = f"a sample of the shards has {key} {found[key]}, beyond the stated {stated[key]}. Analyse again."
            findings.append(Finding("statistics_differ", message, name))
    return tuple(findings)


def _beyond(key: str, found: Table, stated: Table) -> bool:
    sign = 1 if key == "max" else -1
    return any(n and sign * f > sign * s for n, f, s in zip(found["count"], found[key], stated[key], strict=True))


def _stated(constants: FeatureConstants) -> Table:
    table = {name: np.ravel(getattr(constants, name)).tolist() for name in ("count", "missing", "nan", *_FLOATS)}
    return table | {"inf": np.ravel(constants.pos_inf + constants.neg_inf).tolist()}


def _found(counts: Sequence[Recount]) -> Table:
    table: Table = {name: [getattr(count, name) for count in counts] for name in _COUNTS}
    table |= {"min": [count.low for count in counts], "max": [count.high for count in counts]}
    for name in ("mean", "variance"):
        # Python divides whole numbers with one rounding, so that this is the nearest float64.
        table[name] = [float(getattr(count, name)) if count.count else float("nan") for count in counts]
    return table


def _rows_fault(extra: int, recounted: Recounted) -> tuple[str, str]:
    """Name and explanation of so many rows too many (below 0: too few)."""
    splits = recounted.other_splits
    for size in range(1, len(splits) + 1):
        for names in itertools.combinations(sorted(splits), size):
            if extra > 0 and sum(splits[name] for name in names) == extra:
                return "statistics_of_other_splits", f"the rows of {' and '.join(names)} would explain it"
    shard = next((file for file, n in recounted.shards.rows.items() if n and n == abs(extra)), None)
    if shard is None:
        return "rows_differ", f"{abs(extra)} too {'many' if extra > 0 else 'few'}"
    if extra < 0:
        return "shard_left_out", f"{shard} or another shard of {-extra} rows was left out"
    return "shard_read_twice", f"{shard} or another shard of {extra} rows was read twice"


def _feature_finding(
    constants: FeatureConstants, found_by_name: Mapping[str, Table], recounted: Recounted
) -> Finding | None:
    stated, found = _stated(constants), found_by_name[constants.name]
    wrong = [key for key in (*_COUNTS, *_FLOATS) if stated[key] != found[key]]
    if not wrong:
        return None
    fault, why = _named(constants, stated, found_by_name, recounted)
    key = wrong[0]
    message = f"{key} must be {found[key][:3]} by the shards but is stated as {stated[key][:3]}: {why}. Analyse again."
    return Finding(fault, message, constants.name)


def _named(
    constants: FeatureConstants, stated: Table, found_by_name: Mapping[str, Table], recounted: Recounted
) -> tuple[str, str]:
    found = found_by_name[constants.name]
    other = next((name for name, table in found_by_name.items() if table == stated and name != constants.name), None)
    if other is not None:
        return "features_permuted", f"these are the statistics of {other!r}"
    if stated["mean"] == found["variance"] and stated["variance"] == found["mean"]:
        return "mean_variance_swapped", "each stands in the other's place"
    filled = [n + m for n, m in zip(found["count"], found["missing"], strict=True)]
    if any(found["missing"]) and stated["count"] == filled:
        return "missing_filled_before_statistics", "the count holds the missing values"
    if constants.feature.model_shape == ():
        extra = sum(sum(stated[name]) - sum(found[name]) for name in _COUNTS)
        if extra:
            return _rows_fault(extra, recounted)
    if all(stated[key] == found[key] for key in (*_COUNTS, "min", "max")):
        return _arithmetic(stated, found)
    return "statistics_differ", "no known fault explains it"


def _arithmetic(stated: Table, found: Table) -> tuple[str, str]:
    n = np.array(found["count"], np.float64)
    mean, variance = np.array(found["mean"]), np.array(found["variance"])
    off_mean, off_variance = np.abs(np.array(stated["mean"]) - mean), np.abs(np.array(stated["variance"]) - variance)
    with np.errstate(divide="ignore", invalid="ignore"):
        sample = variance * n / (n - 1)
    if not off_mean.any() and np.allclose(stated["variance"], sample, rtol=_ROUNDING, atol=0, equal_nan=True):
        return "sample_variance", "it was divided by n - 1"
    power = variance + mean * mean
    if (off_mean <= _ARITHMETIC * np.sqrt(power)).all() and (off_variance <= _ARITHMETIC * power).all():
        return "not_exact", "the sums were rounded, as those of float32 are"
    return "statistics_differ", "no known fault explains it"
