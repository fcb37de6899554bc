"""Work in a process of its own: its answer, its CPU seconds with its own children's, wall seconds and peak memory."""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

CHILD = "--child"  # first argument of a script that runs as a child; the others are the child's own

Result = TypeVar("Result")


def answer_of(script: str, words: Sequence[str]) -> dict[str, Any]:
    """The JSON object that ``script --child words`` prints last, with what the whole process took.

    Adds ``process_cpu_seconds`` and ``peak_megabytes``. The kernel counts this process's own memory into the peak, as
    far as the child was forked from it: import nothing heavy here. Exits where the child fails, with its last words.
    """
    command = [sys.executable, script, CHILD, *words]
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    with tempfile.TemporaryFile() as complaints:
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=complaints, env=environment)
        assert child.stdout is not None
        printed = child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            complaints.seek(0)
            last = complaints.read().decode(errors="replace")[-4000:]
            raise SystemExit(f"{' '.join(words)} failed:\n{last}")
    found: dict[str, Any] = json.loads(printed.splitlines()[-1])
    found["process_cpu_seconds"] = usage.ru_utime + usage.ru_stime
    found["peak_megabytes"] = usage.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    return found


def timed(work: Callable[[], Result]) -> tuple[Result, dict[str, float]]:
    """In the child: what ``work`` returns and takes; all CPU seconds before it are those of the imports."""
    imported, start = _cpu_seconds(), time.monotonic()
    result = work()
    cpu, wall = _cpu_seconds() - imported, time.monotonic() - start
    return result, {"cpu_seconds": cpu, "wall_seconds": wall, "import_cpu_seconds": imported}


def _cpu_seconds() -> float:
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))  # os.times() counts hundredths
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
