"""What a job may name: places that every step reaches, code that the image has; and what Kubeflow does to URIs."""

import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest

import schemas
from components.errors import ConfigError, DataError
from pipeline.cli import main
from pipeline.config import KubeflowSection, PipelineConfig, load_config
from pipeline.kubeflow import defaults, support
from pipeline.kubeflow.compilation import with_beam_args, without_the_model_before
from pipeline.kubeflow.data_version import data_version, with_data_version
from pipeline.kubeflow.files import as_yaml, read_job, write_files
from pipeline.kubeflow.model_function import check_function
from pipeline.kubeflow.open_source import localized, restored
from pipeline.kubeflow.rehearsal.rehearse import values_for_here
from pipeline.kubeflow.support import require_kubeflow

FLIGHTS = Path(__file__).parents[2] / "pipeline" / "flights_small.toml"


def test_other_pythons_are_refused_with_the_reason() -> None:
    for version in ((3, 10), (3, 11)):
        require_kubeflow(version)
    with pytest.raises(ConfigError, match=r"Python 3\.10 or 3\.11, for which tfx\[kfp\] exists, but this is .* 3\.12"):
        require_kubeflow((3, 12))


@pytest.mark.parametrize("verb", [["compile", "c.toml", "--out", "o", "--image", "i"], ["rehearse", "j.json"]])
def test_the_verbs_end_with_status_2_on_other_pythons(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], verb: list[str]
) -> None:
    monkeypatch.setattr(support, "PYTHONS", ())
    assert main(verb) == 2
    assert "needs Python 3.10 or 3.11" in capsys.readouterr().err


def test_workers_elsewhere_run_the_jobs_image() -> None:
    def arguments(*asked: str) -> tuple[str, ...]:
        config = load_config(FLIGHTS)
        beam = dataclasses.replace(config.beam, args=asked)
        return with_beam_args(dataclasses.replace(config, beam=beam), "an/image:1")[0].beam.args

    assert "--sdk_container_image=an/image:1" not in arguments()
    assert arguments("--runner=DataflowRunner", "--region=r") == (
        "--runner=DataflowRunner",
        "--region=r",
        "--sdk_container_image=an/image:1",
    )
    assert arguments("--runner=FlinkRunner", "--sdk_container_image=own")[1:] == ("--sdk_container_image=own",)


def test_without_a_resolver_what_compares_with_the_model_before_is_left_out_and_named() -> None:
    config = load_config(FLIGHTS)
    alone, note = without_the_model_before(config)
    assert [(t.metric, t.min, t.max_drop) for t in alone.evaluation.thresholds] == [("auc", 0.8, None)]
    assert note is not None
    assert "without the threshold max_drop of auc and a baseline for DriftGate" in note
    silent = dataclasses.replace(alone, drift=dataclasses.replace(config.drift, baseline="gs://b/model"))
    assert without_the_model_before(silent) == (silent, None)


def config_at(folder: Path, **data: str) -> PipelineConfig:
    keys = {"path": "x.csv", "schema": "s.pbtxt", **data}
    lines = "\n".join(f'{key} = "{value}"' for key, value in keys.items())
    file = folder / "c.toml"
    file.write_text(f'[pipeline]\nname = "p"\ntask = "binary"\n[data]\n{lines}\n')
    return load_config(file)


def test_a_bundled_data_set_and_a_packaged_schema_are_everywhere() -> None:
    config = load_config(FLIGHTS)
    assert defaults.data_place(config, {}) == "bundled:flights_small"
    installed = str(Path(str(schemas.__file__)).parent / "flights.pbtxt")
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, schema=installed))
    assert defaults.schema_place(config, {}) == "package:schemas/flights.pbtxt"


