"""What a container's entry point asks of TFX, with Vertex AI's manners and with Kubeflow's."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from components.errors import DataError
from pipeline.kubeflow import entrypoint

pytestmark = pytest.mark.beam

EXAMPLE_GEN = "components.example_gen.executor.Executor"
STATISTICS_GEN = "tfx.components.statistics_gen.executor.Executor"
SPEC = {
    "artifacts": {"model": {"artifactType": {"instanceSchema": "title: tfx.Model\n"}}},
    "parameters": {"input_base": {"parameterType": "STRING"}},
}
SAID = {"artifacts": {"examples": {"artifacts": [{"uri": "{uri}", "metadata": {"rows": 3.0, "nothing": None}}]}}}


class Tfx:
    """Stands in for TFX's command lines: keeps what they are asked, and answers as they do, with a file."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self.arguments: Sequence[str] = ()
        monkeypatch.setattr(entrypoint, "_call", self._call)

    def _call(self, module: str, arguments: Sequence[str]) -> None:
        self.asked.append(module.rpartition(".")[2])
        self.arguments = arguments
        given = json.loads(arguments[arguments.index("--json_serialized_invocation_args") + 1])
        (made,) = given["outputs"]["artifacts"]["examples"]["artifacts"]
        file = Path(given["outputs"]["outputFile"])
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(SAID).replace("{uri}", made["uri"]))


def arguments(executor: str, output_file: Path, uri: str, **values: Any) -> list[str]:
    given = {
        "inputs": {
            "parameterValues": values,
            "artifacts": {"model": {"artifacts": [{"uri": f"{uri}/model", "type": {"instanceSchema": ""}}]}},
        },
        "outputs": {
            "outputFile": str(output_file),
            "artifacts": {"examples": {"artifacts": [{"uri": f"{uri}/examples"}]}},
        },
    }
    return [
        *("--executor_class_path", executor, "--json_serialized_invocation_args", json.dumps(given)),
        *("--json_serialized_inputs_spec_args", json.dumps(SPEC), "--runner=FnApiRunner"),
    ]


@pytest.fixture
def tfx(monkeypatch: pytest.MonkeyPatch) -> Tfx:
    return Tfx(monkeypatch)


def test_on_kubeflow_types_and_paths_are_repaired_and_the_driver_runs_first(tfx: Tfx, tmp_path: Path) -> None:
    output_file = tmp_path / "minio" / "b" / "output.json"
    status = entrypoint.main(arguments(EXAMPLE_GEN, output_file, "minio://b", input_base="/data", x=1))
    assert (status, tfx.asked) == (0, ["driver", "kubeflow_v2_run_executor"])
    given = json.loads(tfx.arguments[3])
    assert given["inputs"]["artifacts"]["model"]["artifacts"] == [
        {"uri": "/minio/b/model", "type": SPEC["artifacts"]["model"]["artifactType"]}
    ]
    assert given["outputs"]["artifacts"]["examples"]["artifacts"][0]["uri"] == "/minio/b/examples"
    assert json.loads(output_file.read_text())["artifacts"]["examples"]["artifacts"] == [
        {"uri": "minio://b/examples", "metadata": {"rows": 3.0}}
    ]


def test_on_vertex_it_hands_on_what_it_was_given(tfx: Tfx, tmp_path: Path) -> None:
    output_file = tmp_path / "executor_output.json"
    output_file.write_text("{}")  # by the driver, which Vertex AI has run
    given = arguments(EXAMPLE_GEN, output_file, "gs://b", input_base="/data")
    typed = json.loads(given[3])
    typed["inputs"]["artifacts"]["model"]["artifacts"][0]["type"] = SPEC["artifacts"]["model"]["artifactType"]
    given[3] = json.dumps(typed)
    assert entrypoint.main(given) == 0
    assert tfx.asked == ["kubeflow_v2_run_executor"]
    assert json.loads(tfx.arguments[3]) == typed
    assert [*tfx.arguments[:3], *tfx.arguments[4:]] == [*given[:3], *given[4:]]
    assert json.loads(output_file.read_text()) == json.loads(json.dumps(SAID).replace("{uri}", "gs://b/examples"))


