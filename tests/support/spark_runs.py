"""Analyses as Spark applications of their own processes, on a standalone cluster, and its processes by their kind."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import components

ROOT = Path(components.__file__).parents[1]
TOOL = ROOT / "tools" / "spark_cluster.py"
KINDS = {"pyworker": "pyspark.daemon", "executor": "CoarseGrainedExecutorBackend"}


def missing() -> str:
    """Why no cluster can be started here; empty where one can."""
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        return "there is no Java on this machine"
    try:
        import pyspark  # noqa: F401
    except ImportError:
        return "PySpark is not installed: tfx-norm[spark]"
    return ""


@contextlib.contextmanager
def cluster(folder: Path, workers: int = 2) -> Iterator[Path]:
    """A cluster whose files are in ``folder``; ended with all its processes."""
    start(folder, workers)
    try:
        yield folder
    finally:
        subprocess.run([sys.executable, TOOL, "stop", folder], check=True)


def start(folder: Path, workers: int = 2) -> None:
    """Starts master and workers, and waits for them."""
    command = [sys.executable, TOOL, "start", folder, "--workers", str(workers), "--memory", "1500m"]
    done = subprocess.run(list(map(str, command)), env=environment(), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)


def environment() -> dict[str, str]:
    """In which workers find this checkout."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"}


def analysis(
    folder: Path, files: Sequence[str], schema: Path, out: Path, more: Mapping[str, str]
) -> "subprocess.Popen[str]":
    """A process that analyses on the cluster of ``folder`` and saves the frozen transform to ``out``."""
    printed = subprocess.run(
        [sys.executable, str(TOOL), "settings", str(folder)], capture_output=True, text=True, check=True
    )
    job = {
        "files": list(files),
        "schema": str(schema),
        "out": str(out),
        "spark": {**json.loads(printed.stdout), "spark.executor.memory": "1g", **more},
    }
    conf = {"SPARK_CONF_DIR": str(folder / "conf"), "SPARK_LOCAL_IP": "127.0.0.1"}
    return subprocess.Popen(
        [sys.executable, __file__, json.dumps(job)],
        env={**environment(), **conf},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def processes(folder: Path, kind: str) -> list[int]:
    """Process ids of the cluster's workers' children of a kind."""
    roots = [int(file.read_text()) for file in folder.glob("worker*.pid")]
    return [pid for root in roots for pid in tree(root) if KINDS[kind] in command_of(pid)]


def tree(pid: int) -> Iterator[int]:
    """A process and all below it."""
    yield pid
    listed = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    for child in listed.stdout.split():
        yield from tree(int(child))


def command_of(pid: int) -> str:
    """Its command line; empty where it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def kill(pids: Sequence[int]) -> None:
    """At once, with -9; those that have ended meanwhile are fine."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def main() -> None:
    """The analysing process."""
    from components import analyze
    from components.errors import InputError

    job = json.loads(sys.argv[1])
    try:
        frozen = analyze(job["files"], job["schema"], engine="spark", spark=job["spark"])
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    frozen.save(job["out"])
    print(frozen.digest)


if __name__ == "__main__":
    main()
