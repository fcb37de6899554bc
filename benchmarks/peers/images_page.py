"""docs/images_performance.md, from the report of benchmarks/images.py."""

from collections.abc import Mapping
from typing import Any

WORDS = {
    "decoding alone": "`TFRecordDataset`, one record at a time parsed and decoded (JPEG: exact integer transform, as "
    "ours) in a parallel map, batches of 32, uint8",
    "decoding, float32": "the same, and each batch cast to float32 in a parallel map: the least that a trainer is fed",
    "our analysis": "`analyze(file, schema)`: exact mean and variance of each channel",
    "our input": "`normalized_dataset(file, frozen, batch_size=32)`: decoded, normalized by the float64 formula, "
    "float32",
    "Keras adapt": "`keras.layers.Normalization(axis=-1).adapt` on the second of these",
    "mean of batch means": "the common recipe on the first of these: mean and variance of each batch, averaged",
}
WAYS = tuple(WORDS)
RATIOS = {
    "analysis_over_decode": "analysis / decoding alone",
    "input_over_decode": "input / decoding alone",
    "input_over_decode_float32": "input / decoding, float32",
    "analysis_over_keras_adapt": "analysis / Keras adapt",
}


def as_page(report: Mapping[str, Any]) -> str:
    """The page."""
    cells = report["cells"]
    heads = [f"{cell['kind']} {cell['side']}²" for cell in cells]
    lines = [
        "# What images cost",
        "",
        "Written by `benchmarks/images.py`; do not edit. To reproduce, from the project's root:",
        "",
        "```sh",
        " ".join(["python benchmarks/images.py", *report["arguments"], "--write"]),
        "```",
        "",
        f"{report['machine']}. RGB images of waves and noise; all ways in turn on the same file, the least of three",
        "turns. Rates are of the images beyond the first 64, so that tracing, given as seconds, does not enter them.",
        "CPU is of all threads.",
        "",
        "| way | what it does |",
        "| --- | --- |",
        *(f"| {way} | {what} |" for way, what in WORDS.items()),
        "",
        "## Ratios of rates: what is left of the speed of decoding",
        "",
        "In brackets the same of CPU seconds, which other work on the machine changes less.",
        "",
        *_head("", heads),
        *(
            _row(words, [f"{c['ratios'][name]:.2f} ({c['ratios'][f'{name}_cpu']:.2f})" for c in cells])
            for name, words in RATIOS.items()
        ),
    ]
    figures = {
        "Images a second": lambda cell, way: f"{cell['images_per_second'][way]:,.0f}",
        "Millions of pixels a second": lambda cell, way: (
            f"{cell['images_per_second'][way] * cell['side'] ** 2 / 1e6:,.1f}"
        ),
        "CPU microseconds an image": lambda cell, way: f"{cell['cpu_microseconds'][way]:,.0f}",
        "Seconds of the first 64 images, with all tracing": lambda cell, way: (
            f"{cell['seconds_of_the_first'][way]:.2f}"
        ),
    }
    for title, figure in figures.items():
        lines += ["", f"## {title}", "", *_head("way", heads)]
        lines += [_row(way, [figure(cell, way) for cell in cells]) for way in WAYS]
    lines += [
        "",
        "## Errors",
        "",
        "Ours are the exact values, correctly rounded. Of the others: the mean's error in sigma, and the variance's as",
        "a share of it, of the worst channel. The last batch has one image.",
        "",
        *_head("", heads),
        *(
            _row(f"{way}: {what}", [f"{cell['errors'][way][at]:.1e}" for cell in cells])
            for way in cells[0]["errors"]
            for at, what in enumerate(("mean", "variance"))
        ),
        *_memory(report),
    ]
    return "\n".join(lines) + "\n"


def _memory(report: Mapping[str, Any]) -> list[str]:
    if not report["peaks"]:
        return []
    return [
        "",
        f"## Memory: {report['memory_images']:,} JPEGs of 512 x 512 x 3",
        "",
        "Peak resident memory of a process of its own, MB, and what it held once TensorFlow was loaded.",
        "",
        *_head("way", ["peak", "before"]),
        *(
            _row(way, [f"{found['peak_megabytes']:,.0f}", f"{found['before_megabytes']:,.0f}"])
            for way, found in report["peaks"].items()
        ),
    ]


def _head(first: str, columns: list[str]) -> list[str]:
    return [_row(first, columns), _row("---", ["---:"] * len(columns))]


def _row(first: str, columns: list[str]) -> str:
    return f"| {first} | {' | '.join(columns)} |"
