"""Who may import whom: the dependency arrow, and which module loads which heavy library."""

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

REPOSITORY = Path(__file__).parents[2]
OURS = ("schemas", "components", "pipeline", "tfxnorm")

# The arrow: what a module or package may import of ours, beside its own package. The longest name that fits counts.
PLAN = ("components.errors", "components.feature", "components.feature_plan")
PURE = (*PLAN, "components.constants", "components.provenance")
MAY_IMPORT: Mapping[str, tuple[str, ...]] = {
    "schemas": (),
    "components.errors": ("schemas.errors",),
    "components.feature": (),
    "components.feature_tags": ("components.errors", "components.feature"),
    "components.feature_plan": ("components.errors", "components.feature", "components.feature_tags"),
    "components.provenance": (),
    "components.verdict": ("components.errors",),
    "components.feature_constants": ("components.feature",),
    "components.constants_json": ("components.errors", "components.feature", "components.feature_constants"),
    "components.constants": (
        *PLAN,
        "components.constants_json",
        "components.feature_constants",
        "components.provenance",
    ),
    "components.cache": ("components.errors",),
    "components.span_files": (),
    "components.span_counters": ("components.provenance",),
    "components.local_runner": (),
    "components.step_settings": ("components.errors",),
    "components.rows_read": ("components.errors", "components.span_files"),
    "components.moments": PURE,
    "components.frozen": (*PURE, "components.moments.fingerprint"),
    "components.frozen.keras_layer": (*PURE, "components.frozen", "components.moments.wire"),
    "components.transform": (*PURE, "components.moments", "components.frozen", "components.rows_read"),
    "components.transform.span_statistics": (
        *PURE,
        "components.cache",
        "components.moments",
        "components.rows_read",
        "components.span_counters",
        "components.transform",
    ),
    "components.transform.analyze": (
        *PURE,
        "components.local_runner",
        "components.moments",
        "components.frozen",
        "components.transform",
        "schemas",
    ),
    "components.transform.executor": (
        *PURE,
        "components.artifacts",
        "components.cache",
        "components.provenance",
        "components.rows_read",
        "components.span_counters",
        "components.span_files",
        "components.step_settings",
        "components.moments",
        "components.frozen",
        "components.transform",
        "schemas",
    ),
    "components.transform.component": (
        *PURE,
        "components.artifacts",
        "components.cache",
        "components.step_settings",
        "components.transform",
    ),
    "components.png": (),
    "components.parity": (*PURE, "components.png"),
    "components.parity.serve_check": (*PURE, "components.frozen", "components.parity"),
    "components.parity.served_rows": (*PURE, "components.parity"),
    "components.parity.images": PURE,
    "components.parity.signatures": (*PURE, "components.frozen", "components.parity"),
    "components.parity.records": (*PURE, "components.frozen", "components.parity"),
    "components.parity.ways": (*PURE, "components.frozen", "components.trainer"),
    "components.parity.judge": (*PURE, "components.parity", "components.verdict"),
    "components.parity.check": (
        *PURE,
        "components.frozen",
        "components.local_runner",
        "components.parity",
        "components.verdict",
    ),
    "components.parity.component": (
        "components.artifacts",
        "components.frozen",
        "components.parity",
        "components.verdict",
        "schemas",
    ),
    "components.trainer": (
        *PURE,
        "components.moments",
        "components.frozen",
        "components.transform",
        "components.verdict",
    ),
    "components.example_gen": (
        *PURE,
        "components.cache",
        "components.span_files",
        "components.step_settings",
        "schemas",
    ),
    "components.anomalies": ("components.errors",),
    "components.artifacts": (*PURE, "components.verdict"),
    "components.drift": (*PURE, "components.verdict"),
    "components.drift.component": (
        *PURE,
        "components.artifacts",
        "components.drift",
        "components.frozen",
        "components.verdict",
    ),
    "components.report": (*PURE, "components.verdict"),
    "components.report.collect": (
        *PURE,
        "components.frozen",
        "components.report",
        "components.trainer.fed_check",
        "components.verdict",
    ),
    "components.report.pictures": (*PURE, "components.frozen", "components.png", "components.report"),
    "components.report.component": ("components.artifacts", "components.report"),
    "components.audit": (
        *PURE,
        "components.frozen",
        "components.parity",
        "components.png",
        "components.rows_read",
        "components.verdict",
    ),
    "components.audit.component": (
        *PURE,
        "components.artifacts",
        "components.audit",
        "components.frozen",
        "components.rows_read",
        "components.verdict",
    ),
    "tfxnorm": ("components.artifacts",),
    "pipeline": ("components", "schemas"),
}

