"""Jobs written by hand, executed: what a container is given and what becomes of what it makes, on each backend."""

import json
from pathlib import Path
from typing import Any

import pytest
from hand_jobs import TEXT, add, container, job

from components.errors import ConfigError, DataError
from pipeline.kubeflow.rehearsal.backend import Backend, Mode
from pipeline.kubeflow.rehearsal.command import CommandError, Commands, prefix_of
from pipeline.kubeflow.rehearsal.container import Containers, Result
from pipeline.kubeflow.rehearsal.dag import Dag, TaskError, task_names
from pipeline.kubeflow.rehearsal.records import Records

BOTH = pytest.mark.parametrize("mode", ["vertex", "kfp"])
HELLO = {"executor": container("write('text', 'hello')"), "outputs": ["text"]}


class Seen:
    """What became of each task, in order."""

    def __init__(self) -> None:
        self.results: dict[str, Result] = {}

    def running(self, name: str) -> None: ...

    def finished(self, name: str, result: Result, seconds: float) -> None:
        self.results[name] = result

    @property
    def states(self) -> dict[str, str]:
        return {name: result.state for name, result in self.results.items()}


class Machine:
    """One backend in a folder, for several jobs one after the other."""

    def __init__(self, folder: Path, mode: Mode) -> None:
        self.backend = Backend(mode, folder / mode)
        self.logs = folder / "logs"
        self.jobs = 0

    def run(self, job: dict[str, Any], **values: Any) -> Seen:
        self.jobs += 1
        seen = Seen()
        self.backend.root.mkdir(parents=True, exist_ok=True)
        records = Records(self.backend.root / "records.json")
        commands = Commands(self.logs, {})
        containers = Containers(self.backend, commands, records, "by-hand", f"job{self.jobs}")
        try:
            Dag(job["pipelineSpec"], containers, seen).run(values)
        except TaskError as error:
            seen.error = error  # type: ignore[attr-defined]
        return seen

    def text(self, seen: Seen, task: str, key: str = "text") -> str:
        return Path(self.backend.stored(seen.results[task].artifacts[key][0]["uri"])).read_text()


@pytest.fixture
def machine(tmp_path: Path, mode: Mode) -> Machine:
    return Machine(tmp_path, mode)


@BOTH
def test_a_task_reads_what_the_one_before_wrote(machine: Machine) -> None:
    last = {"executor": container("write('text', read('a') + '!')"), "inputs": {"a": "First.text"}, "outputs": ["text"]}
    seen = machine.run(job({"Last": last, "First": HELLO}))
    assert seen.states == {"First": "done", "Last": "done"}
    assert machine.text(seen, "Last") == "hello!"


@BOTH
def test_the_same_job_again_comes_from_the_cache_and_a_changed_task_takes_those_below_it_with_it(
    machine: Machine,
) -> None:
    last = {"executor": container("write('text', read('a') + '!')"), "inputs": {"a": "First.text"}, "outputs": ["text"]}
    machine.run(job({"First": HELLO, "Last": last}))
    again = machine.run(job({"First": HELLO, "Last": last}))
    assert again.states == {"First": "cached", "Last": "cached"}
    assert machine.text(again, "Last") == "hello!"
    other = {**HELLO, "executor": container("write('text', 'bye')")}
    changed = machine.run(job({"First": other, "Last": last}))
    assert changed.states == {"First": "done", "Last": "done"}
    assert machine.text(changed, "Last") == "bye!"


@BOTH
def test_a_task_without_caching_always_runs(machine: Machine) -> None:
    never = {**HELLO, "cachingOptions": {}}
    machine.run(job({"First": never}))
    assert machine.run(job({"First": never})).states == {"First": "done"}


def test_kubeflow_loses_the_types_of_inputs_and_the_files_of_a_pod(tmp_path: Path) -> None:
    look = "said['parameterValues']['type'] = artifact('inputs', 'a')['type']['instanceSchema']\n"
    look += "said['parameterValues']['uri'] = artifact('inputs', 'a')['uri']\nopen(local('minio://x'), 'w')"
    last = {
        "executor": container(look),
        "inputs": {"a": "First.text"},
        "output_parameters": {"type": {"parameterType": "STRING"}, "uri": {"parameterType": "STRING"}},
    }
    machine = Machine(tmp_path, "kfp")
    seen = machine.run(job({"First": HELLO, "Last": last}))
    assert seen.results["Last"].parameters["type"] == ""
    assert str(seen.results["Last"].parameters["uri"]).startswith("minio://")
    assert not machine.backend.mount.exists()


