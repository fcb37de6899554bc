"""Rows that real data seldom hold: absent, NaN, infinite and extreme values, unseen keys. Without TensorFlow."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from components.constants import NormalizationConstants
from components.feature_plan import NORMALIZED_ROLES, Feature
from components.parity.reference import Row
from components.png import encode_png

_UNSEEN = b"\x01 not in any vocabulary"
_UNSEEN_WHOLE = -(2**53 - 11)
_SHADES = {"black": 0, "white": 255}
_FLOAT32 = np.finfo(np.float32)
# Beyond it float64 does not tell whole numbers apart, and the transform promises no ulp.
_LARGEST_WHOLE = 2**53 - 1


def edge_rows(constants: NormalizationConstants, usual: Row) -> dict[str, Row]:
    """Rows by the name of their edge, each edge in all features at once that can take it.

    A feature keeps its usual values where the edge is none for it (NaN in whole numbers) and where its policy is to
    refuse it (``missing=error``, ``nonfinite=error``, ``unseen=error``): these rows must pass. Features
    passed through always keep theirs, and so do images but in two rows of their own: one pixel, black or white, that is
    made as large as all images are. An Example with nothing in it is one of the rows if no feature refuses that.

    Args:
      constants: of the analysis.
      usual: a real row, by the schema's own names.
    """
    plan = constants.plan
    refusing = {f.key for f in plan.normalized if f.key and f.unseen == "error"}

    def row(edge: Callable[[Feature], Any]) -> Row:
        found = {}
        for feature in plan.inputs:
            value = None if feature.role not in NORMALIZED_ROLES else edge(feature)
            found[feature.name] = usual.get(feature.name, ()) if value is None else [value] * _size(feature)
        return found

    def without() -> Row:
        kept = {f.name for f in plan.inputs if not _may_be_absent(f) or f.name in refusing}
        return {name: values for name, values in row(lambda _: None).items() if name in kept}

    def unseen() -> Row:
        named = {f.name: f.dtype for f in (*plan.with_role("category"), *plan.keys) if f.name not in refusing}
        usual_row = row(lambda _: None)
        return {
            name: [_UNSEEN if named[name] == "bytes" else _UNSEEN_WHOLE] if name in named else values
            for name, values in usual_row.items()
        }

    rows = {
        "missing": without(),
        "nan": row(lambda f: _nonfinite(f, float("nan"))),
        "pos_inf": row(lambda f: _nonfinite(f, float("inf"))),
        "neg_inf": row(lambda f: _nonfinite(f, float("-inf"))),
        "largest": row(lambda f: float(_FLOAT32.max) if f.dtype == "float32" else _LARGEST_WHOLE),
        "lowest": row(_lowest),
        "data_min": row(lambda f: _seen(constants, f, "min", np.min)),
        "data_max": row(lambda f: _seen(constants, f, "max", np.max)),
        "unseen": unseen(),
    }
    if any(f.image is not None and f.image.size for f in plan.images):
        usual_row = row(lambda _: None)
        rows |= {name: {**usual_row, **_pixels(plan.images, shade)} for name, shade in _SHADES.items()}
    if not rows["missing"]:
        rows["empty_example"] = rows.pop("missing")
    return rows


def _pixels(images: Sequence[Feature], shade: int) -> dict[str, list[bytes]]:
    return {
        feature.name: [encode_png(np.full([1, 1, feature.image.channels], shade, np.uint8))]
        for feature in images
        if feature.image is not None and feature.image.size
    }


def _size(feature: Feature) -> int:
    return int(np.prod(feature.model_shape or (), dtype=np.int64))


def _may_be_absent(feature: Feature) -> bool:
    return feature.role == "category" or (feature.role in NORMALIZED_ROLES and feature.missing != "error")


def _nonfinite(feature: Feature, value: float) -> float | None:
    return value if feature.dtype == "float32" and feature.nonfinite != "error" else None


def _lowest(feature: Feature) -> float | int | None:
    if feature.log1p and feature.nonfinite == "error":
        return None
    return float(_FLOAT32.min) if feature.dtype == "float32" else -_LARGEST_WHOLE


def _seen(constants: NormalizationConstants, feature: Feature, bound: str, pick: Callable[..., Any]) -> float | int:
    value = float(pick(getattr(constants[feature.name], bound)))
    raw = float(np.expm1(value)) if feature.log1p else value
    whole = max(-_LARGEST_WHOLE, min(_LARGEST_WHOLE, round(raw)))
    return float(np.float32(raw)) if feature.dtype == "float32" else whole
