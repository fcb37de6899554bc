"""Mean and variance of hard data: this project beside tf.Transform, Keras, scikit-learn and NumPy, in one run.

Truth is exact rational arithmetic over the values as stored, rounded once to float64; an error is in ulp (spacings of
float64 at the truth). Exit status 1 if this project is not at 0 ulp everywhere.
"""

import argparse
import dataclasses
import importlib.metadata
import json
import math
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from peers.analyses import ENGINES, FIGURES, by_analysis, by_tft, write_records  # noqa: E402
from peers.columns import BATCH, Array, Column, Figures, kinds_of_data, truth, ulps  # noqa: E402
from peers.recipes import RECIPES  # noqa: E402

SEED = 20130101
ROWS = 10_007  # a prime: the last batch is uneven, and alternating signs do not cancel
FEWEST_ROWS = 100
PAGE = ROOT / "docs" / "accuracy.md"
LIBRARIES = ("tensorflow", "tensorflow-transform", "apache-beam", "keras", "scikit-learn", "numpy")
OURS = ("Moments", *ENGINES)
FAR = 0.1  # from this relative error on, the table shows the two numbers

# What a peer says of one column: the figures of each of its groups, the name of what it raised, or nothing.
Answer = Sequence[Figures] | str | None


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints, and with ``--write`` renews the page of docs/."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--features", type=int, default=1, help="columns drawn for each kind of data; the worst counts")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    options = parser.parse_args(arguments)
    if options.rows < FEWEST_ROWS or options.features < 1:
        parser.error(f"--rows must be at least {FEWEST_ROWS} and --features at least 1.")
    report = measure(options.rows, options.features)
    if options.write:
        PAGE.write_text(as_page(report), encoding="utf-8")
    print(json.dumps(report, indent=2) if options.json else as_page(report))
    return 0 if report["ours_exact"] else 1


def measure(rows: int, draws: int) -> dict[str, Any]:
    """The report: for each kind of data and each peer, found and true figures and the error between them."""
    drawn = [kinds_of_data(rows, SEED + i) for i in range(draws)]
    columns = [
        dataclasses.replace(column, name=f"{column.name}_{i}")
        for i, kinds in enumerate(drawn)
        for column in kinds.values()
    ]
    answers: dict[str, dict[str, Answer]] = {
        peer: {column.name: _answer(figures, column) for column in columns} for peer, figures in RECIPES.items()
    }
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder, "rows.tfrecord"))
        write_records(file, columns)
        answers = {
            "Moments": answers.pop("Moments"),
            **by_analysis(file, columns),
            **by_tft(file, columns),
            **answers,
        }
    true = {column.name: [truth(*group) for group in column.groups] for column in columns}
    table = {}
    for kind, column in drawn[0].items():
        names = [f"{column.name}_{i}" for i in range(draws)]
        table[kind] = {peer: _worst([(found[n], true[n]) for n in names]) for peer, found in answers.items()}
    return {
        "rows": rows,
        "columns_per_kind": draws,
        "batch": BATCH,
        "seed": SEED,
        "versions": {name: importlib.metadata.version(name) for name in LIBRARIES},
        "ours_exact": _ours_exact(table),
        "table": table,
    }


