"""The flights pipeline on 20,000 rows, run as a user runs it: what it prints, serves, measures and reuses."""

import dataclasses
import json
import math
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from fake_services import let_google_in, refuse_other_hosts, running

from pipeline.cli import main

pytestmark = pytest.mark.e2e

REPOSITORY = Path(__file__).resolve().parents[2]
CONFIG = REPOSITORY / "pipeline" / "flights_small.toml"
SERVE = Path(__file__).with_name("served_model.py")
LIMIT_SECONDS = 600  # a run takes about one minute; this is for a machine that is busy with something else

JSON_KEYS = {
    *("constants_digest", "rows", "metrics", "model", "report", "transform_graph", "log", "seconds"),
    "analysis",  # bytes and spans measured, and those from the cache
}
COMPONENTS = [
    *("ArrowExampleGen", "ImportSchemaGen", "LatestBlessedModel", "StatisticsGen", "ExampleValidator", "AnomalyGate"),
    *("NormalizingTransform", "ConstantsAudit", "DriftGate", "Trainer", "ParityCheck", "Evaluator", "Pusher"),
]
# Drift gate and Evaluator of the run after a blessed one compare with its model: another input, so they run again.
COMPARES_WITH_BLESSED = {"LatestBlessedModel", "DriftGate", "Evaluator", "Pusher"}
LOWEST_AUC = 0.85  # the departure delay alone ranks with 0.90
FLOAT32_ROUNDING = 1e-6  # of a share that was averaged in float32


@dataclasses.dataclass(frozen=True)
class Run:
    """What one run left: its object on standard output, and each component's state from its progress lines."""

    root: Path
    result: Mapping[str, Any]
    states: Mapping[str, str]


def run(root: Path, *options: str, config: Path = CONFIG) -> Run:
    """Runs the pipeline in a process of its own, which must succeed and print one JSON object."""
    command = [sys.executable, "-m", "pipeline", "run", str(config), "--root", str(root), "--json", *options]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=LIMIT_SECONDS)
    assert done.returncode == 0, done.stderr
    states = re.findall(r"^(\w+) (done|cached|failed|not run)\b", done.stderr, re.MULTILINE)
    return Run(root, json.loads(done.stdout), dict(states))


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(tmp_path_factory.mktemp("flights"))


@pytest.fixture(scope="module")
def train_columns(first: Run) -> dict[str, list[list[Any]]]:
    """By feature, the values of every tf.Example of the training split, as Python numbers and bytes."""
    import tensorflow as tf

    columns: dict[str, list[list[Any]]] = {}
    for record in tf.data.TFRecordDataset(records(first, "train"), compression_type="GZIP").as_numpy_iterator():
        for name, feature in tf.train.Example.FromString(record).features.feature.items():
            kind = feature.WhichOneof("kind")
            if kind:
                columns.setdefault(name, []).append(list(getattr(feature, kind).value))
    return columns


def records(of: Run, split: str) -> list[str]:
    files = sorted((of.root / "artifacts" / "ArrowExampleGen" / "examples").glob(f"*/Split-{split}/*.gz"))
    assert files
    return [str(file) for file in files]


def stored_constants(of: Run) -> dict[str, Any]:
    """The constants as they travel inside the pushed model, read as plain JSON."""
    table: dict[str, Any] = json.loads((Path(of.result["model"]) / "assets" / "constants.json").read_text())
    return table


def constants_of(of: Run, feature: str) -> Mapping[str, Any]:
    return next(table for table in stored_constants(of)["features"] if table["name"] == feature)


def test_one_json_object_tells_everything(first: Run) -> None:
    result = first.result
    assert set(result) == JSON_KEYS
    assert re.fullmatch("[0-9a-f]{64}", result["constants_digest"])
    assert Path(result["report"]).is_file()
    for key in ("model", "transform_graph", "log"):
        assert Path(result[key]).is_absolute()
        assert Path(result[key]).exists()
        assert Path(result[key]).is_relative_to(first.root)
    assert set(result["seconds"]) == set(COMPONENTS)
    assert first.states == dict.fromkeys(COMPONENTS, "done")


def test_the_model_beats_always_the_most_frequent_class(first: Run) -> None:
    metrics = first.result["metrics"]
    assert metrics["auc"] > LOWEST_AUC
    assert metrics["accuracy"] > metrics["baseline_accuracy"]


