"""Numbers and values as a person reads them."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_FEW = 8
_LONG = 240


def whole(value: int | None) -> str:
    """With thousands separators; empty for None."""
    return "" if value is None else f"{value:,}"


def number(value: float) -> str:
    """Six significant digits; NaN and infinities by name."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:.6g}".replace("-", "−")


def between(values: Sequence[float]) -> str:
    """One number, or the span of several."""
    known = [value for value in values if not math.isnan(value)]
    if len(values) == 1 or not known:
        return number(values[0]) if values else ""
    low, high = min(known), max(known)
    return number(low) if low == high else f"{number(low)} to {number(high)}"


def duration(seconds: float) -> str:
    """``0.04 s``, ``12.3 s``, ``2 min 05 s``."""
    if seconds < 0.1:
        return f"{seconds:.2f} s"
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{int(seconds + 0.5) // 60} min {int(seconds + 0.5) % 60:02d} s"


def figure(value: Any) -> str:
    """A value of a verdict's figures: a number, a text, a short list; of a long one its length and span."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, int):
        return whole(value)
    if isinstance(value, float):
        return number(value)
    if isinstance(value, list | tuple):
        if len(value) > _FEW and all(isinstance(item, int | float) for item in value):
            return f"{len(value)} numbers, {between([float(item) for item in value])}"
        if not any(isinstance(item, list | tuple | Mapping) for item in value):
            return _shortened(", ".join(map(figure, value)) or "none")
    return _shortened(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))


def _shortened(text: str) -> str:
    return text if len(text) <= _LONG else f"{text[:_LONG]} …"


def figures(table: Mapping[str, Any], leave_out: Sequence[str] = ()) -> Iterator[tuple[str, str]]:
    """Name and text of every figure; a table within the table gives one for each of its own."""
    for name, value in table.items():
        if name in leave_out:
            continue
        if isinstance(value, Mapping):
            yield from ((f"{label(name)}: {inner}", text) for inner, text in figures(value))
        else:
            yield label(name), figure(value)


def label(name: str) -> str:
    """``mean_shift`` as ``mean shift``."""
    return str(name).replace("_", " ")
