"""README's commands and code, run as they stand."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
LIMIT_SECONDS = 1200

# `make run` by its 20,000-row configuration; `make test` would run this very test.
INSTEAD = {"make run": ".venv/bin/python -m pipeline run pipeline/flights_small.toml", "make test": "true"}

SCHEMA = """
feature { name: "length" type: FLOAT value_count { min: 1 max: 1 } annotation { tag: "z_score" tag: "unit=mm" } }
feature { name: "kind" type: BYTES value_count { min: 1 max: 1 } annotation { tag: "category" } }
feature { name: "large" type: INT value_count { min: 1 max: 1 } annotation { tag: "label" } }
"""
# What the README's own-dataset block leaves in `batches`, checked in the process that ran it.
SEEN = """
import json
rows = [(features["length"].numpy().tolist(), label.numpy().tolist()) for features, label in batches]
print("SEEN " + json.dumps([sum((part[i] for part in rows), []) for i in (0, 1)]))
"""


def commands() -> list[str]:
    """What the console blocks say to type, in order."""
    blocks = re.findall(r"^```(?:console|bash)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def code_after(comment: str) -> str:
    """The Python block right below the HTML comment that begins like this."""
    found = re.findall(rf"<!-- {re.escape(comment)}[^\n]*-->\n```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert len(found) == 1, comment
    return str(found[0])


def output_of(command: list[str], folder: Path, **environment: str) -> str:
    """Standard output of a command that must succeed; the last of what it said otherwise."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_what_it_links_to_is_there() -> None:
    targets = [target for target in re.findall(r"\]\(([^)]+)\)", README) if not target.startswith(("#", "http"))]
    named = re.findall(r"`((?:docs|pipeline|tools|schemas|components|tests|benchmarks)/[\w./]*|[A-Z]+\.md)`", README)
    assert targets and named
    assert [name for name in [*targets, *named] if not (REPOSITORY / name).exists()] == []


def test_it_shows_the_two_commands_first() -> None:
    assert commands()[: len(INSTEAD)] == list(INSTEAD)


@pytest.mark.e2e
@pytest.mark.slow
def test_its_commands_work(tmp_path: Path) -> None:
    for name in ("components", "pipeline", "schemas", "tfxnorm"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    script = ["set -eu"]
    for command in commands():
        script += [f"echo {shlex.quote(f'$ {command}')}", INSTEAD.get(command, command)]
    output_of(["bash", "-c", "\n".join(script)], tmp_path)
    for pipeline in ("flights-small", "penguins"):
        assert list((tmp_path / "runs" / pipeline / "serving").glob("*/saved_model.pb")), pipeline


@pytest.mark.e2e
def test_its_own_pipeline_and_dataset_work(tmp_path: Path) -> None:
    data, schema, root = tmp_path / "data", tmp_path / "schema.pbtxt", tmp_path / "root"
    data.mkdir()
    lengths = np.random.default_rng(7).normal(1000.0, 25.0, 400).astype(np.float32)
    cells = ["" if i % 40 == 0 else repr(float(length)) for i, length in enumerate(lengths)]
    rows = [f"{cell},{'ab'[i % 2]},{int(lengths[i] > 1000)}" for i, cell in enumerate(cells)]
    (data / "rows.csv").write_text("\n".join(["length,kind,large", *rows]) + "\n")
    schema.write_text(SCHEMA)
    # A project made from TFX's template has a package of this name; ours must not be looked for in it.
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "__init__.py").write_text("raise AssertionError('components imported pipeline')\n")
    script = tmp_path / "mine.py"
    script.write_text(
        f"DATA, SCHEMA, ROOT = {str(data)!r}, {str(schema)!r}, {str(root)!r}\n"
        + code_after("test: own pipeline")
        + "import glob\n(TRANSFORM_GRAPH,) = glob.glob(f'{ROOT}/NormalizingTransform/transform_graph/*')\n"
        + "FILES = f'{ROOT}/ArrowExampleGen/examples/*/Split-train/*'\n"
        + code_after("test: own dataset")
        + "NAMES = ['length']\n"
        + code_after("test: layer")
        + SEEN
        + "\nin_the_pipeline = frozen.digest\n"
        + code_after("test: analyze")
        + "assert frozen.digest == in_the_pipeline\n"
    )
    out = output_of([sys.executable, str(script)], tmp_path, PYTHONPATH=str(REPOSITORY))
    (seen,) = re.findall(r"^SEEN (.*)$", out, re.MULTILINE)
    scores, labels = (np.array(column) for column in json.loads(seen))
    assert 250 < len(scores) == len(labels) < 390
    # A missing length got the mean, which is 0; the others, which came in another order, have mean 0 and spread 1.
    present = scores[scores != 0]
    assert present.mean() == pytest.approx(0, abs=1e-6)
    assert present.std() == pytest.approx(1, abs=1e-6)
    # Whatever the shuffle did, each score still belongs to its label: the cut at 1000 is one cut among the scores.
    shown = scores != 0
    assert scores[shown & (labels == 0)].max() < scores[shown & (labels == 1)].min()
