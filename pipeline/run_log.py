"""Everything that TFX, TensorFlow and Beam say, C++ included, into one file instead of the terminal."""

import contextlib
import dataclasses
import datetime
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from components.errors import ConfigError, InputError

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


@dataclasses.dataclass(frozen=True)
class RunLog:
    """Where the chatter goes, and the terminal as it was before.

    Attributes:
      path: the log file, absolute.
      file: the open log, for tracebacks.
      out: the caller's standard output.
      err: the caller's standard error.
    """

    path: Path
    file: TextIO
    out: TextIO
    err: TextIO


@contextlib.contextmanager
def to_file(root: Path) -> Iterator[RunLog]:
    """Sends file descriptors 1 and 2, ``sys.stdout``, ``sys.stderr`` and logging to ``<root>/logs/<time>.log``.

    Raises:
      ConfigError: the log cannot be written.
    """
    path = _new_path(root / "logs")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Stays open after the block: handlers that libraries made inside it keep writing to it.
        file = path.open("a", encoding="utf-8", errors="backslashreplace", buffering=1)
    except OSError as error:
        raise ConfigError(f"No log can be written to {path}: {error.strerror}. Choose another --root.") from error
    with contextlib.ExitStack() as undo:
        log = RunLog(path, file, _kept(sys.stdout, undo), _kept(sys.stderr, undo))
        for descriptor in (1, 2):
            _redirect(descriptor, file.fileno(), undo)
        undo.enter_context(contextlib.redirect_stdout(file))
        undo.enter_context(contextlib.redirect_stderr(file))
        _redirect_logging(file, undo)
        yield log


@contextlib.contextmanager
def only_if_it_fails(*expected: type[Exception]) -> Iterator[None]:
    """Keeps what libraries say back, and shows it on standard error where an unexpected exception ends the block.

    InputError is always expected.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="backslashreplace", buffering=1) as file:
        try:
            with contextlib.ExitStack() as undo:
                for descriptor in (1, 2):
                    _redirect(descriptor, file.fileno(), undo)
                yield
        except (InputError, *expected):  # type: ignore[misc]
            raise
        except Exception:
            file.seek(0)
            sys.stderr.write(file.read())
            raise


def _new_path(folder: Path) -> Path:
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S-%f")[:-3]
    return (folder / f"{stamp}.log").absolute()


def _kept(stream: TextIO, undo: contextlib.ExitStack) -> TextIO:
    """A stream to where ``stream`` goes now; itself where it is no file (a notebook, a test)."""
    stream.flush()
    try:
        duplicate = os.dup(stream.fileno())
    except (OSError, ValueError):
        return stream
    return undo.enter_context(
        os.fdopen(duplicate, "w", encoding=stream.encoding or "utf-8", errors="replace", buffering=1)
    )


def _redirect(descriptor: int, target: int, undo: contextlib.ExitStack) -> None:
    before = os.dup(descriptor)

    def restore() -> None:
        os.dup2(before, descriptor)
        os.close(before)

    undo.callback(restore)
    os.dup2(target, descriptor)


def _redirect_logging(file: TextIO, undo: contextlib.ExitStack) -> None:
    handler = logging.StreamHandler(file)
    handler.setFormatter(logging.Formatter(_FORMAT))
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers = [handler]
    root.setLevel(logging.INFO)

    def restore() -> None:
        root.handlers = before
        root.setLevel(level)

    undo.callback(restore)
