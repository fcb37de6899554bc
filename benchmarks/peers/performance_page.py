"""docs/performance.md and its plot, from the report of benchmarks/analysis.py."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

WORDS = {
    "ours": "the executor of `NormalizingTransform`, on Beam's FnApiRunner in memory",
    "in_process": "`components.analyze(files, schema)`: the same analysis without Beam; the same bits",
    "stock": "the executor of `tfx.components.Transform` with `tft.scale_to_z_score` of each feature, nothing "
    "materialized, no statistics; on the same runner",
    "keras_adapt": "Keras `Normalization.adapt` over the pipeline of our trainer (records in blocks, whole batches "
    "parsed in a parallel map, stacked to [batch, features])",
    "keras_per_element": "Keras `Normalization.adapt` over the pipeline of the tutorials: one record at a time parsed "
    "in a parallel map, then batched",
    "sklearn": "scikit-learn `StandardScaler.partial_fit` over the batches of our reader",
    "polars": "Polars, mean and variance in float64 of a lazy scan of the same numbers as Parquet",
    "floor": "our reader alone: read and parsed on all cores, nothing computed",
}
FIGURES = {
    "cpu_seconds": ("CPU seconds, imports apart", "{:,.2f}"),
    "wall_seconds": ("Wall seconds, imports apart", "{:,.2f}"),
    "peak_megabytes": ("Peak memory of the process, MB", "{:,.0f}"),
}


def as_page(report: Mapping[str, Any], plot: str) -> str:
    """docs/performance.md; ``plot`` is the name of the image, if there is one."""
    cases = report["cases"]
    main = cases[0]["features"]
    groups = [[case for case in cases if case["features"] == main], [c for c in cases if c["features"] != main]]
    versions = ", ".join(f"{package} {number}" for package, number in report["packages"].items())
    lines = [
        "# What an analysis costs",
        "",
        "Written by `benchmarks/analysis.py`; do not edit. To reproduce, from the project's root (Polars and",
        "matplotlib are taken if they can be imported):",
        "",
        "```sh",
        " ".join(["python benchmarks/analysis.py", *report["arguments"], "--write"]),
        "```",
        "",
        f"{report['cores']} cores, Python {report['python']}, {versions}.",
        f"{_runs(report['repeats'])} Every way found",
        "the same means and variances: ours and in_process to the bit, the others within 1e-6, but Keras, which",
        "accumulates in float32, within 1e-5 (relative; a mean to sigma where that is larger).",
        "CPU seconds are user and system, of all threads and children.",
        *([f"Empty cells were not run, for their time: {'; '.join(report['empty'])}."] if report["empty"] else []),
        "",
        "| way | what it does |",
        "| --- | --- |",
        *(f"| {way} | {WORDS[way]} |" for way in _ways(cases)),
        *(f"| {way} | not measured: {reason} |" for way, reason in report["left_out"].items()),
    ]
    if plot:
        lines += ["", f"![CPU seconds over rows]({plot})"]
    lines += ["", "## In short", "", *_in_short(report)]
    for group, head in zip(groups, (f"{main} features", "Other numbers of features"), strict=True):
        for figure, (words, form) in FIGURES.items():
            if group:
                lines += ["", f"## {head}: {words}", "", *_table(group, figure, form)]
    lines += ["", "## Imports: CPU seconds, before anything is timed", "", *_imports(cases)]
    lines += ["", "## CPU seconds of each way / ours", "", *_ratios(cases, "ratios")]
    lines += ["", "## The same with the imports of both", "", *_ratios(cases, "process_ratios")]
    return "\n".join([*lines, ""])


def _runs(repeats: int) -> str:
    if repeats == 1:
        return "One run of each way, in a process of its own: no figure says how much it varies."
    return f"Runs of each way: {repeats}, taking turns, each in a process of its own; medians."


def _ways(cases: Sequence[Mapping[str, Any]]) -> list[str]:
    return [way for way in WORDS if any(way in case["figures"] for case in cases)]


def _head(cases: Sequence[Mapping[str, Any]]) -> list[str]:
    names = [f"{case['rows']:,} x {case['features']:,}" for case in cases]
    return [f"| | {' | '.join(names)} |", "| --- " * (len(cases) + 1) + "|"]


def _table(cases: Sequence[Mapping[str, Any]], figure: str, form: str) -> list[str]:
    lines = _head(cases)
    for way in _ways(cases):
        cells = [form.format(c["figures"][way][figure]) if way in c["figures"] else "" for c in cases]
        lines.append(f"| {way} | {' | '.join(cells)} |")
    if figure == "peak_megabytes":
        for words, key in (("TFRecords, MB stored", "megabytes"), ("Parquet, MB stored", "parquet_megabytes")):
            lines.append(f"| {words} | {' | '.join(form.format(case[key]) for case in cases)} |")
    return lines


def _imports(cases: Sequence[Mapping[str, Any]]) -> list[str]:
    case = cases[0]["figures"]
    return ["| way | CPU seconds |", "| --- | --- |"] + [
        f"| {way} | {case[way]['import_cpu_seconds']:.1f} |" for way in _ways(cases) if way in case
    ]


def _ratios(cases: Sequence[Mapping[str, Any]], which: str) -> list[str]:
    lines = _head(cases)
    for name in dict.fromkeys(name for case in cases for name in case[which]):
        cells = [f"{case[which][name]:.2f}" if name in case[which] else "" for case in cases]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _in_short(report: Mapping[str, Any]) -> list[str]:
    """What was wanted, and what came out; a line for each that was measured. Of 20 features where nothing is said."""
    by_rows = {case["rows"]: case["ratios"] for case in report["cases"] if case["features"] == 20}
    first, last = report["peak_growth_rows"]
    growth = report["peak_growth"].get("ours")
    found = (
        ("stock / ours, 1,000,000 x 20", "at least 6", by_rows.get(1_000_000, {}).get("stock_over_ours")),
        ("stock / ours, 50,000 x 20", "at least 3", by_rows.get(50_000, {}).get("stock_over_ours")),
        ("ours / floor, CPU seconds for each row more", "at most 1.5", report["ratios"]["ours_over_floor"]),
        *_over_floor(report["cases"]),
        ("keras_adapt / ours, 1,000,000 x 20", "at least 5", by_rows.get(1_000_000, {}).get("keras_adapt_over_ours")),
        ("keras_per_element / ours, 1,000,000 x 20", "", by_rows.get(1_000_000, {}).get("keras_per_element_over_ours")),
        ("exponent of cost over rows, fixed cost taken off", "0.95 to 1.05", report["exponent"]),
        (f"growth of ours' peak memory, {first:,} to {last:,} rows, %", "at most 15", growth and 100 * growth),
    )
    rows = [f"| {words} | {wanted} | {value:.2f} |" for words, wanted, value in found if value is not None]
    return ["| | wanted | found |", "| --- | --- | --- |", *rows]


def _over_floor(cases: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str, float]]:
    """Of other numbers of features, where one number of rows was measured: what is fixed is in it."""
    for case in cases:
        figures = case["figures"]
        if case["features"] != cases[0]["features"] and {"ours", "floor"} <= figures.keys():
            ours, floor = (figures[way]["cpu_seconds"] for way in ("ours", "floor"))
            yield f"ours / floor, all of {case['rows']:,} x {case['features']:,}", "", ours / floor


def write_plot(report: Mapping[str, Any], file: Path) -> bool:
    """CPU seconds over rows, both logarithmic, by way; False without matplotlib."""
    try:
        import matplotlib
    except ImportError:
        return False
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "performance"  # the same file from the same figures
    import matplotlib.pyplot as plt

    features = report["cases"][0]["features"]
    series = sorted((c for c in report["cases"] if c["features"] == features), key=lambda case: case["rows"])
    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    for way in _ways(series):
        found = [(case["rows"], case["figures"][way]["cpu_seconds"]) for case in series if way in case["figures"]]
        style = {"ours": "k-", "floor": "k:"}.get(way, "-")
        axes.loglog(*zip(*found, strict=True), style, marker="o", markersize=4, label=way)
    axes.set(xlabel="rows", ylabel="CPU seconds, imports apart", title=f"Analysis of {features} float features")
    axes.grid(visible=True, which="both", alpha=0.2)
    axes.legend()
    figure.savefig(file, format="svg", metadata={"Date": None})
    plt.close(figure)
    return True
