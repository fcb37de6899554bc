"""Histograms of raw values as StatisticsGen counted them, and of normalized ones."""

import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from tensorflow_metadata.proto.v0 import statistics_pb2

from components.constants import FeatureConstants
from components.report.facts import Histogram
from components.report.wording import number
from components.verdict import Verdict

Floats = npt.NDArray[np.float64]


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
        scores, counts = _clipped(scores, counts, one.feature.clip)
    return Histogram(
        tuple(scores.tolist()), tuple(counts.tolist()), f"{raw.source}, its edges mapped through the constants"
    )


def _clipped(edges: Floats, counts: Floats, bound: float) -> tuple[Floats, Floats]:
    """Bins beyond the bound, which have no width behind it, are counted in the last one within."""
    clipped = np.clip(edges, -bound, bound)
    has_width = np.diff(clipped) > 0
    if not has_width.any():
        return clipped[:2], np.array([counts.sum()])
    inside = np.flatnonzero(has_width)
    first, last = inside[0], inside[-1]
    kept = counts[first : last + 1].copy()
    kept[0] += counts[:first].sum()
    kept[-1] += counts[last + 1 :].sum()
    return clipped[first : last + 2], kept


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
        pair = (fed.figures.get("edges"), histogram)
        if isinstance(histogram, Mapping):
            pair = (histogram.get("edges"), histogram.get("counts"))
        edges, counts = map(_numbers, pair)
        if len(edges) == len(counts) + 1 and sum(counts) > 0:
            found[name] = _trimmed(edges, counts)
    return found


def _numbers(values: Any) -> tuple[float, ...]:
    """A list of finite numbers; empty for anything else."""
    if not isinstance(values, list | tuple):
        return ()
    is_usable = all(isinstance(value, int | float) and math.isfinite(value) for value in values)
    return tuple(map(float, values)) if is_usable else ()


def _trimmed(edges: tuple[float, ...], counts: tuple[float, ...]) -> Histogram:
    """Without the empty bins at both ends; the outermost ones of all also hold what lies beyond them."""
    filled = [at for at, count in enumerate(counts) if count]
    first, last = filled[0], filled[-1]
    source = "What the Trainer was fed in its first epoch"
    if first == 0 or last == len(counts) - 1:
        source += f", beyond {number(edges[0])} and {number(edges[-1])} in the outer bins"
    return Histogram(edges[first : last + 2], counts[first : last + 1], source)