DRIVER = """
said["parameterValues"]["fingerprint"] = open(values["path"]).read()
said["artifacts"]["text"]["artifacts"][0]["metadata"]["span"] = 7
"""


def test_vertex_asks_the_driver_before_its_cache_and_kubeflow_does_not(tmp_path: Path) -> None:
    data = tmp_path / "data"
    hook = container(DRIVER)
    reader = {
        "executor": container(
            "write('text', open(values['path']).read())",
            lifecycle={"preCacheCheck": {"command": hook["command"]}},
        ),
        "outputs": ["text"],
        "parameters": {"path": {"runtimeValue": {"constant": str(data)}}},
    }
    states = {}
    for mode in ("vertex", "kfp"):
        machine = Machine(tmp_path, mode)  # type: ignore[arg-type]
        data.write_text("old")
        machine.run(job({"Reader": reader}))
        unchanged = machine.run(job({"Reader": reader}))
        data.write_text("new")
        changed = machine.run(job({"Reader": reader}))
        states[mode] = (unchanged.states["Reader"], changed.states["Reader"], machine.text(changed, "Reader"))
        if mode == "vertex":
            assert changed.results["Reader"].artifacts["text"][0]["metadata"] == {"span": 7}
    assert states == {"vertex": ("cached", "done", "new"), "kfp": ("cached", "cached", "old")}


@BOTH
def test_every_placeholder(machine: Machine) -> None:
    arguments = [
        "{{$.inputs.parameters['word']}}",
        "{{$.inputs.parameters['number']}}",
        "{{$.inputs.artifacts['a'].uri}}",
        "{{$.inputs.artifacts['a'].path}}",
        "{{$.inputs.artifacts['a'].value}}",
        "{{$.inputs.artifacts['a'].metadata['kind']}}",
        "{{$.outputs.artifacts['text'].uri}}",
        "{{$.outputs.parameters['count'].output_file}}",
    ]
    code = """
import json, os, sys
word, number, uri, path, value, kind, out, count = sys.argv[1:]
assert open(path).read() == value == 'hello', value
open(count, 'w').write('6')
assert [word, number, kind] == ['w x', '3', 'greeting'], sys.argv
"""
    first = {
        "executor": container("write('text', 'hello'); artifact('outputs', 'text')['metadata']['kind'] = 'greeting'"),
        "outputs": ["text"],
    }
    last = {
        "executor": {"image": "i", "command": ["python", "-c", code], "args": arguments},
        "inputs": {"a": "First.text"},
        "outputs": ["text"],
        "output_parameters": {"count": {"parameterType": "NUMBER_INTEGER"}},
        "parameters": {"word": {"runtimeValue": {"constant": "w x"}}, "number": {"runtimeValue": {"constant": 3.0}}},
        "types": {"number": {"parameterType": "NUMBER_INTEGER"}},
    }
    seen = machine.run(job({"First": first, "Last": last}))
    assert seen.states["Last"] == "done", seen.error  # type: ignore[attr-defined]
    assert seen.results["Last"].parameters == {"count": 6}


@BOTH
def test_an_output_parameter_is_the_next_tasks_input(machine: Machine) -> None:
    first = {
        "executor": container("said['parameterValues']['n'] = 5.0"),
        "output_parameters": {"n": {"parameterType": "NUMBER_INTEGER"}},
    }
    last = {
        "executor": container("write('text', repr(values['m']))"),
        "outputs": ["text"],
        "parameters": {"m": {"taskOutputParameter": {"producerTask": "First", "outputParameterKey": "n"}}},
        "types": {"m": {"parameterType": "NUMBER_INTEGER"}},
    }
    seen = machine.run(job({"First": first, "Last": last}))
    assert machine.text(seen, "Last") == "5"


@BOTH
def test_a_jobs_parameter_reaches_the_task(machine: Machine) -> None:
    task = {
        "executor": container("write('text', values['x'])"),
        "outputs": ["text"],
        "parameters": {"x": {"componentInputParameter": "word"}},
    }
    seen = machine.run(job({"T": task}, {"word": {"parameterType": "STRING"}}), word="w")
    assert machine.text(seen, "T") == "w"