def _ours_exact(table: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether this project is at 0 ulp wherever it answers; what raised is not."""
    cells = [cell for row in table.values() for peer, cell in row.items() if peer in OURS and cell is not None]
    return all(cell.get(what, {}).get("ulp") == 0 for cell in cells for what in FIGURES)


def _answer(figures: Callable[[Array, Array | None], Figures | None], column: Column) -> Answer:
    try:
        with np.errstate(all="ignore"):
            found = [figures(*group) for group in column.groups]
    except (ValueError, TypeError, ArithmeticError) as error:
        return type(error).__name__
    return [each for each in found if each is not None] or None


def _worst(pairs: Sequence[tuple[Answer, Sequence[Figures]]]) -> dict[str, Any] | None:
    """One cell of the table: the worst mean and the worst variance of all draws and groups."""
    if any(found is None for found, _ in pairs):
        return None
    if raised := [found for found, _ in pairs if isinstance(found, str)]:
        return {"raised": raised[0]}
    both = [each for found, true in pairs for each in zip(found or (), true, strict=True)]
    cell = {}
    for at, what in enumerate(FIGURES):
        found, true = max(((float(f[at]), t[at]) for f, t in both), key=lambda pair: ulps(*pair))
        relative = 0.0 if found == true else abs(found - true) / abs(true) if true else math.inf
        figures = {"found": found, "true": true, "ulp": ulps(found, true), "relative": relative}
        # JSON has no word for NaN and infinity.
        cell[what] = {name: x if math.isfinite(x) else str(x) for name, x in figures.items()}
    return cell


READING = """\
**How to read it.** A cell is the error in ulp, spacings of float64 at the true value, and in brackets the relative
error; from 10 % on, the number found and the true one. True is what rational arithmetic gives for the finite values as
stored, population variance, rounded once to float64. tf.Transform, Keras and NumPy float32 return float32: half a
spacing of float32 is up to 2^28 = 3e+08 ulp of float64, so up to there they are as right as their type can be, and only
what is beyond is an error of the method; a variance outside the range of float32 comes out as inf or 0. Of several
keys or columns the worst is shown.

- `Moments`: merged over the batches. `analyze()`: from a TFRecord file to the constants, in process and by Beam's
  FnApiRunner with the tf.Transform analyzer. A tf.Example cannot hold float64: that row is blank there.
- `tft`: the statistics behind `scale_to_z_score` and `scale_to_z_score_per_key`, with and without `elementwise`, of
  the functions that those two call; float64 and float16 are made inside the preprocessing_fn. No weights: blank.
- `Keras adapt`: `Normalization.adapt` on a `tf.data` pipeline of batches; no weights. scikit-learn leaves NaN out by
  design. Both, and NumPy, fit the rows of a key, and the rows that have a value, by themselves.
- `batch figures averaged`: the common recipe, the plain average of each batch's mean and variance, in float64.
- N(1e8, 1) in float32, whose spacing there is 8, is a constant: its variance is 0. The row in float64 is not."""


def as_page(report: dict[str, Any]) -> str:
    """docs/accuracy.md."""
    table = report["table"]
    peers = list(next(iter(table.values())))
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    python = ".".join(map(str, sys.version_info[:3]))
    last = report["rows"] % report["batch"] or report["batch"]
    data = (
        f"{report['rows']:,} rows in batches of {report['batch']:,} (the last has {last}), columns of each kind: "
        f"{report['columns_per_kind']}, NumPy's default generator, seed {report['seed']}. Python {python}, {versions}."
    )
    lines = [
        "# Accuracy: mean and variance against exact arithmetic",
        "",
        "Written by `benchmarks/accuracy.py`; do not edit. To reproduce, from the project's root:",
        "",
        "```sh",
        f"python benchmarks/accuracy.py --rows {report['rows']} --features {report['columns_per_kind']} --write",
        "```",
        "",
        data,
        "",
        READING,
    ]
    for what in FIGURES:
        lines += [
            "",
            f"## {what.capitalize()}",
            "",
            "| data | " + " | ".join(peers) + " |",
            "| --- " * (len(peers) + 1) + "|",
        ]
        for kind, row in table.items():
            lines.append(f"| {kind} | " + " | ".join(_cell(row[peer], what) for peer in peers) + " |")
    return "\n".join([*lines, ""])


def _cell(cell: dict[str, Any] | None, what: str) -> str:
    if cell is None:
        return ""
    if "raised" in cell:
        return str(cell["raised"])
    found, ulp = cell[what]["found"], cell[what]["ulp"]
    if ulp == 0:
        return "**0**"
    if isinstance(found, str):
        return found
    true, relative = cell[what]["true"], cell[what]["relative"]
    if true == 0:
        return f"{found:.1e} for 0"
    size = f"{ulp:.3g}" if ulp < 1_000 else f"{ulp:.0e}"
    return f"{size} ({relative:.0e})" if relative < FAR else f"{size} ({found:.3g} for {true:.3g})"


if __name__ == "__main__":
    raise SystemExit(main())
