"""Is what a training was fed what its constants promise? Fed of a first epoch -> a verdict. NumPy only."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from components.constants import FeatureConstants, NormalizationConstants
from components.feature_plan import model_name
from components.trainer.fed_expected import ROUNDING, Expected, expected
from components.verdict import Finding, Verdict

# Of the verdict, among the logs of the training.
FILE_NAME = "fed.json"
# Of the histograms: bins of a quarter of a sigma; what lies beyond is counted in the first and the last one.
EDGES = tuple(i / 4 for i in range(-32, 33))
_MOST_ELEMENTS = 1000  # of which the verdict has the figures


@dataclasses.dataclass(frozen=True)
class Fed:
    """The values of one model tensor, or of one of its statistics.

    Attributes:
      count: values.
      mean, sigma: float64; sigma is the population's.
      min, max: of them; NaN is in no value that a training should be fed, and makes all four NaN.
      at_bound: values at the feature's ``clip``, 0 without one.
      histogram: int64 [64], by ``EDGES``; empty of a single statistic.
      elements: of a tensor with several statistics (elements, channels) each of them, in row-major order.
    """

    count: int
    mean: float
    sigma: float
    min: float
    max: float
    at_bound: int
    histogram: tuple[int, ...]
    elements: "tuple[Fed, ...]" = ()

    def by_statistic(self, name: str) -> npt.NDArray[np.float64]:
        """One of the figures, float64 [statistics]."""
        return np.array([getattr(each, name) for each in self.elements or (self,)], np.float64)


@dataclasses.dataclass(frozen=True)
class FedLimits:
    """What is a warning.

    Attributes:
      far: normalized values beyond it; 50 saturates every usual activation, of 1,000,000 normal values none comes near.
      clipped: share of values at the bound of ``clip``.
    """

    far: float = 50.0
    clipped: float = 0.01


def judge(
    constants: NormalizationConstants, fed: Mapping[str, Fed], *, own_data: bool = True, limits: FedLimits | None = None
) -> Verdict:
    """What is wrong with the first pass over the rows: each statistic against ``components.trainer.fed_expected``.

    Args:
      constants: of the transform.
      fed: by model tensor.
      own_data: whether the constants are those of the data at hand; pinned ones are not, and only warn.
      limits: of the warnings; the defaults if None.

    Returns:
      With the figures of each feature: what was fed, what was expected, and how far from it is allowed.
    """
    limits = limits or FedLimits()
    findings: list[Finding] = []
    warnings: list[Finding] = []
    features: dict[str, Any] = {}
    for feature in (*constants.plan.normalized, *constants.plan.images):
        seen = fed.get(model_name(feature.name))
        if seen is None:
            continue
        one = constants[feature.name]
        count = np.maximum(seen.by_statistic("count"), 1)
        promised = expected(constants, one, seen.by_statistic("at_bound") / count)
        (findings if own_data else warnings).extend(_wrong(one.name, seen, promised) if promised else ())
        warnings += _odd(one, seen, limits)
        features[model_name(feature.name)] = _figures(seen, promised)
    return Verdict("fed", tuple(findings), tuple(warnings), {"edges": EDGES, "features": features})


def _wrong(name: str, seen: Fed, promised: Expected) -> list[Finding]:
    mean, sigma, low, high = (seen.by_statistic(what) for what in ("mean", "sigma", "min", "max"))
    which = (lambda at: f" (element {at})") if seen.elements else (lambda at: "")
    dead = promised.alive & (low == high)
    if dead.any():
        at = int(np.argmax(dead))
        message = f"its sigma is not 0, but every value that was fed{which(at)} is {low[at]:g}: the transform loses it."
        return [Finding("dead_feature", message, name)]
    ends = ROUNDING * np.maximum(1, np.maximum(np.abs(promised.low), np.abs(promised.high)))
    outside = np.maximum(promised.low - low, high - promised.high)
    if promised.attained:
        outside = np.maximum(np.abs(promised.low - low), np.abs(high - promised.high))
    found = []
    for fault, distance, allowed, values, required, what in (
        ("fed_mean_off", np.abs(mean - promised.mean), promised.mean_error, mean, promised.mean, "mean"),
        (
            "fed_sigma_off",
            np.abs(sigma**2 - promised.variance),
            promised.variance_error,
            sigma,
            np.sqrt(np.maximum(promised.variance, 0)),
            "sigma",
        ),
    ):
        wrong = ~(distance <= allowed)  # NaN, too
        if wrong.any():
            at = int(np.argmax(np.where(wrong, np.nan_to_num(distance, nan=np.inf), -1)))
            within = f"the variance within {allowed[at]:.3g}" if what == "sigma" else f"within {allowed[at]:.3g}"
            message = (
                f"the first epoch was fed values of {what} {values[at]:.6g}{which(at)}; {required[at]:.6g} was "
                f"required, {within}. The constants are not those of the rows that are read: analyse again."
            )
            found.append(Finding(fault, message, name))
    wrong = outside > ends
    if wrong.any():
        at = int(np.argmax(np.where(wrong, outside, -1)))
        message = (
            f"the first epoch was fed values from {low[at]:.6g} to {high[at]:.6g}{which(at)}; from "
            f"{promised.low[at]:.6g} to {promised.high[at]:.6g} was required, within {ends[at]:.3g}."
        )
        found.append(Finding("fed_range_off", message, name))
    return found


def _odd(one: FeatureConstants, seen: Fed, limits: FedLimits) -> list[Finding]:
    found = []
    if max(-seen.min, seen.max) > limits.far:
        message = (
            f"values up to {max(-seen.min, seen.max):.4g} were fed, more than {limits.far:g}. A tag clip=<sigma> "
            "bounds them, log1p draws them together."
        )
        found.append(Finding("exploding_feature", message, one.name))
    if seen.at_bound > limits.clipped * seen.count:
        share = seen.at_bound / seen.count
        message = f"{share:.1%} of the values that were fed are at the bound of clip={one.feature.clip:g}."
        found.append(Finding("clipped_share", message, one.name))
    return found


def _figures(seen: Fed, promised: Expected | None) -> dict[str, Any]:
    own = {field.name: getattr(seen, field.name) for field in dataclasses.fields(Fed) if field.name != "elements"}
    own["histogram"] = list(seen.histogram)
    if len(seen.elements) > _MOST_ELEMENTS:
        return own
    more: dict[str, Any] = {}
    if seen.elements:
        more = {name: seen.by_statistic(name).tolist() for name in ("mean", "sigma", "min", "max")}
    if promised is not None:
        more |= {
            "expected_mean": _told(promised.mean, promised.mean_error),
            "mean_within": _told(promised.mean_error),
            "expected_sigma": _told(np.sqrt(np.maximum(promised.variance, 0)), promised.variance_error),
            "variance_within": _told(promised.variance_error),
            "expected_min": _told(promised.low),
            "expected_max": _told(promised.high),
        }
    if seen.elements:
        return {**own, "by_element": more}
    return {**own, **{name: values[0] for name, values in more.items()}}


def _told(values: npt.NDArray[np.float64], error: npt.NDArray[np.float64] | None = None) -> list[float | None]:
    """None where it is not known."""
    known = np.isfinite(values if error is None else error)
    return [value if right else None for value, right in zip(values.tolist(), known.tolist(), strict=True)]
