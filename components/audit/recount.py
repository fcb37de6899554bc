"""The stated statistics against those of the shards: equal bits, or the fault that explains the difference."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from components.audit.counted import Counted, counts_words, quartile_ranges
from components.audit.exact_recount import Recount
from components.audit.numbers import COUNTS, FLOATS, Numbers, differing, found_numbers, named, stated_numbers
from components.audit.row_faults import rows_fault
from components.audit.shards import ShardCounts
from components.constants import FeatureConstants, NormalizationConstants
from components.verdict import Finding

_SHOWN = 3


@dataclasses.dataclass(frozen=True)
class Recounted:
    """What the comparison knows.

    Attributes:
      shards: rows and statistics of the shards that were read.
      of: how many shards the analysed splits have.
      other_splits: rows of the other splits, as far as the statistics tell.
      accounted: whether the reader gave account of each shard, so that their rows need not explain a difference.
    """

    shards: ShardCounts
    of: int
    other_splits: Mapping[str, int]
    accounted: bool = False

    @property
    def rows(self) -> int:
        """Of all shards read."""
        return sum(self.shards.rows.values())

    def explained(self, extra: int) -> tuple[str, str]:
        """Name and explanation of so many rows too many, below 0 too few."""
        return rows_fault(extra, {} if self.accounted else self.shards.rows, self.other_splits)

    @property
    def complete(self) -> bool:
        """Whether these are all shards of the split."""
        return len(self.shards.rows) == self.of


def recount_findings(constants: NormalizationConstants, recounted: Recounted) -> tuple[Finding, ...]:
    """Findings of a whole recount: on rows first; by feature only where the rows agree."""
    if constants.rows != recounted.rows:
        fault, why = recounted.explained(constants.rows - recounted.rows)
        message = f"the split has {recounted.rows} rows but the constants state {constants.rows}: {why}. Analyse again."
        return (Finding(fault, message),)
    found = {
        name: found_numbers(constants[name], of.statistics)
        for name, of in recounted.shards.features.items()
        if not counts_words(of.stated.feature)
    }
    findings: list[Finding] = []
    for name, counted in recounted.shards.features.items():
        if counts_words(counted.stated.feature):
            findings += _of_words(counted)
            continue
        stated = stated_numbers(constants[name])
        weighted = constants.plan.weight is not None
        wrong = next(iter(differing(stated, found[name])), None)
        if wrong is not None:
            fault, why = _named(constants[name], stated, found, recounted, weighted)
            findings.append(_finding(name, fault, wrong, stated, found[name], why))
        findings += _of_quartiles(counted)
        findings += _of_keys(counted)
    return tuple(findings)


def _finding(name: str, fault: str, wrong: str, stated: Numbers, found: Numbers, why: str) -> Finding:
    came, said = (list(table.values[wrong][:_SHOWN]) for table in (found, stated))
    message = f"{wrong} must be {came} by the shards but is stated as {said}: {why}. Analyse again."
    return Finding(fault, message, name)


def _named(
    constants: FeatureConstants,
    stated: Numbers,
    found_by_name: Mapping[str, Numbers],
    recounted: Recounted,
    weighted: bool,
) -> tuple[str, str]:
    found = found_by_name[constants.name]
    other = next(
        (n for n, table in found_by_name.items() if table.values == stated.values and n != constants.name), None
    )
    if other is not None:
        return "features_permuted", f"these are the statistics of {other!r}"
    if constants.feature.model_shape == () and not weighted:
        filled = any(found.values["missing"]) and stated.values["count"] == [
            n + m for n, m in zip(found.values["count"], found.values["missing"], strict=True)
        ]
        extra = sum(sum(stated.values[name]) - sum(found.values[name]) for name in COUNTS)
        if extra and not filled:
            return recounted.explained(int(extra))
    return named(stated, found)


def _of_keys(counted: Counted) -> Iterator[Finding]:
    table = counted.stated.by_key
    if table is None:
        return
    name, seen = counted.stated.name, counted.by_key
    if list(table.keys) != sorted(seen):
        only = sorted({*table.keys} ^ {*seen})[:_SHOWN]
        message = f"the shards have {len(seen)} keys with values but {len(table.keys)} are stated; on one side: {only}."
        yield Finding("keys_differ", f"{message} Analyse again.", name)
        return
    least, everything = counted.stated.feature.min_count, counted.statistics[0]
    found = found_numbers(counted.stated, [seen[key].drawn_to(everything, least) for key in table.keys])
    plain = {field: np.ravel(getattr(table, field)).tolist() for field in ("count", *FLOATS)}
    none: list[float] = [0] * len(table.keys)
    stated = Numbers({**dict.fromkeys(COUNTS, none), **plain}, found.slack)
    wrong = next(iter(differing(stated, found)), None)
    if wrong is None:
        return
    places = [i for i, (a, b) in enumerate(zip(stated.values[wrong], found.values[wrong], strict=True)) if a != b]
    fault, why = named(stated, found)
    keys = [table.keys[i] for i in places[:_SHOWN]]
    yield _finding(name, fault, wrong, stated.at(places), found.at(places), f"under {len(places)} keys, {keys}, {why}")


def _of_words(counted: Counted) -> Iterator[Finding]:
    stated, words = counted.stated, counted.words
    by_bytes = sorted(words.items())
    ordered = by_bytes if stated.role == "label" else sorted(by_bytes, key=lambda item: -item[1])
    came = (tuple(ordered), sum(words.values()), counted.statistics[0].missing)
    said = (stated.vocabulary, int(stated.count), int(stated.missing))
    if came == said:
        return
    if came[0] != said[0]:
        at = next((i for i, pair in enumerate(zip(came[0], said[0], strict=False)) if pair[0] != pair[1]), len(came[0]))
        here, there = (list(entries[at : at + 1]) for entries in (came[0], said[0]))
        what = f"{len(came[0])} values, at place {at} {here}, but {len(said[0])} are stated, there {there}"
    else:
        what = f"{came[1]} values and {came[2]} rows without one but {said[1]} and {said[2]} are stated"
    yield Finding("vocabulary_differs", f"the shards have {what}. Analyse again.", stated.name)


def _of_quartiles(counted: Counted) -> Iterator[Finding]:
    """A quartile is the smallest number with its share of the values up to it, or within the stated error of that."""
    if not counted.ranks:
        return
    ranges = quartile_ranges(counted.stated)
    for at, (ranks, count) in enumerate(zip(counted.ranks, _counts(counted.statistics), strict=True)):
        for quarter, (below, upto) in enumerate(ranks, start=1):
            needed = -(-quarter * count // 4)
            if not below < needed <= upto:
                low, high = ranges[at][quarter - 1]
                message = (
                    f"quartile {quarter} must have {needed} of {count} values up to it, but {below} lie below {low!r} "
                    f"and {upto} up to {high!r}, the stated range. Analyse again."
                )
                yield Finding("quartiles_differ", message, counted.stated.name)
                return


def _counts(statistics: Sequence[Recount]) -> list[int]:
    return [statistic.count for statistic in statistics]
