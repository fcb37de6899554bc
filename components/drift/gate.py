"""Which of the differences between two sets of constants are drift: limits -> findings. NumPy only."""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from components.constants import FeatureConstants, KeyTable, NormalizationConstants
from components.drift import spread
from components.drift.changes import HARMLESS_SETTINGS, Comparison, FeatureChange, KeysChange
from components.drift.compare import compare
from components.verdict import Finding, Verdict

Floats = npt.NDArray[np.float64]

# A normal approximation for a key's mean and spread says nothing about fewer values.
_MIN_COUNT_OF_A_KEY = 100


@dataclasses.dataclass(frozen=True)
class Limits:
    """What may change from one run to the next; a change counts when it exceeds its limit by ``z`` standard errors.

    Attributes:
      mean_shift: of a mean, in sigmas. A tenth moves no feature out of the range that the model was trained on.
      sigma_ratio: of sigmas, either way, at least 1. By a quarter more or less a model still reads the same feature.
        A factor of 4 is always found from 1,000 values on, and a sigma that becomes 0, or was 0, whatever the limit.
      missing_rate, nonfinite_rate: of these shares of all values. A defect of one source moves a per cent of the
        rows; non-finite values have no reason to come at all.
      key_share: of the share of one key, and the share of all new or all gone keys beyond what sampling explains.
      z: standard errors. 6 is passed by chance once in 10^9, so that 2,000 features with ten statistics each do not
        trip it together.
    """

    mean_shift: float = 0.1
    sigma_ratio: float = 1.25
    missing_rate: float = 0.01
    nonfinite_rate: float = 0.001
    key_share: float = 0.05
    z: float = 6.0

    def __post_init__(self) -> None:
        """Raises ValueError for a limit that no change can be measured against."""
        for field in dataclasses.fields(self):
            value, least = getattr(self, field.name), 1.0 if field.name == "sigma_ratio" else 0.0
            if not least <= value < float("inf"):
                raise ValueError(f"The drift limit {field.name} must be finite and at least {least:g} but is {value}.")


def drift_verdict(
    before: NormalizationConstants | None, after: NormalizationConstants, limits: Limits, action: str
) -> Verdict:
    """The verdict of the check ``drift``.

    Args:
      before: of the last blessed run; None where there is none, which is blessed and says so in the figures.
      after: of this run.
      limits: what may change.
      action: "block" makes drift a finding, "warn" a warning; "off" compares nothing.

    Raises:
      ValueError: another action.
    """
    if action not in ("warn", "block", "off"):
        raise ValueError(f"The action on drift must be 'warn', 'block' or 'off' but is {action!r}.")
    figures: dict[str, Any] = {"action": action, "limits": dataclasses.asdict(limits), "after": after.digest}
    if action == "off" or before is None:
        return Verdict("drift", figures={**figures, "before": None})
    comparison = compare(before, after)
    found, notable = tuple(find_drift(comparison, limits)), tuple(find_notable(comparison, limits))
    figures["before"] = before.digest
    figures["features"] = {change.name: _figures(change) for change in comparison.changed}
    if action == "block":
        return Verdict("drift", found, notable, figures)
    return Verdict("drift", (), (*found, *notable), figures)


def find_drift(
    comparison: Comparison, limits: Limits, names: tuple[str, str] = ("the last blessed run", "this run")
) -> Iterator[Finding]:
    """Every change that exceeds its limit by more than ``limits.z`` standard errors, in the order of the features.

    Standard errors of means and sigmas are those of the baseline's own spread; see ``components.drift.spread``.
    ``names`` are what the texts call the two.
    """
    for name in comparison.only_before:
        yield Finding("feature_gone", f"{names[0]} has it and {names[1]} does not.", name)
    for name in comparison.only_after:
        yield Finding("feature_added", f"{names[1]} has it and {names[0]} does not.", name)
    for change in comparison.features:
        yield from _of_feature(change, limits)