def test_the_constants_cover_the_training_split_and_nothing_else(
    first: Run, train_columns: Mapping[str, list[list[Any]]]
) -> None:
    rows = len(train_columns["late"])
    assert first.result["rows"] == rows
    assert stored_constants(first)["digest"] == first.result["constants_digest"]
    # 20,000 rows fall into five equal buckets, four of them train: 16,000 within five standard deviations.
    assert abs(rows - 16_000) < 5 * math.sqrt(20_000 * 0.8 * 0.2)


@pytest.mark.parametrize("feature", ["dep_delay", "temp", "wind_gust"])  # whole numbers; floats; mostly missing
def test_constants_are_exact(feature: str, first: Run, train_columns: Mapping[str, list[list[Any]]]) -> None:
    values = [Fraction(value) for row in train_columns[feature] for value in row]
    mean = sum(values, Fraction(0)) / len(values)
    variance = sum(((value - mean) ** 2 for value in values), Fraction(0)) / len(values)
    measured = constants_of(first, feature)
    assert measured["count"] == len(values)
    assert measured["missing"] == first.result["rows"] - len(values)
    assert (measured["min"], measured["max"]) == (float(min(values)), float(max(values)))
    # float() of a Fraction is correctly rounded, and so must the constants be: equal, not close.
    assert float.fromhex(measured["mean_hex"]) == float(mean)
    assert float.fromhex(measured["variance_hex"]) == float(variance)


def test_a_category_has_every_key_of_the_training_split_and_its_count(
    first: Run, train_columns: Mapping[str, list[list[Any]]]
) -> None:
    counted = Counter(value.decode() for row in train_columns["carrier"] for value in row)
    by_falling_count = sorted(counted.items(), key=lambda item: (-item[1], item[0].encode()))
    assert constants_of(first, "carrier")["vocabulary"] == [list(item) for item in by_falling_count]


def test_tensorflow_alone_serves_the_pushed_model_as_it_was_evaluated(first: Run, tmp_path: Path) -> None:
    command = [sys.executable, str(SERVE), first.result["model"], "late", *records(first, "eval")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=LIMIT_SECONDS)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    labels, scores, classes = answer["labels"], answer["scores"], answer["classes"]
    assert answer["ours"] == []
    assert len(labels) == len(scores) == len(classes) > 3_000
    assert all(0 <= score <= 1 for score in scores)
    right = sum(guess == label for guess, label in zip(classes, labels, strict=True)) / len(labels)
    assert right == pytest.approx(first.result["metrics"]["accuracy"], abs=FLOAT32_ROUNDING)


def test_a_second_run_computes_nothing_again_but_the_comparison(first: Run) -> None:
    second = run(first.root)
    assert second.result["constants_digest"] == first.result["constants_digest"]
    assert second.result["transform_graph"] == first.result["transform_graph"]
    again = {name for name, state in second.states.items() if state != "cached"}
    assert again <= COMPARES_WITH_BLESSED


def test_from_runs_a_component_and_those_below_it_again(first: Run) -> None:
    rerun = run(first.root, "--from", "Trainer")
    states = {name: state for name, state in rerun.states.items() if name not in ("LatestBlessedModel", "DriftGate")}
    again = {"Trainer", "ParityCheck", "Evaluator", "Pusher"}
    assert states == {name: "done" if name in again else "cached" for name in states}
    assert rerun.result["constants_digest"] == first.result["constants_digest"]
    # The same seed and the same input: the same model, to what the metrics can tell.
    assert rerun.result["metrics"] == pytest.approx(first.result["metrics"], rel=1e-3)


def test_an_edited_tag_takes_effect(first: Run, tmp_path: Path) -> None:
    """All of it runs again: the schema decides the columns' types, so ExampleGen reads it too."""
    schema = (REPOSITORY / "schemas" / "flights.pbtxt").read_text()
    edited = schema.replace('tag: "z_score" tag: "unit=percent"', 'tag: "min_max" tag: "unit=percent"')
    assert edited != schema
    (tmp_path / "flights.pbtxt").write_text(edited)
    config = tmp_path / "edited.toml"
    config.write_text(
        CONFIG.read_text()
        .replace("../schemas/flights.pbtxt", str(tmp_path / "flights.pbtxt"))
        .replace("../data", str(REPOSITORY / "data"))
    )
    changed = run(first.root, config=config)
    assert changed.states["NormalizingTransform"] == changed.states["Trainer"] == changed.states["Evaluator"] == "done"
    assert constants_of(changed, "humid")["role"] == "min_max"
    assert changed.result["constants_digest"] != first.result["constants_digest"]
    # What has not been edited keeps its bits.
    assert constants_of(changed, "temp") == constants_of(first, "temp")


