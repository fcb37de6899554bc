"""A real TFX pipeline of three trivial components, run through the real command line."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tiny_project

from pipeline.beam_args import local_beam_args
from pipeline.cli import main
from pipeline.processes import descendants

Project = tuple[Path, Path]  # a configuration and a root
Capture = pytest.CaptureFixture[str]

pytestmark = pytest.mark.beam

START_SECONDS = 180  # importing TFX from a cold disk on a shared machine


@pytest.fixture(autouse=True)
def tiny_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pipeline.definition", tiny_project.definition())


@pytest.fixture
def project(tmp_path: Path) -> Project:
    config = tiny_project.write_project(tmp_path)
    return config, tmp_path / "root"


def run(project: Project, *options: str) -> int:
    config, root = project
    return main(["run", str(config), "--root", str(root), *options])


def control(project: Project, what: str) -> None:
    project[0].with_name("control").write_text(what)


def states(text: str) -> dict[str, str]:
    """State by component, from lines such as "First done 0.1 s" and "Last not run"."""
    found = re.findall(r"^(First|Middle|Last) (done|cached|failed|stopped|not run)(?: [\d.]+ s)?$", text, re.MULTILINE)
    return dict(found)


def test_a_second_run_takes_every_component_from_the_cache(project: Project, capfd: Capture) -> None:
    assert run(project) == 0
    assert states(capfd.readouterr().out) == {"First": "done", "Middle": "done", "Last": "done"}
    assert run(project) == 0
    assert states(capfd.readouterr().out) == {"First": "cached", "Middle": "cached", "Last": "cached"}


def test_from_runs_a_component_and_those_below_it_again(project: Project, capfd: Capture) -> None:
    run(project)
    capfd.readouterr()
    assert run(project, "--from", "Middle") == 0
    assert states(capfd.readouterr().out) == {"First": "cached", "Middle": "done", "Last": "done"}


def test_beam_takes_the_runners_name() -> None:
    from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner
    from apache_beam.runners.runner import create_runner

    options = PipelineOptions(list(local_beam_args([])[0])).view_as(StandardOptions)
    assert type(create_runner(options.runner)) is FnApiRunner


def test_from_covers_all_descendants_and_nothing_else() -> None:
    from pipeline.node_runner import nodes_to_rerun

    below = {"A": ["B", "C"], "B": ["D"], "C": [], "D": [], "E": ["D"]}
    nodes = {name: SimpleNamespace(downstream_nodes=names) for name, names in below.items()}
    assert nodes_to_rerun(nodes, from_component="A") == {"A", "B", "C", "D"}
    assert nodes_to_rerun(nodes, from_component="E") == {"E", "D"}
    assert nodes_to_rerun(nodes) == set()
    assert nodes_to_rerun(nodes, use_cache=False) == set(nodes)


def test_no_cache_runs_everything_again(project: Project, capfd: Capture) -> None:
    run(project)
    capfd.readouterr()
    assert run(project, "--no-cache") == 0
    assert states(capfd.readouterr().out) == {"First": "done", "Middle": "done", "Last": "done"}


def test_changed_data_run_again(project: Project, capfd: Capture) -> None:
    run(project)
    project[0].with_name("data.csv").write_text("x,y\n1.5,0\n2.5,0\n")
    capfd.readouterr()
    assert run(project) == 0
    assert states(capfd.readouterr().out) == {"First": "done", "Middle": "done", "Last": "done"}


def test_an_unknown_component_is_one_line_with_the_names(project: Project, capfd: Capture) -> None:
    assert run(project, "--from", "Nobody") == 2
    error = capfd.readouterr().err
    assert error == "tfx-norm: --from Nobody: no such component. This pipeline has: First, Middle, Last.\n"


def test_a_failure_shows_its_own_error_first_and_what_has_not_run(project: Project, capfd: Capture) -> None:
    control(project, "fail")
    assert run(project) == 1
    shown = capfd.readouterr()
    assert states(shown.out) == {"First": "done", "Middle": "failed", "Last": "not run"}
    first, second, report, log = shown.err.splitlines()
    assert (first, second) == ("tfx-norm: Middle failed: RuntimeError: the middle is broken", "second line")
    assert report == f"Report: {project[1]}/report.html"
    assert "lost key" in Path(log.removeprefix("Log: ")).read_text()


def timeline_of(page: str) -> dict[str, str]:
    """State by component in a report's timeline."""
    part = page.partition('<table class="plain timeline">')[2].partition("</table>")[0]
    return dict(re.findall(r'<th scope="row">(\w+)</th>\s*<td><span class="tag \w+">([\w ]+)</span>', part))


def test_a_failed_run_has_a_report_with_its_message_and_what_has_not_run(project: Project) -> None:
    control(project, "fail")
    run(project)
    page = (project[1] / "report.html").read_text(encoding="utf-8")
    assert "Middle failed, nothing was pushed" in page
    assert "RuntimeError: the middle is broken\nsecond line</pre>" in page
    assert timeline_of(page) == {"First": "done", "Middle": "failed", "Last": "not run"}
    assert "First · text" in page and "/artifacts/First/text/1" in page