def find_notable(
    comparison: Comparison, limits: Limits, names: tuple[str, str] = ("the last blessed run", "this run")
) -> Iterator[Finding]:
    """What stops no run but should be seen: single keys on one side only, and a spread of few rows that is gone.

    A key is named when its share exceeds ``limits.z`` standard errors: from about 40 values of equally large sides on,
    so that rare keys may come and go.
    """
    for change in comparison.features:
        before, after = change.before, change.after
        if change.moments is not None:
            one_is_0, no_accident = spread.lost(before, after)
            for at in np.flatnonzero(one_is_0 & ~no_accident)[:1]:
                pair = before.sigma.flat[at], after.sigma.flat[at]
                text = f"its sigma went from {pair[0]:.6g} to {pair[1]:.6g}, which a few rows decide."
                yield Finding("sigma_to_or_from_0", text, change.name)
        if change.keys is not None:
            yield from _single_keys(change, change.keys, limits.z, names)


def _single_keys(change: FeatureChange, keys: KeysChange, z: float, names: tuple[str, str]) -> Iterator[Finding]:
    before, after = _counts(change.before), _counts(change.after)
    totals = np.float64(sum(before.values())), np.float64(sum(after.values()))
    if not all(totals):
        return
    for fault, found, side, has, lacks in (
        ("gone_key", keys.gone, before, 0, 1),
        ("new_key", keys.new, after, 1, 0),
    ):
        shares = {key: np.float64(side[key]) / totals[has] for key in found}
        for key, share in sorted(shares.items(), key=lambda item: -item[1]):
            if share > z * _share_error(share, 0.0, totals[has], totals[lacks]):
                text = f"key {ascii(key)[1:]} has {100 * share:.3g} % of the values of {names[has]}"
                text += f" and none of {names[lacks]}."
                yield Finding(fault, text, change.name)


def _of_feature(change: FeatureChange, limits: Limits) -> Iterator[Finding]:
    settings = {name: pair for name, pair in change.settings.items() if name not in HARMLESS_SETTINGS}
    if settings:
        what = ", ".join(f"{name} {one} -> {other}" for name, (one, other) in settings.items())
        fault = "role_changed" if "role" in settings else "settings_changed"
        yield Finding(fault, f"what its statistics mean changed: {what}.", change.name)
    before, after = change.before, change.after
    if change.moments is not None:
        yield from _of_moments(change.name, "", before, after, limits)
    if before.count.shape == after.count.shape:
        totals = _total(before), _total(after)
        for fault, rates, limit in (
            ("missing_rate", change.missing_rate, limits.missing_rate),
            ("nonfinite_rate", change.nonfinite_rate, limits.nonfinite_rate),
        ):
            error = _share_error(*rates, *totals)
            if (at := _worst(np.abs(rates[1] - rates[0]), limit + limits.z * error)) is not None:
                text = _said(100 * rates[0].flat[at], 100 * rates[1].flat[at], " %", 100 * limit, 100 * error.flat[at])
                yield Finding(fault, text, change.name)
    if change.keys is not None:
        yield from _of_keys(change, change.keys, limits)


def _of_moments(
    name: str, where: str, before: FeatureConstants | KeyTable, after: FeatureConstants | KeyTable, limits: Limits
) -> Iterator[Finding]:
    unit = np.where(before.variance > 0, before.sigma, after.sigma)
    with np.errstate(divide="ignore", invalid="ignore"):
        shift = np.where(after.mean == before.mean, 0.0, np.abs(after.mean - before.mean) / unit)
    # Of before alone: outliers in after, which enlarge its own variance, do not excuse themselves.
    sampling = np.sqrt(before.variance * (1 / np.maximum(before.count, 1) + 1 / np.maximum(after.count, 1)))
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.where(unit > 0, sampling / unit, 0.0)
    if (at := _worst(shift, limits.mean_shift + limits.z * error)) is not None:
        text = f"its mean{where} moved by {shift.flat[at]:.4g} sigma; "
        yield Finding("mean_shift", text + _allowed(limits.mean_shift, error.flat[at], " sigma"), name)
    error = spread.log_ratio_error(before, after)
    allowed = spread.allowed(limits.sigma_ratio, limits.z, error, before, after)
    one_is_0, no_accident = spread.lost(before, after)
    distance = np.where(one_is_0, np.where(no_accident, np.inf, 0.0), spread.log_ratio(before, after))
    if (at := _worst(distance, allowed)) is not None:
        pair = before.sigma.flat[at], after.sigma.flat[at]
        text = f"its sigma{where} went from {pair[0]:.6g} to {pair[1]:.6g}; "
        text += f"allowed is a factor of {math.exp(allowed.flat[at]):.3g} either way, and never to or from 0."
        yield Finding("sigma_ratio", text, name)