def rehearsed(job: Path, root: Path, data: Path) -> Run:
    """Rehearses a job in a process of its own, its steps in theirs; as ``run``."""
    command = [sys.executable, "-m", "pipeline", "rehearse", str(job), "--root", str(root), "--json"]
    options = ["--param", f"data_path={data}", "--param", "epochs=1", "--env", f"PYTHONPATH={REPOSITORY}"]
    done = subprocess.run(
        [*command, *options], cwd=REPOSITORY, capture_output=True, text=True, timeout=2 * LIMIT_SECONDS
    )
    assert done.returncode == 0, done.stderr
    states = re.findall(r"^(\w+) (done|cached|failed|not run)\b", done.stderr, re.MULTILINE)
    return Run(root, json.loads(done.stdout), dict(states))


@pytest.mark.slow
def test_the_compiled_job_finds_the_same_constants_on_kubeflow_and_computes_nothing_twice(
    first: Run, tmp_path: Path
) -> None:
    """With Kubeflow's manners, which are the harder ones: types and URIs are repaired, the driver runs in the step."""
    compiled = subprocess.run(
        [sys.executable, "-m", "pipeline", "compile", str(CONFIG), "--out", str(tmp_path), "--image", "an/image:1"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
    )
    assert compiled.returncode == 0, compiled.stderr
    data = REPOSITORY / "data" / "flights_small" / "flights.csv"
    once = rehearsed(tmp_path / "flights-small.yaml", tmp_path / "root", data)
    assert set(once.result) == JSON_KEYS
    assert once.result["constants_digest"] == first.result["constants_digest"]
    assert once.result["rows"] == first.result["rows"]
    assert set(once.states) == {*COMPONENTS, "RunReport"} - {"LatestBlessedModel"}
    assert set(once.states.values()) == {"done"}
    assert once.result["metrics"]["auc"] > LOWEST_AUC - 0.05  # one epoch instead of five
    assert (Path(once.result["model"]) / "saved_model.pb").exists()
    assert once.result["constants_digest"] in Path(once.result["report"]).read_text()
    again = rehearsed(tmp_path / "flights-small.yaml", tmp_path / "root", data)
    assert set(again.states.values()) == {"cached"}
    assert again.result["model"] == once.result["model"]


@pytest.mark.slow
def test_a_submitted_configuration_runs_on_vertex_and_finds_the_same_constants(
    first: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """By Google's own client, to a Vertex AI on the loopback interface that rehearses what it is sent."""
    objects: Mapping[str, bytes]
    ran: list[Run] = []

    def rehearse(body: Mapping[str, Any]) -> bool:
        # The service's own storage is a folder: what was uploaded to gs:// lies there.
        values = dict(body["runtimeConfig"]["parameterValues"])
        schema = tmp_path / "schema.pbtxt"
        schema.write_bytes(objects[values["schema"]])
        job = tmp_path / "received.json"
        received = {**body, "runtimeConfig": {"parameterValues": {**values, "schema": str(schema)}}}
        job.write_text(json.dumps(received))
        ran.append(rehearsed(job, tmp_path / "root", REPOSITORY / "data" / "flights_small" / "flights.csv"))
        return True

    options = ["--to", "vertex", "--project", "my-project", "--region", "europe-west4", "--image", "an/image:1"]
    with running(rehearse) as fake:
        objects = fake.objects
        attempts = refuse_other_hosts(monkeypatch)
        let_google_in(fake, tmp_path, monkeypatch)
        place = ["--pipeline-root", "gs://bucket/root", "--endpoint", fake.url, "--param", "epochs=1"]
        status = main(["submit", str(CONFIG), *options, *place, "--wait", "--json"])
    said = capfd.readouterr()
    assert status == 0, said.err
    assert json.loads(said.out)["state"] == "PIPELINE_STATE_SUCCEEDED"
    assert attempts == []
    assert ran[0].result["constants_digest"] == first.result["constants_digest"]
    assert set(ran[0].states.values()) == {"done"}
    # The driver of Vertex AI and the resolver, which Kubeflow's rehearsal has not.
    assert set(COMPONENTS) - set(ran[0].states) == {"LatestBlessedModel"}
    assert (Path(ran[0].result["model"]) / "saved_model.pb").exists()
