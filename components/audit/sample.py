"""The stated statistics against those of a part of the shards: bounds, and the fault that explains what breaks them."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from components.audit.bounds import Part, Stated
from components.audit.counted import Counted, counts_words
from components.audit.numbers import COUNTS, found_numbers, stated_numbers
from components.audit.recount import Recounted
from components.constants import NormalizationConstants
from components.verdict import Finding


def sample_findings(constants: NormalizationConstants, recounted: Recounted) -> tuple[Finding, ...]:
    """Findings of a part of the shards: on counts, extremes and texts that exceed the stated ones, and on what the
    bounds of ``components.audit.bounds`` exclude, by statistic, quartile and key."""
    findings = []
    if recounted.rows > constants.rows:
        message = f"a sample of the shards has {recounted.rows} rows but the constants state {constants.rows} for all."
        findings.append(Finding("rows_differ", f"{message} Analyse again."))
    features = recounted.shards.features
    parts = {name: _parts(constants, recounted, name) for name in recounted.shards.spreads}
    for name, counted in features.items():
        if counts_words(counted.stated.feature):
            fault, what = "vocabulary_differs", _unknown_words(counted)
        else:
            fault, what = _excess(constants, counted)
            if not what:
                fault, what = _beyond(features, parts, name)
            if not what:
                fault, what = _wrong_quartile(counted, parts[name])
            if not what:
                fault, what = _wrong_key(constants, recounted, name)
        if what:
            findings.append(Finding(fault, f"a sample of the shards has {what}. Analyse again.", name))
    return tuple(findings)


def _parts(constants: NormalizationConstants, recounted: Recounted, name: str) -> list[Part]:
    statistics = recounted.shards.features[name].statistics
    spreads = recounted.shards.spreads[name].statistics
    drawn, weighted = len(recounted.shards.rows), constants.plan.weight is not None
    pairs = zip(statistics, spreads, strict=True)
    return [Part(recount, spread, drawn, recounted.of, weighted) for recount, spread in pairs]


def _stated(counted: Counted) -> list[Stated]:
    own = counted.stated
    columns = (np.ravel(each).tolist() for each in (own.count, own.min, own.max, own.mean, own.variance))
    return [Stated(*row) for row in zip(*columns, strict=True)]


def _unknown_words(counted: Counted) -> str:
    stated = dict(counted.stated.vocabulary)
    excess = [(key, n) for key, n in sorted(counted.words.items()) if n > stated.get(key, 0)]
    return f"{excess[0][0]!r} {excess[0][1]} times, beyond the stated {stated.get(excess[0][0], 0)}" if excess else ""


def _excess(constants: NormalizationConstants, counted: Counted) -> tuple[str, str]:
    stated, found = stated_numbers(counted.stated), found_numbers(counted.stated, counted.statistics)
    for key in COUNTS:
        if any(f > s for f, s in zip(found.values[key], stated.values[key], strict=True)):
            what = f"{key} {found.values[key][:3]}, beyond the stated {stated.values[key][:3]}"
            everywhere = sum(stated.values[name][0] for name in ("count", "nan", "inf")) == constants.rows
            if key == "missing" and counted.stated.feature.model_shape == () and everywhere:
                return "missing_filled_before_statistics", f"{what}: every row is stated to have a value"
            return "statistics_differ", what
    for key, sign in (("min", -1), ("max", 1)):
        slack = found.slack.get(key, [0.0] * len(counted.statistics))
        limits = zip(found.values["count"], found.values[key], stated.values[key], slack, strict=True)
        if any(n and sign * (f - s) > most for n, f, s, most in limits):
            return "statistics_differ", f"{key} {found.values[key][:3]}, beyond the stated {stated.values[key][:3]}"
    return "", ""


def _beyond(features: Mapping[str, Counted], parts: Mapping[str, list[Part]], name: str) -> tuple[str, str]:
    """Fault and explanation; empty where all statistics may be right."""
    own = _stated(features[name])
    what = _first_beyond(parts[name], own)
    if not what:
        return "", ""
    if not _first_beyond(parts[name], [_swapped(each) for each in own]):
        return "mean_variance_swapped", f"{what}, and would not be if mean and variance changed places"
    for other in parts.keys() - {name}:
        theirs = _stated(features[other])
        alike = len(theirs) == len(own) and not _first_beyond(parts[other], own)
        if alike and _first_beyond(parts[other], theirs):
            return "features_permuted", f"{what}, and would not be as those of {other!r}"
    return "statistics_differ", what


def _first_beyond(parts: list[Part], stated: list[Stated]) -> str:
    found = (part.beyond(each) for part, each in zip(parts, stated, strict=True) if part.recount.count and each.count)
    return next(filter(None, found), "")


def _swapped(stated: Stated) -> Stated:
    return dataclasses.replace(stated, mean=stated.variance, variance=stated.mean)


def _wrong_quartile(counted: Counted, parts: list[Part]) -> tuple[str, str]:
    if not counted.ranks:
        return "", ""
    for part, stated in zip(parts, _stated(counted), strict=True):
        quarter = part.wrong_quartile(int(stated.count)) if part.recount.count and stated.count else 0
        if quarter:
            return "quartiles_differ", f"another share of its {part.recount.count} values up to quartile {quarter}"
    return "", ""


def _wrong_key(constants: NormalizationConstants, recounted: Recounted, name: str) -> tuple[str, str]:
    """Keys that are not stated, too many values of one, extremes; mean and variance where ``min_count`` let them be."""
    counted = recounted.shards.features[name]
    table = counted.stated.by_key
    if table is None:
        return "", ""
    drawn, weighted = len(recounted.shards.rows), constants.plan.weight is not None
    columns = (each.tolist() for each in (table.count, table.min, table.max, table.mean, table.variance))
    stated = {key: Stated(*row) for key, *row in zip(table.keys, *columns, strict=True)}
    slack = found_numbers(counted.stated, list(counted.by_key.values())).slack
    of_extremes = zip(*(slack.get(end, [0.0] * len(counted.by_key)) for end in ("min", "max")), strict=True)
    for (key, seen), (below, above) in zip(counted.by_key.items(), of_extremes, strict=True):
        own = stated.get(key)
        if own is None or seen.count > own.count:
            return "keys_differ", f"{key!r} {seen.count} times, beyond the stated {own.count if own else 0}"
        if seen.low < own.low - below or seen.high > own.high + above:
            return "statistics_differ", f"{key!r} beyond the stated extremes {own.low!r} and {own.high!r}"
        if own.count < counted.stated.feature.min_count:
            continue
        part = Part(seen, recounted.shards.spreads[name].by_key[key], drawn, recounted.of, weighted)
        if what := part.beyond(own):
            swapped = not part.beyond(_swapped(own))
            return "mean_variance_swapped" if swapped else "statistics_differ", f"under the key {key!r} {what}"
    return "", ""