def _of_keys(change: FeatureChange, keys: KeysChange, limits: Limits) -> Iterator[Finding]:
    before, after = _counts(change.before), _counts(change.after)
    totals = np.float64(sum(before.values())), np.float64(sum(after.values()))
    if not all(totals):
        return
    # Good and Turing: keys that one sample lacks have about the share of the keys that it has once.
    for fault, found, side, n, other, m in (
        ("new_keys", keys.new, after, totals[1], before, totals[0]),
        ("gone_keys", keys.gone, before, totals[0], after, totals[1]),
    ):
        share = np.float64(sum(side[key] for key in found)) / n
        expected = np.float64(sum(count == 1 for count in other.values())) / m
        error = _share_error(share, expected, n, m)
        if share - expected > limits.key_share + limits.z * error:
            text = f"{len(found)} keys with {100 * share:.3g} % of the values, {100 * expected:.3g} % expected; "
            yield Finding(fault, text + _allowed(100 * limits.key_share, float(100 * error), " %"), change.name)
    for key in keys.common:
        shares = np.float64(before[key]) / totals[0], np.float64(after[key]) / totals[1]
        error = _share_error(*shares, *totals)
        if abs(shares[1] - shares[0]) > limits.key_share + limits.z * error:
            text = _said(100 * shares[0], 100 * shares[1], " %", 100 * limits.key_share, 100 * error)
            yield Finding("key_share", f"key {ascii(key)[1:]}: {text}", change.name)
    tables = change.before.by_key, change.after.by_key
    if tables[0] is not None and tables[1] is not None and keys.moments is not None:
        enough = [k for k in keys.common if min(before[k], after[k]) >= _MIN_COUNT_OF_A_KEY]
        yield from _of_moments(change.name, " of a key", tables[0].only(enough), tables[1].only(enough), limits)


def _counts(side: FeatureConstants) -> Mapping[bytes, int]:
    if side.by_key is None:
        return dict(side.vocabulary)
    return dict(zip(side.by_key.keys, side.by_key.count.tolist(), strict=True))


def _total(side: FeatureConstants) -> Floats:
    return np.asarray(side.count + side.missing + side.nan + side.pos_inf + side.neg_inf, np.float64)


def _share_error(one: Any, other: Any, n: Any, m: Any) -> Any:
    """Standard error of the difference of two shares of independent samples, from the pooled share."""
    n, m = np.maximum(n, 1), np.maximum(m, 1)
    pooled = (one * n + other * m) / (n + m)
    return np.sqrt(np.maximum(pooled * (1 - pooled), 0) * (1 / n + 1 / m))


def _worst(distance: Floats, allowed: Floats) -> int | None:
    """Flat index of the statistic farthest beyond what is allowed; None where all are within."""
    beyond = (distance - allowed).ravel()
    return int(np.argmax(beyond)) if beyond.size and np.max(beyond) > 0 else None


def _said(before: Any, after: Any, unit: str, limit: float, error: float) -> str:
    return f"went from {before:.4g}{unit} to {after:.4g}{unit}; {_allowed(limit, error, unit)}"


def _allowed(limit: float, error: float, unit: str) -> str:
    return f"allowed is {limit:.3g}{unit} with a standard error of {error:.2g}{unit}."


def _figures(change: FeatureChange) -> dict[str, Any]:
    """What was compared, each of the shape of the statistics."""
    table: dict[str, Any] = {
        name: {"before": before.tolist(), "after": after.tolist()}
        for name, (before, after) in (("missing_rate", change.missing_rate), ("nonfinite_rate", change.nonfinite_rate))
    }
    if change.moments is not None:
        table["mean_shift"] = change.moments.mean_shift.tolist()
        table["mean_shift_error"] = change.moments.mean_shift_error.tolist()
        table["sigma_ratio"] = change.moments.sigma_ratio.tolist()
    if change.keys is not None:
        table |= {"new": len(change.keys.new), "gone": len(change.keys.gone), "share_change": change.keys.share_change}
    return table