HEAVY = {
    "apache_beam",
    "keras",
    "kfp",
    "ml_metadata",
    "tensorflow",
    "tensorflow_data_validation",
    "tensorflow_model_analysis",
    "tensorflow_transform",
    "tf_keras",
    "tfx",
    "tfx_bsl",
}
# What importing a module loads of these, through everything of ours that it imports on its way.
LOADS: Mapping[str, tuple[str, ...]] = {
    "components": (),
    "schemas": (),
    "pipeline.cli": (),
    "pipeline.config": (),
    "components.moments.fingerprint": ("tensorflow",),
    "components.moments.combine": ("apache_beam",),
    "components.moments.analyzer": ("apache_beam", "tensorflow", "tensorflow_transform"),
    "components.frozen": ("tensorflow",),
    "components.frozen.keras_layer": ("keras", "tensorflow"),
    "components.transform": ("tensorflow",),
    "components.transform.executor": ("apache_beam", "tensorflow", "tensorflow_transform", "tfx", "tfx_bsl"),
    "components.transform.component": ("apache_beam", "tensorflow", "tensorflow_transform", "tfx", "tfx_bsl"),
    "components.transform.beam_analysis": ("apache_beam", "tensorflow"),
    "components.transform.spark_analysis": ("tensorflow",),
    "components.transform.processor": ("apache_beam", "tensorflow", "tensorflow_transform", "tfx", "tfx_bsl"),
    "components.transform.record_tfxio": ("apache_beam", "tensorflow", "tfx_bsl"),
    "components.transform.pinned": (),
    "pipeline.inputs": (),
    "components.parity": (),
    "components.parity.judge": (),
    "components.parity.images": ("tensorflow",),
    "components.png": (),
    "components.parity.edge_rows": (),
    "components.parity.serve_check": ("tensorflow",),
    "components.parity.served_rows": (),
    "components.parity.signatures": ("tensorflow",),
    "components.parity.records": ("tensorflow",),
    "components.parity.ways": ("apache_beam", "tensorflow", "tensorflow_transform", "tfx_bsl"),
    "components.parity.check": ("apache_beam", "tensorflow", "tensorflow_transform", "tfx_bsl"),
    "components.parity.component": ("apache_beam", "tensorflow", "tensorflow_transform", "tfx", "tfx_bsl"),
    "components.trainer.input_data": ("tensorflow",),
    "components.trainer.sound_images": ("tensorflow",),
    "components.trainer.augmentation": ("tensorflow",),
    "components.frozen.image_header": ("tensorflow",),
    "components.trainer.keras_export": ("keras", "tensorflow"),
    "components.trainer.streams": ("tensorflow",),
    "components.trainer.options": (),
    "components.trainer.model": ("keras",),
    "components.trainer.cnn": ("keras",),
    "components.trainer.strategies": ("tensorflow",),
    "components.trainer.digest_agreement": ("tensorflow",),
    "components.trainer.early_stopping": ("keras", "tensorflow"),
    "components.trainer.checkpoints": ("keras", "tensorflow"),
    "components.trainer.fed": ("tensorflow",),
    "components.trainer.fed_check": (),
    "components.trainer.fed_expected": (),
    "components.trainer.first_epoch": ("keras", "tensorflow"),
    "components.trainer.distributed": ("keras", "tensorflow"),
    "components.trainer.fitting": ("keras", "tensorflow"),
    "components.trainer.serving": ("keras", "tensorflow"),
    # TFX for its types only: see the test of what run_fn loads.
    "components.trainer.run_fn": ("keras", "tensorflow", "tfx"),
    "components.cache.envelope": (),
    "components.cache.shelf": ("tensorflow",),
    "components.span_files": (),
    "components.span_counters": (),
    "components.local_runner": (),
    "components.step_settings": (),
    "components.rows_read": ("tensorflow",),
    "components.transform.span_statistics": ("tensorflow",),
    "components.example_gen.span_pattern": (),
    "components.example_gen.spans": (),
    "components.example_gen.custom_options": ("tensorflow", "tfx"),
    "components.example_gen.span_store": ("apache_beam", "tensorflow"),
    "components.example_gen.window": ("apache_beam", "tensorflow"),
    "components.example_gen.tfrecords": ("tensorflow",),
    "components.example_gen.shards": ("apache_beam", "tensorflow"),
    "components.example_gen.executor": ("apache_beam", "tensorflow", "tfx"),
    "components.example_gen.driver": ("apache_beam", "tensorflow", "tfx"),
    "components.example_gen.component": ("apache_beam", "tensorflow", "tfx"),
    "components.anomalies.component": ("tensorflow", "tfx"),
    "components.artifacts": ("tensorflow", "tfx"),
    "components.drift": (),
    "components.drift.gate": (),
    "components.drift.component": ("tensorflow", "tfx"),
    "components.report": (),
    "components.report.component": ("tensorflow", "tfx"),
    "components.report.collect": ("tensorflow",),
    "components.report.curves": ("tensorflow",),
    "components.report.pictures": ("tensorflow",),
    "components.audit.expected": (),
    "components.audit.exact_recount": (),
    "components.audit": ("tensorflow",),
    "components.audit.component": ("tensorflow", "tfx"),
    "pipeline.where": (),
    "pipeline.node_result": (),
    "pipeline.kubeflow": (),
    "pipeline.kubeflow.compilation": (),
    "pipeline.kubeflow.entrypoint": (),
    "pipeline.kubeflow.rehearsal": (),
    "pipeline.kubeflow.submission.prepare": (),
    "pipeline.kubeflow.submission.services": (),
    "pipeline.kubeflow.tfx_compiler": ("kfp", "tensorflow", "tfx"),
}


