"""Histograms of raw values as StatisticsGen counted them, and of normalized ones."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

import numpy as np
from tensorflow_metadata.proto.v0 import statistics_pb2

from components.constants import FeatureConstants
from components.report.facts import Histogram
from components.verdict import Verdict


def raw_histograms(statistics: statistics_pb2.DatasetFeatureStatisticsList, split: str) -> dict[str, Histogram]:
    """Histograms of equal width of the numeric features, by name; others have none."""
    found: dict[str, Histogram] = {}
    for dataset in statistics.datasets:
        for feature in dataset.features:
            name = feature.name or ".".join(feature.path.step)
            for histogram in feature.num_stats.histograms:
                if histogram.type == statistics_pb2.Histogram.STANDARD:
                    usable = _of_buckets(histogram.buckets, f"StatisticsGen, split {split}")
                    if usable is not None:
                        found[name] = usable
    return found


def _of_buckets(buckets: Any, source: str) -> Histogram | None:
    """None for buckets without a width (no values, or infinite ones)."""
    if not buckets:
        return None
    edges = [buckets[0].low_value, *(bucket.high_value for bucket in buckets)]
    if not all(map(math.isfinite, edges)) or any(a > b for a, b in itertools.pairwise(edges)):
        return None
    counts = [float(bucket.sample_count) for bucket in buckets]
    if edges[0] == edges[-1]:  # a constant: TFDV gives it buckets without a width
        return Histogram((edges[0], edges[0]), (sum(counts),), source)
    return Histogram(tuple(edges), tuple(counts), source)


def mapped(raw: Histogram, one: FeatureConstants) -> Histogram:
    """The histogram of raw values with its edges normalized; of a feature with one pair of constants.

    Policies for missing and non-finite values are not in it: their rows are not in ``raw``. A ``clip`` gathers what
    is beyond it at the bound.
    """
    edges = np.asarray(raw.edges, np.float64)
    counts = np.asarray(raw.counts, np.float64)
    if one.feature.log1p:
        usable = edges > -1
        first = max(int(np.argmax(usable)) - 1, 0) if usable.any() else len(edges) - 1
        edges, counts = np.log1p(np.maximum(edges[first:], np.nextafter(-1, 0))), counts[first:]
    center, spread = _center_and_spread(one)
    scores = np.zeros_like(edges) if spread == 0 else (edges - center) / spread
    if one.feature.clip:
        scores = np.clip(scores, -one.feature.clip, one.feature.clip)
    return Histogram(
        tuple(scores.tolist()), tuple(counts.tolist()), f"{raw.source}, its edges mapped through the constants"
    )


def _center_and_spread(one: FeatureConstants) -> tuple[float, float]:
    if one.role == "min_max":
        return one.min.item(), one.max.item() - one.min.item()
    if one.role == "robust" and one.quartiles is not None:
        low, middle, high = (quartile.item() for quartile in one.quartiles)
        return middle, high - low
    return one.mean.item(), one.sigma.item()


def fed_histograms(fed: Verdict | None) -> dict[str, Histogram]:
    """By model tensor, what the Trainer's first epoch counted; an entry that is no histogram is left out."""
    if fed is None:
        return {}
    features = fed.figures.get("features")
    found = {}
    for name, figures in features.items() if isinstance(features, Mapping) else ():
        histogram = figures.get("histogram") if isinstance(figures, Mapping) else None
        edges, counts = fed.figures.get("edges"), histogram
        if isinstance(histogram, Mapping):
            edges, counts = histogram.get("edges"), histogram.get("counts")
        if _is_numbers(edges) and _is_numbers(counts) and len(edges) == len(counts) + 1 and any(counts):
            found[name] = _trimmed(edges, counts)
    return found


def _is_numbers(values: Any) -> TypeGuard[Sequence[float]]:
    return isinstance(values, list | tuple) and all(
        isinstance(value, int | float) and math.isfinite(value) for value in values
    )


def _trimmed(edges: Sequence[float], counts: Sequence[float]) -> Histogram:
    """Without the empty bins at both ends."""
    filled = [at for at, count in enumerate(counts) if count]
    first, last = filled[0], filled[-1]
    return Histogram(
        tuple(map(float, edges[first : last + 2])),
        tuple(map(float, counts[first : last + 1])),
        "what the Trainer was fed in its first epoch",
    )
