"""What the checks and the report add to a run: the same configuration with and without them, by component.

Each run is a process of its own, with a folder of its own, and the two take turns; medians are shown. A run without has
neither ConstantsAudit, DriftGate, ParityCheck and the report nor the Trainer's look at what it was fed. Of a component
the wall seconds are the orchestrator's; CPU seconds are user and system of all threads and child processes.
"""

import argparse
import dataclasses
import json
import os
import platform
import re
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from peers.children import CHILD, answer_of  # noqa: E402

CHECKS = ("ConstantsAudit", "DriftGate", "ParityCheck")
REPORT = "report"
CONFIG = ROOT / "pipeline" / "flights.toml"
PAGE = ROOT / "docs" / "checks.md"
BEGIN, END = "<!-- written by benchmarks/checks.py -->", "<!-- end of what it wrote -->"
MOST_SHARE = 0.2

Seconds = dict[str, dict[str, float]]  # by component: wall and cpu


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints, and with ``--write`` renews the block in docs/checks.md; 1 if the checks add too much."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if words[:1] == [CHILD]:
        print(json.dumps(run(words[1], Path(words[2]), words[3] == "with")))
        return 0
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default=str(CONFIG), help="what to run; default pipeline/flights.toml")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each kind; the medians are shown")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--write", action="store_true", help=f"write the block in {PAGE.relative_to(ROOT)}")
    options = parser.parse_args(words)
    report = {
        "config": os.path.relpath(options.config, ROOT),
        "repeats": options.repeats,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **measured(options.config, options.repeats),
    }
    if options.write:
        PAGE.write_text(with_block(PAGE.read_text(encoding="utf-8"), as_block(report)), encoding="utf-8")
    print(json.dumps(report, indent=2) if options.json else as_block(report))
    return int(report["ratios"]["added_over_rest"] > MOST_SHARE)


def measured(config: str, repeats: int) -> dict[str, Any]:
    """Medians by kind of run and component, and the ratios."""
    runs: dict[str, list[Seconds]] = {"with": [], "without": []}
    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(repeats):
            for kind in ("with", "without") if repeat % 2 else ("without", "with"):
                found = answer_of(__file__, [config, str(Path(folder, f"{kind}-{repeat}")), kind])
                runs[kind].append({name: of for name, of in found.items() if isinstance(of, dict)})
                print(f"{kind}: {found['run']['wall']:.1f} s", file=sys.stderr, flush=True)
    figures = {
        kind: {
            name: {key: statistics.median(one[name][key] for one in found) for key in ("wall", "cpu")}
            for name in found[0]
        }
        for kind, found in runs.items()
    }
    of = figures["with"]
    return {"figures": figures, "ratios": ratios(of, figures["without"]["run"])}


def ratios(of: Mapping[str, Mapping[str, float]], without: Mapping[str, float]) -> dict[str, float]:
    """What the checks add.

    ``added_over_rest``: wall time of the checks and the report over that of everything else in the same run, which no
    other run's noise enters. ``with_over_without``: whole runs, the look at what was fed included.
    """
    added = {key: sum(of[name][key] for name in (*CHECKS, REPORT)) for key in ("wall", "cpu")}
    return {
        "added_over_rest": added["wall"] / (of["run"]["wall"] - added["wall"]),
        "added_over_rest_cpu": added["cpu"] / (of["run"]["cpu"] - added["cpu"]),
        "with_over_without": of["run"]["wall"] / without["wall"],
        "with_over_without_cpu": of["run"]["cpu"] / without["cpu"],
    }


def as_block(report: Mapping[str, Any]) -> str:
    """Markdown."""
    of, without = report["figures"]["with"], report["figures"]["without"]
    added, added_cpu, whole, whole_cpu = report["ratios"].values()
    command = f"python benchmarks/checks.py --config {report['config']} --repeats {report['repeats']} --write"
    lines = [
        f"`{command}`: medians; {report['cores']} cores, Python {report['python']}.",
        "",
        "| component | wall s | CPU s | wall s, run without checks | CPU s |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, one in of.items():
        other = [f"{without[name][key]:.1f}" if name in without else "" for key in ("wall", "cpu")]
        lines.append(f"| {name} | {one['wall']:.1f} | {one['cpu']:.1f} | {' | '.join(other)} |")
    lines += [
        "",
        f"The checks and the report take {added:.1%} of the wall time of everything else, imports included",
        f"({added_cpu:.1%} of the CPU time). The whole run takes {whole:.2f} times as long as the one without checks",
        f"({whole_cpu:.2f} by CPU time).",
    ]
    return "\n".join(lines)


def with_block(page: str, block: str) -> str:
    """The page with another block between the marks; exits where it has none."""
    changed, count = re.subn(f"{BEGIN}.*?{END}", lambda _: f"{BEGIN}\n{block}\n{END}", page, flags=re.DOTALL)
    if count != 1:
        raise SystemExit(f"{PAGE} must have the marks {BEGIN} and {END} once; it has them {count} times.")
    return changed


def cpu_seconds() -> float:
    """Of this process and its ended children, so far."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


class Meter:
    """A display of a run (``pipeline.progress.Display``) that only measures."""

    def __init__(self) -> None:
        """See the class."""
        self.found: Seconds = {}
        self._before = 0.0

    def note(self, text: str) -> None:
        """Says nothing."""

    def start(self, names: Sequence[str]) -> None:
        """Says nothing."""

    def running(self, name: str) -> None:
        """A component begins."""
        self._before = cpu_seconds()

    def finished(self, name: str, state: str, seconds: float, rows: int | None) -> None:
        """It ends."""
        self.found[name] = {"wall": seconds, "cpu": cpu_seconds() - self._before}

    def close(self) -> None:
        """Says nothing."""

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, measured under a name."""

        def measured_function(*arguments: Any, **options: Any) -> Any:
            before, started = cpu_seconds(), time.monotonic()
            result = function(*arguments, **options)
            self.found[name] = {"wall": time.monotonic() - started, "cpu": cpu_seconds() - before}
            return result

        return measured_function


def run(path: str, root: Path, with_checks: bool) -> Seconds:
    """In a process of its own: one run, with what it took by component, and as a whole under ``run``."""
    from pipeline import local, node_runner, run_report
    from pipeline.config import load_config

    meter, config = Meter(), load_config(path)
    if with_checks:
        run_report.write_report = meter.timed(REPORT, run_report.write_report)
    else:
        config = dataclasses.replace(config, trainer=dataclasses.replace(config.trainer, fed_check="off"))
        run_report.write_report = lambda *_, **__: Path()
        node_runner.NodeByNodeRunner = without_checks(node_runner.NodeByNodeRunner)
    result = local.run(config, root, display_of=lambda _: meter)
    return {**meter.found, "run": {"wall": result.elapsed, "cpu": cpu_seconds()}}


def without_checks(runner: type) -> type:
    """The runner, but the compiled pipeline loses the checks before it runs."""

    class WithoutChecks(runner):
        def run_with_ir(self, pipeline: Any, *arguments: Any, **options: Any) -> None:
            kept = [node for node in pipeline.nodes if node.pipeline_node.node_info.id not in CHECKS]
            for node in kept:
                for names in (node.pipeline_node.upstream_nodes, node.pipeline_node.downstream_nodes):
                    names[:] = [name for name in names if name not in CHECKS]
            copies = [type(node).FromString(node.SerializeToString()) for node in kept]
            del pipeline.nodes[:]
            pipeline.nodes.extend(copies)
            super().run_with_ir(pipeline, *arguments, **options)

    return WithoutChecks


if __name__ == "__main__":
    raise SystemExit(main())
