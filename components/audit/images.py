"""Images: the channels' constants in the graph, and their statistics counted anew, pixel by pixel, from the shards.

The analyzer adds up samples and squares in wide rows (``components.moments.image_moments``); here each channel is a
histogram of whole numbers, of which everything else follows exactly.
"""

import dataclasses
import functools
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.audit.const_walk import bearing, constants_behind, nodes_by_name
from components.constants import FeatureConstants, NormalizationConstants
from components.feature_plan import Feature, FeaturePlan, model_name
from components.frozen import FrozenTransform
from components.frozen.raw_columns import parse_spec
from components.frozen.record_files import compression_of
from components.parity.images import samples
from components.verdict import Finding

_BATCH = 64  # records; 100 MB of histograms of 16 bits
_FULL = {8: 255, 16: 65_535}
Floats = npt.NDArray[np.float64]


@dataclasses.dataclass
class Histogram:
    """Of one image feature: how often each sample occurs in each channel, int64 [channels, full + 1]; absent images."""

    counts: npt.NDArray[np.int64]
    missing: int = 0


def standing_in_images(frozen: FrozenTransform) -> dict[str, Floats]:
    """The distinct float64 constants behind each image's output, by the schema's own name."""
    nodes = nodes_by_name(frozen.graph.graph_def)
    within = bearing(nodes)
    ends = {feature.name: frozen.graph.outputs[model_name(feature.name)] for feature in frozen.plan.images}
    return {
        name: np.concatenate([constants_behind(nodes, within, tensor) for tensor in tensors])
        for name, tensors in ends.items()
    }


def images_findings(constants: NormalizationConstants, standing: Mapping[str, Floats]) -> tuple[Finding, ...]:
    """One for each image whose centers and scales, by channel, do not all stand in the graph, to the last bit."""
    findings = []
    for name, found in standing.items():
        expected = np.ravel(expected_in_graph(constants[name]))
        absent = expected[~np.isin(expected.view(np.uint64), found.view(np.uint64))]
        if absent.size:
            first = float(absent[0])
            message = (
                f"the graph must hold {first.hex()} ({first!r}), which constants.json states, but holds "
                f"{found.tolist()[:8]}. The graph was edited: analyse again."
            )
            findings.append(Finding("constant_changed", message, name))
    return tuple(findings)


def pixel_findings(
    constants: NormalizationConstants, counted: Mapping[str, Histogram], *, complete: bool
) -> tuple[Finding, ...]:
    """One for each image whose statistics are not those of its pixels, to the last bit.

    Those of a sample of the shards must not exceed the stated ones.
    """
    differs = _differs if complete else _exceeds
    said = {name: differs(constants[name], histogram) for name, histogram in counted.items()}
    return tuple(Finding("statistics_differ", f"{text}. Analyse again.", name) for name, text in said.items() if text)


def expected_in_graph(own: FeatureConstants) -> Floats:
    """float64 [2, n]: center and scale of each statistic, in samples as they are stored; scale 0 without spread."""
    unit = _unit(own)
    center, spread = np.ravel(own.mean) * unit, np.ravel(own.sigma) * unit
    with np.errstate(divide="ignore"):
        return np.stack([center, np.where(spread == 0, 0.0, 1.0 / spread)])


def histograms(constants: NormalizationConstants, files: Sequence[str]) -> dict[str, Histogram]:
    """By image feature, of all records of these files; none where there are weights.

    Raises:
      tf.errors.InvalidArgumentError: an image that cannot be decoded, unless its tag is corrupt=skip.
    """
    plan = constants.plan
    if not plan.images or plan.weight is not None:
        return {}
    counted = {feature.name: _empty(constants[feature.name]) for feature in plan.images}
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        for texts in _texts(files, plan):
            for feature in plan.images:
                histogram = counted[feature.name]
                count = functools.partial(_channels, feature, constants[feature.name].bits)
                for counts in workers.map(count, texts[feature.name]):
                    if counts is None:
                        histogram.missing += 1
                    else:
                        histogram.counts += counts
    return counted


def _empty(own: FeatureConstants) -> Histogram:
    assert own.feature.image is not None
    return Histogram(np.zeros([own.feature.image.channels, _FULL[own.bits] + 1], np.int64))


def _unit(own: FeatureConstants) -> int:
    """What a sample is divided by for the constants."""
    assert own.feature.image is not None
    return 1 if own.feature.image.scale == _FULL[8] else _FULL[own.bits]


def _texts(files: Sequence[str], plan: FeaturePlan) -> Iterator[dict[str, list[bytes]]]:
    """Encoded images by feature, of so many records at a time; empty where there is none."""
    spec = {feature.name: parse_spec(feature, True) for feature in plan.images}
    for file in files:
        for batch in tf.data.TFRecordDataset(file, compression_of(file)).batch(_BATCH):
            parsed = tf.io.parse_example(batch, spec)
            yield {name: tf.sparse.to_dense(column, b"").numpy().ravel().tolist() for name, column in parsed.items()}


def _channels(feature: Feature, bits: int, text: bytes) -> npt.NDArray[np.int64] | None:
    """How often each sample occurs in each channel; None for an image that is left out."""
    image = feature.image
    assert image is not None
    try:
        pixels = samples(image, text, bits)
    except tf.errors.InvalidArgumentError:
        if image.corrupt == "error":
            raise
        return None
    by_channel = (pixels[..., channel].ravel() for channel in range(image.channels))
    return np.stack([np.bincount(values, minlength=_FULL[bits] + 1) for values in by_channel])


def _differs(own: FeatureConstants, histogram: Histogram) -> str:
    """The first statistic that is not stated as counted, in words; empty where all are."""
    found = _statistics(own, histogram)
    for name, values in found.items():
        stated = np.ravel(getattr(own, name)).tolist()
        if stated != values:
            return f"{name} must be {values} by the pixels of the shards but is stated as {stated}"
    return ""


def _exceeds(own: FeatureConstants, histogram: Histogram) -> str:
    """Whether a sample has more pixels, or wider extremes, than are stated for all."""
    found = _statistics(own, histogram)
    for name, sign in (("count", 1), ("missing", 1), ("max", 1), ("min", -1)):
        stated = np.ravel(getattr(own, name)).tolist()
        if any(n and sign * f > sign * s for n, f, s in zip(found["count"], found[name], stated, strict=True)):
            return f"a sample of the shards has {name} {found[name]}, beyond the stated {stated}"
    return ""


def _statistics(own: FeatureConstants, histogram: Histogram) -> dict[str, list[Any]]:
    """By name, of each statistic in the order of its flattened shape; each rounded once, from exact numbers."""
    unit = _unit(own)
    counts = histogram.counts if own.feature.statistic_shape else histogram.counts.sum(axis=0, keepdims=True)
    table: dict[str, list[Any]] = {name: [] for name in ("count", "missing", "min", "max", "mean", "variance")}
    for row in counts:
        seen = np.flatnonzero(row).tolist()
        numbers = [int(row[value]) for value in seen]
        n = sum(numbers)
        total = sum(value * number for value, number in zip(seen, numbers, strict=True))
        squares = sum(value * value * number for value, number in zip(seen, numbers, strict=True))
        table["count"].append(n)
        table["missing"].append(histogram.missing)
        table["min"].append(float(Fraction(seen[0], unit)) if n else float("inf"))
        table["max"].append(float(Fraction(seen[-1], unit)) if n else float("-inf"))
        table["mean"].append(float(Fraction(total, n * unit)) if n else float("nan"))
        table["variance"].append(float(Fraction(n * squares - total * total, (n * unit) ** 2)) if n else float("nan"))
    return table