def test_the_verdict_of_a_check_that_stopped_a_run_is_in_its_report(project: Project) -> None:
    control(project, "check")
    assert run(project) == 1
    page = (project[1] / "report.html").read_text(encoding="utf-8")
    assert '<li class="bad"><span class="line"><strong>Audit</strong> <span class="state">1 fault</span>' in page
    assert "shard left out" in page and "rows are missing" in page


def test_the_newest_report_is_on_top_and_the_earlier_ones_are_kept(project: Project) -> None:
    for _ in range(2):
        run(project)
    page = (project[1] / "report.html").read_text(encoding="utf-8")
    assert timeline_of(page) == {"First": "cached", "Middle": "cached", "Last": "cached"}
    kept = [file.read_text(encoding="utf-8") for file in sorted((project[1] / "reports").iterdir())]
    assert [set(timeline_of(text).values()) for text in kept] == [{"done"}, {"cached"}]
    assert kept[-1] == page


def test_a_run_is_as_good_without_its_report(project: Project, capfd: Capture) -> None:
    project[1].mkdir()
    (project[1] / "reports").write_text("in the way")
    assert run(project, "--json") == 0
    shown = capfd.readouterr()
    table = json.loads(shown.out)
    assert table["report"] is None
    (line,) = [line for line in shown.err.splitlines() if "report" in line]
    assert line.startswith("tfx-norm: no report could be made: FileExistsError")
    assert "FileExistsError" in Path(table["log"]).read_text()


def test_after_a_failure_the_same_command_continues(project: Project, capfd: Capture) -> None:
    control(project, "fail")
    run(project)
    control(project, "")
    capfd.readouterr()
    assert run(project) == 0
    assert states(capfd.readouterr().out) == {"First": "cached", "Middle": "done", "Last": "done"}


def test_bad_input_found_by_a_component_is_one_line_and_status_2(project: Project, capfd: Capture) -> None:
    control(project, "bad input")
    assert run(project) == 2
    assert capfd.readouterr().err == "tfx-norm: data.csv, line 3: 'abc' is no number.\n"


def test_json_is_alone_on_standard_output(project: Project, capfd: Capture) -> None:
    assert run(project, "--json") == 0
    shown = capfd.readouterr()
    table = json.loads(shown.out)
    assert list(table["seconds"]) == ["First", "Middle", "Last"]
    assert table["model"] is None
    assert "<h1>" in Path(table["report"]).read_text(encoding="utf-8")
    assert "Last done" in shown.err
    # What a component prints is in the log and nowhere else.
    for chatter in ("Python says hello", "C++ says hello"):
        assert chatter in Path(table["log"]).read_text()
        assert chatter not in shown.out + shown.err


def test_a_component_without_its_inputs_is_a_failure(
    project: Project, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline import node_runner

    def without_inputs(pipeline: Any, name: str) -> Any:
        copy = node_runner_only_node(pipeline, name)
        if name == "Middle":  # as if First had never run: look for its output in a run that is not there
            for channel in copy.nodes[0].pipeline_node.inputs.inputs["before"].channels:
                for query in channel.context_queries:
                    if query.type.name == "pipeline_run":
                        query.name.field_value.string_value = "another run"
        return copy

    node_runner_only_node = node_runner.only_node
    monkeypatch.setattr(node_runner, "only_node", without_inputs)
    assert run(project) == 1
    shown = capfd.readouterr()
    assert shown.err.startswith("tfx-norm: Middle did not run: ")
    assert states(shown.out) == {"First": "done", "Middle": "failed", "Last": "not run"}


def test_ctrl_c_stops_cleanly_and_the_next_run_continues(project: Project, capfd: Capture) -> None:
    config, root = project
    control(project, "sleep")
    child = subprocess.Popen(
        [sys.executable, tiny_project.__file__, "run", str(config), "--root", str(root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )
    asleep = Path(f"{config.with_name('control')}.asleep")
    limit = time.monotonic() + START_SECONDS
    while not asleep.exists() and child.poll() is None and time.monotonic() < limit:
        time.sleep(0.1)
    # A second run meanwhile touches nothing and says who holds the root.
    logs = sorted((root / "logs").iterdir())
    assert run(project) == 2
    assert f"{root} is in use by process {child.pid} on " in capfd.readouterr().err
    assert sorted((root / "logs").iterdir()) == logs
    below = descendants(child.pid)
    assert below
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=30)
    assert child.returncode == 130
    assert states(out) == {"First": "done", "Middle": "stopped", "Last": "not run"}
    assert err == "tfx-norm: stopped; the same command continues with the finished components.\n"
    assert not [pid for pid in below if Path(f"/proc/{pid}").exists()]
    control(project, "")
    assert run(project) == 0
    assert states(capfd.readouterr().out) == {"First": "cached", "Middle": "done", "Last": "done"}