class Import(NamedTuple):
    """One imported module; ``at_once`` unless it stands in a function."""

    target: str
    at_once: bool


def modules() -> dict[str, Path]:
    """Our modules by name."""
    files = [file for top in OURS for file in sorted((REPOSITORY / top).rglob("*.py"))]
    return {_name(file): file for file in files}


def _name(file: Path) -> str:
    parts = file.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = modules()


def imports_of(tree: ast.AST, package: str, known: Mapping[str, Path] = MODULES) -> Iterator[Import]:
    """All imports below ``tree``; ``from a import b`` counts as a.b where that is a module of ours."""
    lazy = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names = [full if (full := f"{base}.{alias.name}") in known else base for alias in node.names]
        else:
            continue
        yield from (Import(name, id(node) not in lazy) for name in names)


def imports_of_module(name: str) -> list[Import]:
    file = MODULES[name]
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    return sorted(set(imports_of(ast.parse(file.read_text()), package)))


def is_within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def rule_for(name: str, table: Mapping[str, tuple[str, ...]]) -> str | None:
    return max((key for key in table if is_within(name, key)), key=len, default=None)


def loaded_by(name: str) -> set[str]:
    """The heavy libraries that ``import name`` loads at once."""
    found, seen, waiting = set(), set(), [name]
    while waiting:
        module = waiting.pop()
        parents = [module.rpartition(".")[0]] if "." in module else []
        if module in seen or module not in MODULES:
            continue
        seen.add(module)
        targets = [item.target for item in imports_of_module(module) if item.at_once]
        found |= {target.split(".")[0] for target in targets} & HEAVY
        waiting += [*targets, *parents]
    return found


def loaded_in_a_fresh_process(code: str) -> set[str]:
    """The heavy libraries among ``sys.modules`` after ``code``."""
    ask = f"{code}\nimport sys\nprint(*sorted({HEAVY!r} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", ask], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return set(answer.stdout.split())


