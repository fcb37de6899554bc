"""The saved graph as a function: chosen raw values in, its scores against the float64 reference."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.constants import FeatureConstants, NormalizationConstants
from components.feature_plan import Feature, model_name
from components.frozen import FrozenTransform
from components.frozen.raw_columns import parse_spec
from components.parity.images import comparable_rows
from components.parity.reference import reference
from components.parity.ulps import worst_ulps
from components.png import encode_png
from components.verdict import Finding

MAX_ULPS = 1.0  # float64 arithmetic and one rounding to float32; the reference divides where the graph multiplies
_SIGMAS = (-3.0, -1.0, -0.25, 0.25, 1.0, 3.0)
# Keys of one column that are probed; the tables are walked, too, and compared to the last bit.
_KEYS, _CELLS = 256, 1_000_000  # at least, and so many that a row's columns times the rows stay below
_UNSEEN = (b"\x00 never seen", -(2**62) + 1)
_NONFINITE = (float("nan"), float("inf"), float("-inf"))
_SHADES = (0, 255, 1, 128)  # of images of one pixel
Rows = list[dict[str, list[Any]]]


def probe_rows(frozen: FrozenTransform) -> Rows:
    """Rows with the mean, so many sigmas beside it, minimum, maximum, each text and key that was seen, NaN and both
    infinities where they may be, a text and key that was never seen and, last and where it may be, no value at all."""
    constants = frozen.constants
    inputs = constants.plan.inputs
    columns = {feature.name: _points(constants[feature.name]) for feature in constants.plan.normalized}
    optional = [f.name for f in inputs if f.role == "category" and f.missing != "error" and frozen.takes_sparse(f)]
    optional += [feature.name for feature in constants.plan.normalized if _may_be_absent(feature, frozen)]
    known = {feature.name: _known(feature, constants) for feature in inputs}
    points = max((len(points) for points in columns.values()), default=1)
    keys = max((len(values) for values in known.values()), default=0)
    n = comparable_rows(constants.plan, max(points, min(keys, max(_KEYS, _CELLS // len(inputs)))))
    rows: Rows = [{f.name: _value(f, known[f.name], columns.get(f.name), at) for f in inputs} for at in range(n + 5)]
    for name in (f.name for f in constants.plan.normalized if f.dtype == "float32" and f.nonfinite != "error"):
        for row, value in zip(rows[-5:-2], _NONFINITE, strict=True):
            row[name] = [value] * len(row[name])
    for feature in inputs:
        if known[feature.name] and not any(f.key == feature.name and f.unseen == "error" for f in inputs):
            rows[-2][feature.name] = [_unseen(feature, known[feature.name])]
    for name in optional:
        rows[-1][name] = []
    return rows


def probe(frozen: FrozenTransform, rows: Rows) -> dict[str, npt.NDArray[Any]]:
    """What the graph makes of these rows, by model name; of a feature of variable length its values in one line."""
    plan = frozen.plan
    spec = {feature.name: parse_spec(feature, frozen.takes_sparse(feature)) for feature in plan.inputs}
    serialized = [_example(plan.inputs, row) for row in rows]
    outputs = frozen(tf.io.parse_example(tf.constant(serialized), spec))
    return {name: (x.values if isinstance(x, tf.SparseTensor) else x).numpy() for name, x in outputs.items()}


def distances(constants: NormalizationConstants, rows: Rows, found: Mapping[str, npt.NDArray[Any]]) -> dict[str, float]:
    """The worst distance from the reference in float32 ulps, by normalized feature and image."""
    expected = reference(constants, rows)
    plan = constants.plan
    names = {feature.name: model_name(feature.name) for feature in (*plan.normalized, *plan.images)}
    return {name: worst_ulps(found[model], expected[model]) for name, model in names.items()}


def id_findings(
    constants: NormalizationConstants, rows: Rows, found: Mapping[str, npt.NDArray[Any]]
) -> tuple[Finding, ...]:
    """One finding for each category that gets another id than the stated vocabulary gives it."""
    expected = reference(constants, rows)
    findings = []
    for feature in constants.plan.with_role("category"):
        own, right = found[model_name(feature.name)], expected[model_name(feature.name)]
        if (own != right).any():
            at = int(np.argmax(own != right))
            raw = rows[at][feature.name]
            message = f"{raw} must become {right[at]} but becomes {own[at]}. The graph was edited: analyse again."
            findings.append(Finding("lookup_changed", message, feature.name))
    return tuple(findings)


def formula_findings(
    constants: NormalizationConstants,
    rows: Rows,
    found: Mapping[str, npt.NDArray[Any]],
    far: Mapping[str, float],
) -> tuple[Finding, ...]:
    """One finding for each feature that lies more than ``MAX_ULPS`` away; ``far`` is what ``distances`` gave."""
    wrong = {feature: ulps for feature, ulps in far.items() if ulps > MAX_ULPS}
    if not wrong:
        return ()
    expected = reference(constants, rows)
    names = [model_name(feature.name) for feature in constants.plan.normalized]
    findings = []
    for feature, ulps in wrong.items():
        own = found[model_name(feature)]
        others = [n for n in names if n != model_name(feature) and worst_ulps(own, expected[n]) <= MAX_ULPS]
        fault = "features_permuted" if others else "formula_changed"
        came = f"gives the scores of {others[0]!r}" if others else f"lies {ulps:.6g} ulp away"
        message = f"the graph must be within {MAX_ULPS:g} ulp of (x - center) * scale but {came}. Analyse again."
        findings.append(Finding(fault, message, feature))
    return tuple(findings)


def _points(constants: FeatureConstants) -> list[list[Any]]:
    """Raw rows of one feature, as lists of its values."""
    mean, sigma = (_elements(constants, values) for values in (constants.mean, constants.sigma))
    around = [mean + k * sigma for k in _SIGMAS]
    # log1p(x) - mean is all rounding at the mean itself, and NumPy's logarithm is not TensorFlow's to the last bit.
    around += [] if constants.feature.log1p else [mean]
    around += [_elements(constants, values) for values in (constants.min, constants.max)]
    return [_raw(constants.feature, point) for point in around]


def _elements(constants: FeatureConstants, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    shape = constants.feature.shape or ()
    kept = [size if axis in (constants.feature.axis or ()) else 1 for axis, size in enumerate(shape)]
    return np.broadcast_to(np.reshape(values, kept), shape).reshape(-1)


def _raw(feature: Feature, values: npt.NDArray[np.float64]) -> list[Any]:
    raw = np.expm1(values) if feature.log1p else values
    if feature.dtype == "int64":
        return np.clip(np.rint(raw), -(2.0**53), 2.0**53).astype(np.int64).tolist()
    limit = float(np.finfo(np.float32).max)
    small = np.clip(raw, -limit, limit).astype(np.float32)
    # TensorFlow reads a subnormal number as 0, on every way; the transform promises nothing for them.
    return np.where(np.abs(small) < np.finfo(np.float32).tiny, np.float32(0), small).tolist()


def _known(feature: Feature, constants: NormalizationConstants) -> list[Any]:
    """The texts or numbers of a category or a key that the constants know."""
    tables = [constants[other.name].by_key for other in constants.plan.normalized if other.key == feature.name]
    seen = {key for table in tables if table is not None for key in table.keys}
    if feature.role == "category":
        seen |= {key for key, _ in constants[feature.name].vocabulary}
    return [key if feature.dtype == "bytes" else int(key) for key in sorted(seen)]


def _unseen(feature: Feature, known: list[Any]) -> Any:
    text, number = _UNSEEN
    while text in known or number in known:
        text, number = text + b"!", number + 1
    return text if feature.dtype == "bytes" else number


def _value(feature: Feature, known: list[Any], points: list[list[Any]] | None, at: int) -> list[Any]:
    """A key or text that was seen, a point, or what only fills its place."""
    if known:
        return [known[at % len(known)]]
    if points is not None:
        return points[at % len(points)]
    if feature.image is not None:
        return [encode_png(np.full([1, 1, feature.image.channels], _SHADES[at % len(_SHADES)], np.uint8))]
    size = int(np.prod(feature.shape or (), dtype=np.int64))
    return [{"bytes": b"", "int64": 0, "float32": 0.0}[feature.dtype]] * size


def _may_be_absent(feature: Feature, frozen: FrozenTransform) -> bool:
    if feature.missing == "error":
        return False
    return frozen.takes_sparse(feature) or (feature.dtype == "float32" and feature.nonfinite != "error")


def _example(features: tuple[Feature, ...], row: Mapping[str, list[Any]]) -> bytes:
    example = tf.train.Example()
    for feature in (feature for feature in features if row[feature.name]):
        into = example.features.feature[feature.name]
        kind = {"bytes": into.bytes_list, "int64": into.int64_list, "float32": into.float_list}[feature.dtype]
        kind.value.extend(row[feature.name])
    return bytes(example.SerializeToString())
