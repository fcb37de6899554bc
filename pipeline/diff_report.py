"""A comparison of two sets of constants as a table for people, or as an object for machines."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from components.drift.changes import Comparison, FeatureChange, KeysChange, MomentsChange
from components.drift.gate import Limits, find_drift, find_notable
from components.verdict import Finding, line

Floats = npt.NDArray[np.float64]

# A screenful; --json has all of them.
_MAX_FEATURES = 60
_MAX_KEYS = 3
_MOMENTS = ("mean_shift", "mean_shift_error", "sigma_ratio", "sigma_ratio_error", "min_change", "max_change")


def print_diff(comparison: Comparison, names: Sequence[str], console: Console) -> None:
    """A line a feature that differs, the one that differs most first; then both digests."""
    changed = comparison.changed
    if changed:
        console.print(_table(changed[:_MAX_FEATURES]))
    lines = [f"and {len(changed) - _MAX_FEATURES} more, see --json"] if len(changed) > _MAX_FEATURES else []
    sides = ((comparison.only_before, names[0]), (comparison.only_after, names[1]))
    lines += [f"only in {name}: {_listed(only, _MAX_FEATURES, ', ')}" for only, name in sides if only]
    if not comparison.equal and not changed and not any(only for only, _ in sides):
        lines.append("the same features in another order")
    if comparison.equal:
        lines.append(f"same constants  {comparison.before.digest}")
    else:
        both = zip((comparison.before, comparison.after), names, strict=True)
        lines += [f"{constants.digest}  {constants.rows:,} rows  {name}" for constants, name in both]
    lines += [f"drift{line(finding)}" for finding in _drift(comparison, names)]
    for text in lines:
        console.print(text, highlight=False, markup=False, soft_wrap=True)


def as_json(comparison: Comparison, names: Sequence[str]) -> dict[str, Any]:
    """The object that ``diff --json`` prints; pairs are [before, after], a number that is not finite is a text."""
    return {
        "equal": comparison.equal,
        "digests": [comparison.before.digest, comparison.after.digest],
        "rows": [comparison.before.rows, comparison.after.rows],
        "only_before": list(comparison.only_before),
        "only_after": list(comparison.only_after),
        "features": [_feature_json(change) for change in comparison.changed],
        "drift": [dataclasses.asdict(finding) for finding in _drift(comparison, names)],
    }


def _drift(comparison: Comparison, names: Sequence[str]) -> list[Finding]:
    sides = names[0], names[1]
    return [*find_drift(comparison, Limits(), sides), *find_notable(comparison, Limits(), sides)]


def _feature_json(change: FeatureChange) -> dict[str, Any]:
    before, after = change.before, change.after
    table: dict[str, Any] = {"name": change.name, "settings": {k: list(v) for k, v in change.settings.items()}}
    table["count"] = [before.count.tolist(), after.count.tolist()]
    table["missing_rate"] = [rate.tolist() for rate in change.missing_rate]
    table["nonfinite_rate"] = [rate.tolist() for rate in change.nonfinite_rate]
    if not np.isnan(before.mean).all():  # not of a vocabulary
        for name in ("mean", "sigma", "min", "max"):
            table[name] = [_numbers(getattr(before, name)), _numbers(getattr(after, name))]
    if change.moments is not None:
        table.update(_moments_json(change.moments))
    if change.quartile_shift is not None:
        table["quartile_shift"] = _numbers(change.quartile_shift)
    if change.keys is not None:
        table["keys"] = _keys_json(change.keys)
    return table


def _moments_json(moments: MomentsChange) -> dict[str, Any]:
    return {name: _numbers(getattr(moments, name)) for name in _MOMENTS}


def _keys_json(keys: KeysChange) -> dict[str, Any]:
    table: dict[str, Any] = {"new": _texts(keys.new), "gone": _texts(keys.gone), "share_change": keys.share_change}
    if keys.moments is not None:
        table["by_key"] = {"keys": _texts(keys.common), **_moments_json(keys.moments)}
    return table


def _numbers(values: Floats) -> Any:
    """As nested lists; JSON knows neither NaN nor infinity."""
    forms = np.empty(values.size, dtype=object)
    forms[:] = [x if np.isfinite(x) else str(x) for x in values.ravel().tolist()]
    return forms.reshape(values.shape).tolist()


def _texts(keys: Sequence[bytes]) -> list[str]:
    return [key.decode("utf-8", "surrogateescape") for key in keys]


def _table(changed: Sequence[FeatureChange]) -> Table:
    """Of the columns those in which a feature has something to say."""
    table = Table(title="What differs, in sigmas of the first", title_justify="left", box=box.SIMPLE_HEAD)
    rows = [_cells(change) for change in changed]
    columns = [name for name in rows[0] if any(row[name] for row in rows)]
    for name in columns:
        words = name in ("feature", "settings", "keys")
        table.add_column(name, justify="left" if words else "right", overflow="fold", no_wrap=name == "feature")
    for row in rows:
        table.add_row(*(escape(row[name]) for name in columns))
    return table


def _cells(change: FeatureChange) -> dict[str, str]:
    """Where a feature has several statistics, those that differ most."""
    before, after, found = change.before, change.after, change.moments
    settings = ", ".join(f"{name} {one} → {other}" for name, (one, other) in change.settings.items())
    cells = {"feature": change.name, "settings": settings, "mean shift": "", "sigma ratio": "", "shift by key": ""}
    if found is not None:
        cells["mean shift"] = _worst(found.mean_shift, found.mean_shift_error, lambda shift: shift)
        cells["sigma ratio"] = _worst(found.sigma_ratio, found.sigma_ratio_error, _distance_from_1)
    if change.keys is not None and change.keys.moments is not None:
        by_key = change.keys.moments
        cells["shift by key"] = _worst(by_key.mean_shift, by_key.mean_shift_error, lambda shift: shift)
    cells["quartile shift"] = "" if change.quartile_shift is None else f"{np.max(change.quartile_shift):.3g}"
    cells["missing"] = _pair(*change.missing_rate, lambda rate: f"{100 * rate:.3g} %")
    cells["NaN, Inf"] = _pair(*change.nonfinite_rate, lambda rate: f"{100 * rate:.3g} %")
    cells["count"] = _pair(before.count, after.count, lambda count: f"{count:,}")
    cells["min"] = _pair(before.min, after.min, lambda value: f"{value:.6g}")
    cells["max"] = _pair(before.max, after.max, lambda value: f"{value:.6g}")
    cells["keys"] = "" if change.keys is None else _keys(change.keys)
    return cells


def _distance_from_1(ratio: Floats) -> Floats:
    with np.errstate(divide="ignore"):
        return np.asarray(np.abs(np.log(ratio)))


def _worst(values: Floats, errors: Floats, distance: Callable[[Floats], Floats]) -> str:
    """The value that is farthest off, with its standard error."""
    if not values.size:
        return ""
    at = int(np.argmax(distance(values).ravel()))
    value, error = values.ravel()[at], errors.ravel()[at]
    return f"{value:.3g} ± {error:.1g}" if np.isfinite([value, error]).all() else f"{value:.3g}"


def _pair(before: npt.NDArray[Any], after: npt.NDArray[Any], form: Callable[[Any], str]) -> str:
    """``before → after`` where they differ most; nothing where they are the same, or are not of the same things."""
    if before.shape != after.shape or np.array_equal(before, after, equal_nan=True):
        return ""
    at = int(np.argmax(np.abs(after - before).ravel()))
    return f"{form(before.ravel()[at].item())} → {form(after.ravel()[at].item())}"


def _keys(keys: KeysChange) -> str:
    parts = [
        f"{sign}{_listed([ascii(key)[1:-1] for key in _texts(found)], _MAX_KEYS, ' ')}"
        for sign, found in (("new ", keys.new), ("gone ", keys.gone))
        if found
    ]
    if keys.share_change:
        parts.append(f"a share by {100 * keys.share_change:.2g} %")
    return ", ".join(parts)


def _listed(names: Sequence[str], most: int, between: str) -> str:
    shown = between.join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"
