"""One run at a time in one root: a kernel file lock that says who holds it."""

import contextlib
import datetime
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from components.errors import ConfigError

LOCK_FILE = ".lock"


@contextlib.contextmanager
def hold(root: Path) -> Iterator[None]:
    """Holds ``<root>/.lock`` for the block; the folder is made where it is missing.

    The kernel drops the lock when the process ends, however it ends, so a file left behind by a dead process
    does not block the next run.

    Raises:
      ConfigError: another process runs in this root (who, where, since when), or the root cannot be written.
    """
    descriptor = _open(root)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f"{root} is in use by {_holder(descriptor)}. Wait for it or choose another --root."
            ) from None
        except OSError as error:
            why = f"{root} cannot be locked: {error.strerror}. Choose a --root on another disk."
            raise ConfigError(why) from error
        _sign(descriptor)
        yield
    finally:
        os.close(descriptor)


def _open(root: Path) -> int:
    try:
        root.mkdir(parents=True, exist_ok=True)
        # Not inherited by worker processes: a worker that outlives the run must not keep the lock.
        return os.open(root / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise ConfigError(
            f"No run can be written to {root}: {error.strerror}. Choose a folder that can be written with --root."
        ) from error


def _sign(descriptor: int) -> None:
    started = datetime.datetime.now().astimezone().isoformat(" ", "seconds")
    owner = {"pid": os.getpid(), "host": socket.gethostname(), "since": started}
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(owner).encode(), 0)


def _holder(descriptor: int) -> str:
    try:
        owner = json.loads(os.pread(descriptor, 4096, 0))
        return f"process {owner['pid']} on {owner['host']} since {owner['since']}"
    except (ValueError, KeyError, TypeError):  # The other process has locked the file and not signed it yet.
        return "another process"
