"""One command of a container as a process here: clean environment, empty working folder, a log of its own."""

import dataclasses
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from components.errors import ConfigError, DataError
from pipeline.failure import own_error

BAD_INPUT = 2
_SYSTEM = "/usr/local/bin:/usr/bin:/bin"
_TAIL_BYTES = 60_000
_OURS = "tfx-norm: "


class CommandError(Exception):
    """A command failed; the message is its own error.

    Attributes:
      status: its exit status.
      log: what it said.
    """

    def __init__(self, message: str, status: int, log: Path) -> None:
        """See the class."""
        super().__init__(message)
        self.status, self.log = status, log


@dataclasses.dataclass(frozen=True)
class Commands:
    """How commands are run.

    Attributes:
      logs: the folder that gets ``<step>.log``, and ``<step>.json`` with the command line.
      environment: of the steps, beside a PATH that begins with this interpreter's folder.
      prefix: put before each command, ``{image}`` replaced: how to run it inside the image.
    """

    logs: Path
    environment: Mapping[str, str]
    prefix: str = ""

    def run(self, step: str, argv: Sequence[str], image: str, environment: Mapping[str, str]) -> None:
        """Runs one command to its end.

        Raises:
          CommandError: it failed.
          DataError: there is no such program.
        """
        own = {**self.environment, **environment}
        log = self.logs / f"{re.sub(r'[^A-Za-z0-9_.-]', '_', step)}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="rehearsal-") as scratch, tempfile.TemporaryDirectory() as folder:
            if self.prefix:
                # The program before the image gets this process's environment, the step gets its own alone.
                program, *before = prefix_of(self.prefix.replace("{image}", image))
                program = os.path.abspath(program) if os.sep in program else program
                full = [program, *before, *(["env", *(f"{k}={v}" for k, v in own.items())] if own else []), *argv]
                environment = os.environ
            else:
                full = list(argv)
                path = f"{Path(sys.executable).parent}:{_SYSTEM}"
                environment = {"PATH": path, "HOME": scratch, "TMPDIR": scratch, "LANG": "C.UTF-8", **own}
            log.with_suffix(".json").write_text(json.dumps({"image": image, "command": full}, indent=1))
            with log.open("w") as file:
                try:
                    done = subprocess.run(
                        full, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=file, stderr=file
                    )
                except OSError as error:
                    raise DataError(f"{step}: cannot run {full[0]!r}: {error.strerror}.") from error
        if done.returncode:
            raise CommandError(_words(log, done.returncode), done.returncode, log)


def prefix_of(text: str) -> list[str]:
    """The words of ``--exec-prefix``.

    Raises:
      ConfigError: it is no command.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ConfigError(f"--exec-prefix must be a command as in a shell but is {text!r}: {error}.") from error
    if text and not words:
        raise ConfigError(f"--exec-prefix must be a command as in a shell but is {text!r}.")
    return words


def _words(log: Path, status: int) -> str:
    """What a failed command said of itself."""
    text = log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace")
    lines = [line for line in text.splitlines() if line.strip()]
    said = [line.removeprefix(_OURS) for line in lines if line.startswith(_OURS)]
    if status == BAD_INPUT and said:
        return said[-1]
    if "Traceback (most recent call last)" in text:
        return own_error(RuntimeError(text))
    return f"exit status {status}: {lines[-1] if lines else 'it said nothing'}"