def test_a_path_of_this_machine_is_refused_unless_it_is_said_where_the_steps_find_it(tmp_path: Path) -> None:
    config = config_at(tmp_path)
    with pytest.raises(ConfigError, match=r"a path that only this machine has.*--param data_path="):
        defaults.data_place(config, {})
    with pytest.raises(ConfigError, match=r"a path that only this machine has.*--param schema="):
        defaults.schema_place(config, {})
    with pytest.raises(ConfigError, match=r"--param data_path=.*--param schema="):
        defaults.input_places(config, {})
    assert defaults.data_place(config, {"data_path": "/mnt/x.csv"}) == "/mnt/x.csv"
    assert defaults.schema_place(config, {"schema": "/mnt/s.pbtxt"}) == "/mnt/s.pbtxt"
    with pytest.raises(ConfigError, match="must be a URI or an absolute path"):
        defaults.data_place(config, {"data_path": "x.csv"})
    told = dataclasses.replace(config, kubeflow=KubeflowSection(data="/mnt/x.csv", schema="package:mine/s.pbtxt"))
    assert (defaults.data_place(told, {}), defaults.schema_place(told, {})) == ("/mnt/x.csv", "package:mine/s.pbtxt")
    remote = config_at(tmp_path, path="gs://b/*.csv", schema="gs://b/s.pbtxt")
    assert (defaults.data_place(remote, {}), defaults.schema_place(remote, {})) == ("gs://b/*.csv", "gs://b/s.pbtxt")


@pytest.mark.parametrize("section", ["trainer", "cache", "kubeflow"])
def test_whatever_else_is_named_must_be_a_uri(section: str) -> None:
    key = {"trainer": "checkpoint_dir", "cache": "dir", "kubeflow": "serving"}[section]
    config = load_config(FLIGHTS)
    for place, refused in (("gs://b/f", False), ("", False), ("/home/me/f", True)):
        changed = dataclasses.replace(
            config, **{section: dataclasses.replace(getattr(config, section), **{key: place})}
        )
        if not refused:
            defaults.check_places(changed)
            continue
        with pytest.raises(ConfigError, match=rf"{section}\.{key} = '/home/me/f' is a path of this machine"):
            defaults.check_places(changed)