@pytest.mark.parametrize("name", sorted(set(MODULES) - {"components"}))
def test_imports_follow_the_arrow(name: str) -> None:
    rule = rule_for(name, MAY_IMPORT)
    assert rule, f"{name} has no place in MAY_IMPORT: say there what it may import."
    own = [item.target for item in imports_of_module(name) if item.target.split(".")[0] in OURS]
    allowed = (rule, *MAY_IMPORT[rule])
    wrong = [target for target in own if not any(is_within(target, package) for package in allowed)]
    assert not wrong, f"{name} imports {wrong}; it may import {allowed}."


def test_the_facade_imports_nothing_of_ours() -> None:
    assert [item.target for item in imports_of_module("components") if item.target.split(".")[0] in OURS] == []


def test_the_arrow_has_no_circle() -> None:
    def reach(package: str, path: tuple[str, ...] = ()) -> None:
        assert package not in path, f"circle: {(*path, package)}"
        for target in MAY_IMPORT.get(package, ()):
            reach(rule_for(target, MAY_IMPORT) or target, (*path, package))

    for package in MAY_IMPORT:
        reach(package)


@pytest.mark.parametrize("name", sorted(name for name in MODULES if rule_for(name, LOADS)))
def test_a_module_loads_no_heavier_library_than_it_may(name: str) -> None:
    rule = rule_for(name, LOADS)
    assert rule is not None
    assert loaded_by(name) <= set(LOADS[rule]), f"{name} may load {LOADS[rule]} at import."


def test_nothing_but_tests_imports_tests() -> None:
    inside = {"tests", *(file.stem for file in (REPOSITORY / "tests").rglob("*.py"))}
    others = [file for top in (*OURS, "tools", "benchmarks") for file in (REPOSITORY / top).rglob("*.py")]
    assert len(others) > 50
    for file in others:
        tops = {item.target.split(".")[0] for item in imports_of(ast.parse(file.read_text()), _name(file.parent))}
        assert not tops & inside, f"{file} imports {tops & inside}"


def test_relative_and_lazy_imports_are_seen() -> None:
    tree = ast.parse("from .. import constants\nfrom . import freeze\ndef f():\n    import tensorflow as tf\n")
    assert set(imports_of(tree, "components.frozen")) == {
        Import("components.constants", True),
        Import("components.frozen.freeze", True),
        Import("tensorflow", False),
    }


def test_moments_load_none_of_the_heavy_libraries() -> None:
    names = "FeaturePlan, Moments, NormalizationConstants"
    assert loaded_in_a_fresh_process(f"from components import {names}\nMoments.of([1.0])") == set()


def test_the_command_line_starts_without_the_heavy_libraries() -> None:
    assert loaded_in_a_fresh_process("import pipeline.cli") == set()


def test_frozen_transform_loads_tensorflow_only() -> None:
    # Keras comes with TensorFlow itself.
    loaded = loaded_in_a_fresh_process("from components import FrozenTransform, normalized_dataset")
    assert "tensorflow" in loaded
    assert loaded <= {"tensorflow", "keras", "tf_keras"}


def test_the_keras_layer_loads_neither_tfx_nor_beam() -> None:
    loaded = loaded_in_a_fresh_process("import components.frozen.keras_layer")
    assert loaded <= {"tensorflow", "keras", "tf_keras"}


def test_a_training_loads_no_tfx() -> None:
    loaded = loaded_in_a_fresh_process("import components.trainer.run_fn")
    assert {"keras", "tensorflow"} <= loaded <= {"keras", "tensorflow", "tf_keras"}


@pytest.mark.beam
def test_every_public_name_can_be_imported() -> None:
    code = "import components\nfor name in components.__all__:\n    print(name, callable(getattr(components, name)))"
    answer = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr[-2000:]
    found = dict(line.split() for line in answer.stdout.splitlines())
    assert {"FeaturePlan", "Moments", "FrozenTransform", "ArrowExampleGen", "AnomalyGate"} <= set(found)
    assert set(found.values()) == {"True"}