@BOTH
def test_a_condition_that_does_not_hold_skips_the_task_and_those_below_it(machine: Machine) -> None:
    first = {
        "executor": container("write('text', 'x'); artifact('outputs', 'text')['metadata']['blessed'] = 0.0"),
        "outputs": ["text"],
    }
    condition = "!((inputs.artifacts['a'].artifacts[0].metadata['blessed'] == {}))"
    middle = {**HELLO, "inputs": {"a": "First.text"}}
    skipped = {**middle, "triggerPolicy": {"condition": condition.format("0.0")}}
    taken = {**middle, "triggerPolicy": {"condition": condition.format("1.0")}}
    below = {**HELLO, "inputs": {"a": "Skipped.text"}}
    seen = machine.run(job({"First": first, "Skipped": skipped, "Taken": taken, "Under": below}))
    assert seen.states == {"First": "done", "Skipped": "skipped", "Taken": "done", "Under": "skipped"}


def with_exit_handler(body: str) -> dict[str, Any]:
    made = job({})
    spec = made["pipelineSpec"]
    tasks: dict[str, Any] = {}
    add(spec, tasks, "Work", {"executor": container(body)})
    add(spec, tasks, "After", {"executor": container(""), "dependentTasks": ["Work"]})
    spec["components"]["inner"] = {"dag": {"tasks": tasks}}
    root = spec["root"]["dag"]["tasks"]
    root["inner"] = {"componentRef": {"name": "inner"}}
    at_end = {
        "executor": container("write('text', values['status'])"),
        "outputs": ["text"],
        "parameters": {"status": {"taskFinalStatus": {"producerTask": "inner"}}},
        "dependentTasks": ["inner"],
        "triggerPolicy": {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"},
        "cachingOptions": {},
    }
    add(spec, root, "AtTheEnd", at_end)
    return made


@pytest.mark.parametrize(("body", "state"), [("", "SUCCEEDED"), ("raise ValueError('broken')", "FAILED")])
@BOTH
def test_the_exit_handler_runs_however_the_others_ended(machine: Machine, body: str, state: str) -> None:
    made = with_exit_handler(body)
    assert task_names(made["pipelineSpec"]) == ["inner/Work", "inner/After", "AtTheEnd"]
    seen = machine.run(made)
    assert json.loads(machine.text(seen, "AtTheEnd"))["state"] == state
    assert ("inner/After" in seen.states) == (state == "SUCCEEDED")
    assert hasattr(seen, "error") == (state == "FAILED")


RESOLVER = {
    "executor": {
        "resolver": {"outputArtifactQueries": {"found": {"filter": 'schema_title="tfx.String" AND state=LIVE'}}}
    },
    "outputs": ["found"],
}


def test_vertex_resolves_the_newest_artifact_of_earlier_jobs_and_kubeflow_refuses(tmp_path: Path) -> None:
    reader = {
        "executor": container("write('text', str(len(given['inputs']['artifacts']['a']['artifacts'])))"),
        "inputs": {"a": "Latest.found"},
        "outputs": ["text"],
    }
    vertex = Machine(tmp_path, "vertex")
    nothing = vertex.run(job({"Latest": RESOLVER, "Reader": reader}))
    assert vertex.text(nothing, "Reader") == "0"
    first = vertex.run(job({"First": HELLO}))
    later = vertex.run(job({"Latest": RESOLVER}))
    assert later.results["Latest"].artifacts["found"][0]["uri"] == first.results["First"].artifacts["text"][0]["uri"]
    refused = Machine(tmp_path, "kfp").run(job({"Latest": RESOLVER}))
    assert "runs no resolver" in str(refused.error)  # type: ignore[attr-defined]


@BOTH
def test_an_importer_names_an_artifact_once(machine: Machine) -> None:
    importer = {
        "executor": {"importer": {"artifactUri": {"constant": "gs://b/model"}, "typeSchema": TEXT["artifactType"]}},
        "outputs": ["model"],
    }
    first, second = (machine.run(job({"Import": importer})).results["Import"].artifacts["model"][0] for _ in range(2))
    assert first == second
    assert first["uri"] == "gs://b/model"


def test_a_step_sees_a_clean_environment_and_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    body = "write('text', json.dumps([sorted(os.environ), os.listdir('.')]))"
    machine = Machine(tmp_path, "vertex")
    seen = machine.run(
        job({"T": {"executor": container(body, env=[{"name": "OWN", "value": "1"}]), "outputs": ["text"]}})
    )
    names, files = json.loads(machine.text(seen, "T"))
    assert set(names) - {"LC_CTYPE"} == {"PATH", "HOME", "TMPDIR", "LANG", "OWN"}
    assert files == []


def test_the_prefix_runs_the_command_with_the_steps_environment_alone(tmp_path: Path) -> None:
    commands = Commands(tmp_path, {"A": "1"}, "sh -c 'echo in {image}; exec \"$@\"' --")
    commands.run("step", ["sh", "-c", "echo $A $B"], "reg/im:2", {"B": "2"})
    assert (tmp_path / "step.log").read_text() == "in reg/im:2\n1 2\n"


def test_a_prefix_is_found_from_the_folder_where_it_was_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in-image.sh").write_text('#!/bin/sh\nexec "$@"\n')
    (tmp_path / "in-image.sh").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    Commands(tmp_path, {}, "./in-image.sh").run("step", ["echo", "hello"], "i", {})
    assert (tmp_path / "step.log").read_text() == "hello\n"


def test_a_failed_command_says_its_own_error(tmp_path: Path) -> None:
    commands = Commands(tmp_path, {})
    with pytest.raises(CommandError, match=r"^ZeroDivisionError: division by zero$"):
        commands.run("a", ["python", "-c", "1/0"], "", {})
    bad = "import sys; print('tfx-norm: no such file', file=sys.stderr); sys.exit(2)"
    with pytest.raises(CommandError, match=r"^no such file$"):
        commands.run("b", ["python", "-c", bad], "", {})
    with pytest.raises(CommandError, match=r"exit status 3: it said nothing"):
        commands.run("c", ["python", "-c", "raise SystemExit(3)"], "", {})


@BOTH
def test_a_failed_step_is_tried_again_as_often_as_the_job_says(machine: Machine, tmp_path: Path) -> None:
    count = tmp_path / "count"
    count.write_text("")
    body = f"""
with open({str(count)!r}, "a") as file:
    file.write("x")
assert len(open({str(count)!r}).read()) == 3, "not yet"
"""
    twice = {"executor": container(body), "retryPolicy": {"maxRetryCount": 2}}
    assert machine.run(job({"T": twice})).states == {"T": "done"}
    count.write_text("")
    once = {"executor": container(body), "retryPolicy": {"maxRetryCount": 1}, "cachingOptions": {}}
    assert machine.run(job({"T": once})).states == {"T": "failed"}


@BOTH
def test_nothing_begins_after_a_failure(machine: Machine) -> None:
    seen = machine.run(job({"A": {"executor": container("raise ValueError('broken')")}, "B": HELLO}))
    assert seen.states == {"A": "failed"}
    assert str(seen.error) == "A: ValueError: broken"  # type: ignore[attr-defined]


@BOTH
def test_an_argument_beyond_what_linux_passes_on_is_refused(machine: Machine) -> None:
    task = {"executor": {"image": "i", "command": ["true", "x" * 128 * 1024]}}
    assert "131,072 bytes" in str(machine.run(job({"T": task})).error)  # type: ignore[attr-defined]


def test_tasks_that_wait_for_each_other_are_named() -> None:
    tasks = {"A": {**HELLO, "dependentTasks": ["B"]}, "B": {**HELLO, "dependentTasks": ["A", "C"]}}
    with pytest.raises(DataError, match="A for B; B for A, C"):
        task_names(job(tasks)["pipelineSpec"])


@pytest.mark.parametrize("text", ['{"artifacts": [', '{"artifacts": []}', "[]"])
def test_damaged_records_are_named_and_stay_as_they_are(tmp_path: Path, text: str) -> None:
    file = tmp_path / "records.json"
    file.write_text(text)
    with pytest.raises(DataError, match=r"records\.json is damaged.* Delete it"):
        Records(file)
    assert file.read_text() == text


@pytest.mark.parametrize("text", ["docker run '{image}", " "])
def test_a_prefix_that_is_no_command_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--exec-prefix must be a command as in a shell"):
        prefix_of(text)
    assert prefix_of("") == []