def test_a_model_must_be_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mymodel.py").write_text("def build(spec): ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match="must be importable in the image, but 'mymodel' is installed nowhere"):
        defaults.check_model("mymodel:build", str(tmp_path / "config.toml"))
    elsewhere = tmp_path / "elsewhere"
    assert len(defaults.check_model("mymodel:build", str(elsewhere / "config.toml"))) == 64
    assert len(defaults.check_model("components.trainer.model:build_model", str(tmp_path / "config.toml"))) == 64


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("def build(spec): ...\n", True),
        ("from json import loads as build\n", True),
        ("if True:\n    build = dict\n", True),
        ("from json import *\n", True),  # may have it: nothing is executed to see
        ("def other():\n    build = 1\nprint(other)\n", False),
        ("raise RuntimeError('executed')\n", False),
    ],
)
def test_the_function_of_a_model_must_be_in_its_module(
    source: str, found: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "onemodel.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    if found:
        check_function("onemodel:build")
        return
    with pytest.raises(ConfigError, match="the module 'onemodel' has no function 'build'"):
        defaults.check_model("onemodel:build", str(tmp_path / "elsewhere" / "config.toml"))


def test_a_module_that_is_no_python_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nopython.py").write_text("def build(:\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match="the source of 'nopython' cannot be read"):
        check_function("nopython:build")


@pytest.mark.parametrize("image", ["", " a", "a b"])
def test_what_is_no_image_is_refused(image: str) -> None:
    with pytest.raises(ConfigError, match="--image"):
        defaults.image_name(image)


def executor_input(scheme: str) -> dict[str, Any]:
    def artifacts(key: str, kind: str) -> dict[str, Any]:
        return {key: {"artifacts": [{"uri": f"{scheme}b/{key}", "type": {"instanceSchema": kind}}]}}

    return {"inputs": {"artifacts": artifacts("model", "")}, "outputs": {"artifacts": artifacts("text", "title: t.T")}}


SPEC = {"artifacts": {"model": {"artifactType": {"instanceSchema": "title: tfx.Model"}}}}


def test_kubeflows_uris_become_the_launchers_folders_and_come_back() -> None:
    for scheme, folder in (("minio://", "/minio/"), ("s3://", "/s3/")):
        local, remote = localized(executor_input(scheme), SPEC)
        (model,) = local["inputs"]["artifacts"]["model"]["artifacts"]
        (text,) = local["outputs"]["artifacts"]["text"]["artifacts"]
        assert (model["uri"], text["uri"]) == (f"{folder}b/model", f"{folder}b/text")
        assert model["type"] == {"instanceSchema": "title: tfx.Model"}
        said = {
            "artifacts": {
                "text": {
                    "artifacts": [
                        {
                            "uri": text["uri"],
                            "metadata": {"at": f"{text['uri']}/1", "none": None, "n": 1, "s": "/minio"},
                        }
                    ]
                }
            }
        }
        (back,) = restored(said, remote)["artifacts"]["text"]["artifacts"]
        assert back == {"uri": f"{scheme}b/text", "metadata": {"at": f"{scheme}b/text/1", "n": 1, "s": "/minio"}}


@pytest.mark.parametrize("scheme", ["gs://", "/data/"])
def test_on_vertex_nothing_changes(scheme: str) -> None:
    given = executor_input(scheme)
    given["inputs"]["artifacts"]["model"]["artifacts"][0]["type"] = SPEC["artifacts"]["model"]["artifactType"]
    assert localized(given, SPEC) == (given, {})


def test_a_version_of_data_follows_their_bytes(tmp_path: Path) -> None:
    file = tmp_path / "day-1.csv"
    file.write_text("a\n1\n")
    first = data_version(f"{tmp_path}/day-{{SPAN}}.csv")
    os.utime(file, (0, 0))
    assert data_version(f"{tmp_path}/*.csv") == first
    file.write_text("a\n2\n")
    assert data_version(str(file)) != first
    (tmp_path / "images" / "cat").mkdir(parents=True)
    (tmp_path / "images" / "cat" / "1.png").write_bytes(b"1")
    image = data_version(f"{tmp_path}/images")
    assert image == data_version(f"{tmp_path}/images")
    (tmp_path / "images" / "cat" / "1.png").write_bytes(b"2")
    assert data_version(f"{tmp_path}/images") != image
    unseen = data_version(f"{tmp_path}/nothing.csv")
    assert unseen != data_version(f"{tmp_path}/nothing.csv")
    assert data_version("bundled:flights") == data_version("bundled:flights")


def test_a_version_that_was_given_stays(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("a\n")
    values = {"data_version": "", "data_path": str(file)}
    assert with_data_version(values, {})["data_version"] == data_version(str(file))
    assert with_data_version(values, {"data_version": ""})["data_version"] == ""
    assert with_data_version({**values, "data_version": "7"}, {})["data_version"] == "7"
    assert with_data_version({"data_path": "x"}, {}) == {"data_path": "x"}


def test_a_rehearsal_writes_nothing_where_the_job_would(tmp_path: Path) -> None:
    values = {"serving_dir": "gs://b/serving", "checkpoint_dir": "", "cache_dir": "gs://b/c", "epochs": 1}
    here = values_for_here(values, {"cache_dir": "gs://b/c"}, tmp_path)
    assert here == {**values, "serving_dir": f"{tmp_path}/serving"}


def test_a_relative_path_is_one_of_the_folder_where_it_was_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for path, expected in (("in/x.csv", f"{tmp_path}/in/x.csv"), ("/in/x.csv", "/in/x.csv"), ("gs://b/x", "gs://b/x")):
        assert values_for_here({"data_path": path}, {"data_path": path}, tmp_path) == {"data_path": expected}
    assert values_for_here({"data_path": "bundled:flights"}, {}, tmp_path) == {"data_path": "bundled:flights"}


def test_both_forms_of_a_job_are_read_and_anything_else_is_refused(tmp_path: Path) -> None:
    spec = {
        "pipelineInfo": {"name": "p"},
        "root": {"inputDefinitions": {"parameters": {"n": {"parameterType": "NUMBER_INTEGER", "defaultValue": 5}}}},
        "components": {},
        "deploymentSpec": {},
    }
    text = as_yaml({"pipelineSpec": spec})
    assert text.startswith("# PIPELINE DEFINITION\n# Name: p\n# Inputs:\n#    n: int [Default: 5]\n")
    write_files(tmp_path / "new" / "out", {"p.yaml": text})
    assert [file.name for file in (tmp_path / "new" / "out").iterdir()] == ["p.yaml"]
    assert read_job(tmp_path / "new" / "out" / "p.yaml") == {"pipelineSpec": spec}
    (tmp_path / "x.json").write_text("{}")
    for name, message in (("x.json", "no compiled job"), ("absent.json", "Cannot read the job")):
        with pytest.raises(DataError, match=message):
            read_job(tmp_path / name)
