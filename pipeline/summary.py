"""The end of a run on the screen: constants, metrics beside the baseline, times, and where everything is."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from components.constants import FeatureConstants, NormalizationConstants
from pipeline.run_result import RunResult

if TYPE_CHECKING:
    from components.parity.serve_check import ServeCheck

# A screenful; the artifact has all of them.
_MAX_FEATURES = 60
_WORDS = ("feature", "role", "unit")


def print_summary(result: RunResult, console: Console) -> None:
    """Prints the summary; a part that is not known is left out."""
    if result.constants is not None:
        console.print(constants_table(result.constants))
        if len(result.constants) > _MAX_FEATURES:
            console.print(
                f"and {len(result.constants) - _MAX_FEATURES} more in {result.transform_graph}/constants.json"
            )
    if result.left_out:
        console.print(f"{result.left_out:,} rows were left out: a required column was missing", highlight=False)
    if result.metrics:
        console.print(metrics_table(result.metrics))
        console.print(baseline_note(result.metrics))
    for line in [*times(result), *places(result)]:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def print_constants(constants: NormalizationConstants, console: Console) -> None:
    """A line a feature, then the digest and what is known of where the constants come from."""
    console.print(constants_table(constants))
    if len(constants) > _MAX_FEATURES:
        console.print(f"and {len(constants) - _MAX_FEATURES} more, see --json")
    known = {name: value if isinstance(value, str) else ", ".join(value) for name, value in _provenance(constants)}
    for name, value in {"digest": constants.digest, **known}.items():
        console.print(f"{name:<17}{value}", highlight=False, markup=False, soft_wrap=True)


def _provenance(constants: NormalizationConstants) -> Iterable[tuple[str, Any]]:
    return ((name.replace("_", " "), value) for name, value in constants.provenance.to_table().items())


def print_serve_check(check: "ServeCheck", console: Console) -> None:
    """A line a model tensor with its distance from the constants, and how the two ways of asking compare."""
    table = Table(title=f"{check.rows:,} rows beside the constants", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("model tensor")
    table.add_column("most ulp of float32", justify="right")
    for name, ulps in list(check.ulps.items())[:_MAX_FEATURES]:
        table.add_row(name, f"{ulps:.2f}")
    console.print(table)
    if len(check.ulps) > _MAX_FEATURES:
        console.print(
            f"and {len(check.ulps) - _MAX_FEATURES} more, see --json; the most is {max(check.ulps.values()):.2f}"
        )
    same = ", ".join(f"{name} {check.rows - n:,} of {check.rows:,}" for name, n in check.raw_scores_differ.items())
    for line in (f"same bits by name  {same}", f"digest             {check.digest}"):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def constants_table(constants: NormalizationConstants) -> Table:
    """A line a feature in schema order, and of the columns those in which a feature has something to say."""
    table = Table(title=f"Constants of {constants.rows:,} rows", title_justify="left", box=box.SIMPLE_HEAD)
    rows = [_cells(feature) for feature in list(constants.values())[:_MAX_FEATURES]]
    for name in rows[0]:
        if any(row[name] for row in rows):
            words = name in _WORDS
            table.add_column(name, justify="left" if words else "right", overflow="fold", no_wrap=name == "feature")
    for row in rows:
        table.add_row(*(escape(row[str(column.header)]) for column in table.columns))
    return table


def metrics_table(metrics: Mapping[str, float]) -> Table:
    """A line a metric, with the baseline's value where there is one."""
    table = Table(title="Evaluation", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("metric")
    table.add_column("model", justify="right")
    table.add_column("baseline", justify="right")
    for name, value in metrics.items():
        if not name.startswith("baseline_"):
            base = metrics.get(f"baseline_{name}")
            if name == "auc":
                base = 0.5  # any constant score
            table.add_row(name, f"{value:.4f}", "" if base is None else f"{base:.4f}")
    return table


def baseline_note(metrics: Mapping[str, float]) -> str:
    """What the baseline is."""
    what = "the training split's mean" if "baseline_mae" in metrics else "the training split's most frequent class"
    return f"  baseline: always {what}\n"


def times(result: RunResult) -> list[str]:
    """Plain lines: wall time by component, the total, and the peak memory."""
    parts = [f"{name} {'cached' if name in result.cached else f'{s:.1f} s'}" for name, s in result.seconds.items()]
    in_components = f"{sum(result.seconds.values()):.1f} s in components"
    total = f"{result.elapsed:.1f} s, {in_components}, peak memory {result.peak_bytes / 2**30:.2f} GiB"
    return [f"time             {', '.join(parts)}", f"total            {total}"]


def places(result: RunResult) -> list[str]:
    """Plain lines: digest, spans, model or why there is none, report, transform graph, log."""
    lines = []
    if result.constants is not None:
        lines.append(f"digest           {result.constants.digest}")
        if result.analysis is not None and result.constants.provenance.spans:
            lines.append(f"spans            {result.analysis.sentence(result.constants.provenance)}")
    if result.model is not None:
        lines.append(f"model            {result.model}")
    lines += [f"model            none, it was not blessed: {reason}" for reason in result.reasons]
    if result.transform_graph is not None:
        lines.append(f"transform graph  {result.transform_graph}")
    if result.report is not None:
        lines.append(f"report           {result.report}")
    return [*lines, f"log              {result.log}"]


def _cells(feature: FeatureConstants) -> dict[str, str]:
    nonfinite = feature.nan + feature.pos_inf + feature.neg_inf
    is_range, is_keys = feature.role == "min_max", bool(feature.vocabulary)
    return {
        "feature": feature.name,
        "role": f"{feature.role} of log1p" if feature.feature.log1p and not feature.unit else feature.role,
        "unit": f"log1p({feature.unit})" if feature.unit and feature.feature.log1p else feature.unit,
        "count": _whole(feature.count),
        "missing": _whole(feature.missing),
        "NaN, Inf": _whole(nonfinite) if nonfinite.any() else "",
        "mean": "" if is_keys else _number(feature.mean),
        "sigma": "" if is_keys else _number(feature.sigma),
        "min": _number(feature.min) if is_range else "",
        "max": _number(feature.max) if is_range else "",
        "vocabulary": f"{len(feature.vocabulary):,}" if is_keys else "",
    }


def _whole(values: npt.NDArray[np.int64]) -> str:
    low, high = int(values.min(initial=2**62)), int(values.max(initial=0))
    return f"{high:,}" if low >= high else f"{low:,} to {high:,}"


def _number(values: npt.NDArray[np.float64]) -> str:
    if values.size == 1:
        return f"{values.item():.6g}"
    return f"{np.nanmin(values):.4g} to {np.nanmax(values):.4g}" if values.size else ""
