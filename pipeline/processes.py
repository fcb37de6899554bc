"""Ends worker processes that a stopped run left behind."""

import contextlib
import os
import signal
import time
from collections.abc import Collection
from pathlib import Path

# Time for a worker to end by itself before it is killed; a Beam worker has nothing to save.
_PATIENCE_SECONDS = 2.0


def end_descendants(spare: Collection[int] = ()) -> None:
    """Terminates the processes below this one, then kills those that do not listen. Linux; elsewhere a no-op.

    Args:
      spare: process ids that are left alone, because they were there before.
    """
    found = [pid for pid in descendants(os.getpid()) if pid not in spare]
    for pid in found:
        _send(pid, signal.SIGTERM)
    limit = time.monotonic() + _PATIENCE_SECONDS
    while (found := [pid for pid in found if _alive(pid)]) and time.monotonic() < limit:
        time.sleep(0.02)
    for pid in found:
        _send(pid, signal.SIGKILL)


def descendants(pid: int) -> list[int]:
    """Process ids below ``pid``, parents first; empty where there is no /proc."""
    children: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name may hold spaces and brackets: the parent is the second word after the last bracket.
            parent = int(status.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(status.parent.name))
    found: list[int] = []
    todo = [pid]
    while todo:
        below = children.get(todo.pop(0), [])
        found += below
        todo += below
    return found


def _alive(pid: int) -> bool:
    with contextlib.suppress(ChildProcessError):  # a grandchild is not ours to reap
        os.waitpid(pid, os.WNOHANG)
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