def test_only_an_example_gen_that_reads_files_has_a_driver(tfx: Tfx, tmp_path: Path) -> None:
    for number, (executor, values) in enumerate([(STATISTICS_GEN, {"input_base": "/d"}), (EXAMPLE_GEN, {"x": 1})]):
        entrypoint.main(arguments(executor, tmp_path / f"{number}.json", "minio://b", **values))
    assert tfx.asked == ["kubeflow_v2_run_executor"] * 2


def test_as_a_driver_it_runs_nothing_else(tfx: Tfx, tmp_path: Path) -> None:
    given = arguments(EXAMPLE_GEN, tmp_path / "o.json", "gs://b", input_base="/data")
    assert entrypoint.main(["--driver", *given]) == 0
    assert tfx.asked == ["driver"]


@pytest.mark.parametrize("first", [[], ["--driver"]])
def test_runtime_parameters_are_worked_in_and_taken_away(tfx: Tfx, tmp_path: Path, first: list[str]) -> None:
    values = {
        "input_base": "old",
        "input_config": '{"splits": [{"pattern": "*"}]}',
        "runtime_data_path": "gs://b/in/*.csv",
        "runtime_data_version": "7",
    }
    entrypoint.main([*first, *arguments(EXAMPLE_GEN, tmp_path / "o.json", "gs://b", **values)])
    seen = json.loads(tfx.arguments[tfx.arguments.index("--json_serialized_invocation_args") + 1])
    assert seen["inputs"]["parameterValues"] == {
        "input_base": "gs://b/in",
        "input_config": '{"splits": [{"pattern": "*.csv"}]}',
    }


def test_bad_input_is_one_line_and_status_2(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(module: str, arguments: Sequence[str]) -> None:
        raise RuntimeError("a wrapper") from DataError("line 3:\n 'abc' is no number")

    monkeypatch.setattr(entrypoint, "_call", fails)
    assert entrypoint.main(arguments(STATISTICS_GEN, tmp_path / "o.json", "gs://b")) == 2
    assert capsys.readouterr().err == "tfx-norm: line 3: 'abc' is no number\n"


def test_any_other_error_is_raised(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fails(module: str, arguments: Sequence[str]) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(entrypoint, "_call", fails)
    with pytest.raises(RuntimeError, match="broken"):
        entrypoint.main(arguments(STATISTICS_GEN, tmp_path / "o.json", "gs://b"))


def test_the_executor_reads_the_window_that_the_parameters_say() -> None:
    from tfx.utils import proto_utils

    from components.example_gen.custom_options import custom_config, options_of
    from components.example_gen.span_pattern import Window
    from components.example_gen.window import WindowOptions
    from pipeline.kubeflow.parameters import applied

    compiled = {
        "input_base": "gs://b",
        "input_config": '{"splits": [{"pattern": "day-*.csv"}]}',
        "custom_config": proto_utils.proto_to_json(custom_config(span_patterns=["day-{SPAN}.csv"], window=28)),
    }

    def window(**values: Any) -> WindowOptions:
        changed = applied(compiled, values, {})
        found = WindowOptions.of(options_of(changed), changed["input_base"])
        assert found is not None
        return found

    assert window(data_path="gs://c/in/{SPAN}.csv").patterns == ("gs://c/in/{SPAN}.csv",)
    assert window(window=3.0).window == Window(3)
    assert window(window=0.0, spans="1970-01-03,5").window == Window(0, 2, 5)
    cache = window(cache_dir="gs://b/cache").cache
    assert cache is not None
    assert cache.folder == "gs://b/cache"


def test_a_threshold_is_the_evaluations(tmp_path: Path) -> None:
    from tfx.utils import proto_utils

    from components.feature_plan import Feature
    from pipeline.config import Threshold
    from pipeline.evaluator_config import eval_config
    from pipeline.kubeflow.parameters import applied

    label = Feature("y", "label", "int64", (), True)

    def config(*thresholds: Threshold) -> Any:
        return proto_utils.proto_to_json(eval_config("regression", label, thresholds))

    before = config(Threshold("mae", max=2.0, max_drop=0.5), Threshold("rmse", max=9.0))
    changed = applied({"eval_config": before}, {"threshold_mae_max": 1.5, "threshold_mae_max_drop": 0.25}, {})
    expected = config(Threshold("mae", max=1.5, max_drop=0.25), Threshold("rmse", max=9.0))
    assert json.loads(changed["eval_config"]) == json.loads(expected)
