"""What each runtime parameter changes in the execution properties of a step."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import schemas
from components.errors import ConfigError
from pipeline.config import PipelineConfig, load_config
from pipeline.kubeflow.job import with_constant, with_driver, with_parameters, with_steps
from pipeline.kubeflow.parameters import JobParameter, applied, parameters_of
from pipeline.kubeflow.rehearsal.values import job_values

REPOSITORY = Path(__file__).parents[2]
FLIGHTS = REPOSITORY / "pipeline" / "flights_small.toml"


def custom(**options: Any) -> str:
    return json.dumps({"custom_config": {"@type": "type.googleapis.com/google.protobuf.Struct", "value": options}})


def options(properties: dict[str, Any]) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(properties["custom_config"])["custom_config"]["value"]
    return value


EXAMPLE_GEN = {
    "input_base": "nowhere",
    "input_config": '{"splits": [{"name": "single_split", "pattern": "*"}]}',
    "custom_config": custom(data_format="csv", schema_uri="old"),
}


def pattern(properties: dict[str, Any]) -> str:
    return str(json.loads(properties["input_config"])["splits"][0]["pattern"])


def test_a_path_becomes_a_folder_and_a_pattern(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("x\n1\n")
    for path, base, name in [
        (f"{tmp_path}/rows.csv", str(tmp_path), "rows.csv"),
        ("gs://b/in/*.csv", "gs://b/in", "*.csv"),
        (str(tmp_path), str(tmp_path), "*"),
    ]:
        changed = applied(EXAMPLE_GEN, {"data_path": path}, {})
        assert (changed["input_base"], pattern(changed)) == (base, name)
        assert options(changed) == {"data_format": "csv", "schema_uri": "old"}
    assert EXAMPLE_GEN["input_base"] == "nowhere"


def test_a_bundled_data_set_is_made_in_the_step_and_always_looks_the_same() -> None:
    for _ in range(2):
        changed = applied(EXAMPLE_GEN, {"data_path": "bundled:flights_small"}, {})
        made = Path(changed["input_base"]) / pattern(changed)
        assert made.name == "flights_small.csv"
        assert (made.stat().st_size, made.stat().st_mtime) == (2_097_308, 0)
        shutil.rmtree(made.parent)
    with pytest.raises(ConfigError, match="Unknown bundled data set 'cats'"):
        applied(EXAMPLE_GEN, {"data_path": "bundled:cats"}, {})


def test_a_path_with_spans_is_hidden_from_tfx_and_shown_to_the_executor() -> None:
    changed = applied(EXAMPLE_GEN, {"data_path": "gs://b/day-{SPAN}/*.csv", "window": 28.0, "spans": ""}, {})
    assert (changed["input_base"], pattern(changed)) == ("gs://b", "day-*/*.csv")
    assert options(changed)["span_patterns"] == ["day-{SPAN}/*.csv"]
    assert options(changed)["window"] == 28
    bounded = applied(EXAMPLE_GEN, {"spans": "3, 5", "window": 0, "data_path": "gs://b/day-{SPAN}/*.csv"}, {})
    assert {name: options(bounded)[name] for name in ("first_span", "last_span", "window")} == {
        "first_span": 3,
        "last_span": 5,
        "window": 0,
    }


def test_a_window_and_bounds_at_once_are_an_error() -> None:
    with pytest.raises(ConfigError, match="Give one of the two"):
        applied(EXAMPLE_GEN, {"data_path": "gs://b/{SPAN}.csv", "window": 2, "spans": "3,5"}, {})


def test_a_packaged_schema_is_found_where_the_package_is_installed() -> None:
    place = "package:schemas/flights.pbtxt"
    expected = str(Path(str(schemas.__file__)).parent / "flights.pbtxt")
    assert applied({"schema_file": ""}, {"schema": place}, {})["schema_file"] == expected
    assert options(applied(EXAMPLE_GEN, {"schema": place}, {}))["schema_uri"] == expected
    assert applied({"schema_file": ""}, {"schema": "gs://b/s.pbtxt"}, {})["schema_file"] == "gs://b/s.pbtxt"
    with pytest.raises(ConfigError, match=r"no file 'nothing\.pbtxt' in the installed package 'schemas'"):
        applied({"schema_file": ""}, {"schema": "package:schemas/nothing.pbtxt"}, {})
    with pytest.raises(ConfigError, match="no package 'not_there' is installed"):
        applied({"schema_file": ""}, {"schema": "package:not_there/x.pbtxt"}, {})


def test_epochs_steps_and_checkpoints_are_the_trainers() -> None:
    trainer = {"custom_config": json.dumps({"training": json.dumps({"epochs": 5, "seed": 1}), "code_digest": "c"})}
    changed = applied(trainer, {"epochs": 2.0, "steps": 100.0, "checkpoint_dir": "gs://b/c"}, {})
    config = json.loads(changed["custom_config"])
    assert config["code_digest"] == "c"
    assert json.loads(config["training"]) == {"epochs": 2, "steps": 100, "checkpoint_dir": "gs://b/c", "seed": 1}


def test_models_go_where_asked_or_beside_the_artifact() -> None:
    def folder(value: str) -> str:
        changed = applied({"push_destination": ""}, {"serving_dir": value}, {"pushed_model": "gs://r/1/pushed_model"})
        return str(json.loads(changed["push_destination"])["filesystem"]["base_directory"])

    assert folder("gs://b/serving") == "gs://b/serving"
    assert folder("") == "gs://r/1/serving"


def test_a_cache_folder_is_a_property_of_the_transform_and_an_option_of_spans() -> None:
    assert applied({"cache_dir": "old"}, {"cache_dir": ""}, {}) == {"cache_dir": ""}
    assert "cache_dir" not in options(applied(EXAMPLE_GEN, {"cache_dir": "gs://b/c"}, {}))
    spans = {"cache_dir": "gs://b/c", "data_path": "gs://b/{SPAN}.csv"}
    assert options(applied(EXAMPLE_GEN, spans, {}))["cache_dir"] == "gs://b/c"


def test_a_baseline_is_the_drift_gates() -> None:
    assert applied({"baseline": ""}, {"drift_baseline": "gs://b/model"}, {}) == {"baseline": "gs://b/model"}


def test_a_query_is_bigquerys_pattern() -> None:
    assert pattern(applied(EXAMPLE_GEN, {"query": "SELECT 1"}, {})) == "SELECT 1"


def test_what_is_there_for_the_cache_key_changes_nothing() -> None:
    assert applied(EXAMPLE_GEN, {"data_version": "7", "schema_digest": "d"}, {}) == EXAMPLE_GEN


def test_an_unknown_parameter_is_an_error() -> None:
    with pytest.raises(ConfigError, match="knows no runtime parameter 'colour'"):
        applied({}, {"colour": "red"}, {})


@pytest.fixture(scope="module")
def config() -> PipelineConfig:
    return load_config(FLIGHTS)


def test_every_parameter_has_a_default_of_its_type(config: PipelineConfig) -> None:
    found = {p.name: p.default for p in parameters_of(config, "gs://b/x.csv", "gs://b/s.pbtxt")}
    assert found == {
        "data_path": "gs://b/x.csv",
        "data_version": "",
        "schema": "gs://b/s.pbtxt",
        "drift_baseline": "",
        "epochs": 5,
        "steps": 0,
        "threshold_auc_min": 0.8,
        "threshold_auc_max_drop": 0.03,
        "serving_dir": "",
        "checkpoint_dir": "",
        "cache_dir": "",
    }


def hand_job() -> dict[str, Any]:
    container = {"image": "i", "lifecycle": {"preCacheCheck": {"command": ["python", "-m", "tfx.driver"]}}}
    return {
        "pipelineSpec": {
            "root": {
                "dag": {
                    "tasks": {
                        "Trainer": {"componentRef": {"name": "Trainer"}, "cachingOptions": {"enableCache": True}},
                        "Latest": {"componentRef": {"name": "Latest"}},
                    }
                }
            },
            "components": {"Trainer": {}, "Latest": {}},
            "deploymentSpec": {
                "executors": {"Trainer_executor": {"container": container}, "Latest_executor": {"resolver": {}}}
            },
        }
    }


def test_a_parameter_is_the_jobs_and_an_input_of_its_steps() -> None:
    parameters = [JobParameter("epochs", 5, ("Trainer", "Absent"), "passes"), JobParameter("x", "", ("Absent",), "")]
    made = with_parameters(hand_job(), parameters)
    spec = made["pipelineSpec"]
    assert spec["root"]["inputDefinitions"]["parameters"] == {
        "epochs": {
            "parameterType": "NUMBER_INTEGER",
            "defaultValue": 5,
            "isOptional": True,
            "description": "passes",
        }
    }
    assert spec["root"]["dag"]["tasks"]["Trainer"]["inputs"]["parameters"] == {
        "runtime_epochs": {"componentInputParameter": "epochs"}
    }
    assert spec["components"]["Trainer"]["inputDefinitions"]["parameters"] == {
        "runtime_epochs": {"parameterType": "NUMBER_INTEGER"}
    }
    assert job_values(made, {}) == {"epochs": 5}
    assert job_values(made, {"epochs": "7"}) == {"epochs": 7}
    with pytest.raises(ConfigError, match=r"epochs must be a whole number but is 'many'"):
        job_values(made, {"epochs": "many"})
    with pytest.raises(ConfigError, match=r"no such parameter\. It has epochs"):
        job_values(made, {"epoch": "7"})


def test_a_parameter_without_a_default_must_be_given() -> None:
    made = hand_job()
    made["pipelineSpec"]["root"]["inputDefinitions"] = {"parameters": {"root": {"parameterType": "STRING"}}}
    with pytest.raises(ConfigError, match="give it by --param root=VALUE"):
        job_values(made, {})
    assert job_values(made, {"root": "r"}) == {"root": "r"}


def steps(folder: Path, text: str) -> Any:
    config = folder / "c.toml"
    config.write_text(
        '[pipeline]\nname = "p"\ntask = "binary"\n[data]\npath = "x.csv"\nschema = "s.pbtxt"\n' + text, encoding="utf-8"
    )
    return load_config(config).kubeflow.steps


def test_resources_retries_and_caching_of_a_step(tmp_path: Path) -> None:
    text = (
        '[kubeflow.steps.Trainer]\ncpu = 8\nmemory = 32.5\naccelerator = "NVIDIA_TESLA_T4"\nretries = 2\ncache = false'
    )
    spec = with_steps(hand_job(), steps(tmp_path, text))["pipelineSpec"]
    assert spec["deploymentSpec"]["executors"]["Trainer_executor"]["container"]["resources"] == {
        "cpuLimit": 8.0,
        "memoryLimit": 32.5,
        "accelerator": {"type": "NVIDIA_TESLA_T4", "count": "1"},
    }
    task = spec["root"]["dag"]["tasks"]["Trainer"]
    assert task["retryPolicy"] == {"maxRetryCount": 2}
    assert "cachingOptions" not in task


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[kubeflow.steps.Trainer]\ncpu = -1", "must be at least 0"),
        ("[kubeflow.steps.Trainer]\nretries = 4294967296", "retries must be at most 100 but is 4294967296"),
        ("[kubeflow.steps.Trainer]\naccelerators = 2", "needs the accelerator's type"),
        ("[kubeflow.steps.Trainer]\ngpu = 1", "unknown key 'gpu'"),
    ],
)
def test_what_a_step_cannot_be_given_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        steps(tmp_path, text)


@pytest.mark.parametrize("name", ["Trainor", "Latest"])
def test_settings_of_a_step_that_is_not_there_or_runs_in_no_container_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name}: no step of this job has that name. Its steps are Trainer"):
        with_steps(hand_job(), steps(tmp_path, f"[kubeflow.steps.{name}]\ncpu = 1"))


def test_the_driver_is_ours_and_a_constant_is_an_input() -> None:
    made = with_constant(with_driver(hand_job()), ("Trainer", "Absent"), "schema_digest", "d")["pipelineSpec"]
    container = made["deploymentSpec"]["executors"]["Trainer_executor"]["container"]
    assert container["lifecycle"]["preCacheCheck"]["command"] == [
        *("python", "-m", "pipeline.kubeflow.entrypoint", "--driver")
    ]
    assert made["root"]["dag"]["tasks"]["Trainer"]["inputs"]["parameters"] == {
        "runtime_schema_digest": {"runtimeValue": {"constant": "d"}}
    }
