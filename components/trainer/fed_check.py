"""Is what a training was fed what its constants promise? Fed of a first epoch -> a verdict. NumPy only."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from components.constants import FeatureConstants, NormalizationConstants
from components.feature_plan import model_name
from components.verdict import Finding, Verdict

# Of the verdict, among the logs of the training.
FILE_NAME = "fed.json"
# Normalized values beyond it saturate every usual activation; of 1,000,000 normal ones none comes near.
EXPLODING = 50.0
# Of the histograms: bins of a quarter of a sigma; what lies beyond is counted in the first and the last one.
EDGES = tuple(i / 4 for i in range(-32, 33))
CLIPPED_SHARE = 0.01
# What float32 rounding of each value leaves of a mean of 0 and a variance of 1.
_ROUNDING = 1e-5


@dataclasses.dataclass(frozen=True)
class Fed:
    """The values of one model tensor, all elements together.

    Attributes:
      count: values.
      mean, sigma: float64; sigma is the population's.
      min, max: of them; NaN is in no value that a training should be fed, and makes all four NaN.
      at_bound: values at the feature's ``clip``, 0 without one.
      histogram: int64 [64], by ``EDGES``.
    """

    count: int
    mean: float
    sigma: float
    min: float
    max: float
    at_bound: int
    histogram: tuple[int, ...]


def judge(constants: NormalizationConstants, fed: Mapping[str, Fed], *, own_data: bool = True) -> Verdict:
    """What is wrong with the first pass over the rows.

    A z-score over exactly the rows that were analysed has the mean 0, and the variance that is the share of values
    that are no fill, whatever the data are; float32 leaves 1e-5 of that. Not expected, but shown: features with a
    weight column, ``clip``, a constant in the place of missing values, whole numbers from 2**53 on, and roles without
    mean 0.

    Args:
      constants: of the transform.
      fed: by model tensor.
      own_data: whether the constants are those of the data at hand; pinned ones are not, and only warn.
    """
    findings: list[Finding] = []
    warnings: list[Finding] = []
    features: dict[str, Any] = {}
    for feature in constants.plan.normalized:
        seen = fed.get(model_name(feature.name))
        if seen is None:
            continue
        one = constants[feature.name]
        expected = _expected_variance(constants, one)
        wrong = _wrong(one, seen, expected)
        (findings if own_data else warnings).extend(wrong)
        warnings += _odd(one, seen)
        features[model_name(feature.name)] = {
            **dataclasses.asdict(seen),
            "expected_sigma": None if expected is None else math.sqrt(expected),
        }
    return Verdict("fed", tuple(findings), tuple(warnings), {"edges": EDGES, "features": features})


def _expected_variance(constants: NormalizationConstants, one: FeatureConstants) -> float | None:
    """Of all elements together; None where it is not known."""
    feature = one.feature
    if feature.role != "z_score" or constants.plan.weight is not None or feature.clip or feature.nonfinite == "clip":
        return None
    largest = np.max(np.maximum(np.abs(one.min), np.abs(one.max)))
    if feature.missing.startswith("constant") or (feature.dtype == "int64" and largest >= 2**53):
        return None
    every = one.count + one.missing + one.nan + one.pos_inf + one.neg_inf
    return float(np.mean(one.count / every * (one.variance > 0)))


def _wrong(one: FeatureConstants, seen: Fed, expected: float | None) -> list[Finding]:
    name = one.name
    if expected is None:
        return []
    if expected and seen.min == seen.max:
        message = f"its sigma is not 0, but every value that was fed is {seen.min:g}: the transform loses it."
        return [Finding("dead_feature", message, name)]
    found = []
    if not abs(seen.mean) <= _ROUNDING:
        message = (
            f"the first epoch was fed values of mean {seen.mean:.6g}; 0 within {_ROUNDING:g} was required. The "
            "constants are not those of the rows that are read: analyse again."
        )
        found.append(Finding("fed_mean_off", message, name))
    if not abs(seen.sigma**2 - expected) <= _ROUNDING:
        message = (
            f"the first epoch was fed values of sigma {seen.sigma:.6g}; {math.sqrt(expected):.6g} was required, the "
            f"variance within {_ROUNDING:g}. The constants are not those of the rows that are read: analyse again."
        )
        found.append(Finding("fed_sigma_off", message, name))
    return found


def _odd(one: FeatureConstants, seen: Fed) -> list[Finding]:
    found = []
    if max(-seen.min, seen.max) > EXPLODING:
        message = (
            f"values up to {max(-seen.min, seen.max):.4g} were fed, more than {EXPLODING:g}. A tag clip=<sigma> bounds "
            "them, log1p draws them together."
        )
        found.append(Finding("exploding_feature", message, one.name))
    if seen.at_bound > CLIPPED_SHARE * seen.count:
        share = seen.at_bound / seen.count
        message = f"{share:.1%} of the values that were fed are at the bound of clip={one.feature.clip:g}."
        found.append(Finding("clipped_share", message, one.name))
    return found
