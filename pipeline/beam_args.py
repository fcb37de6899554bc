"""Beam's arguments for a run on this machine: a runner by name, and the reason where it is not the one asked for."""

import re
from collections.abc import Sequence
from pathlib import Path

from components.errors import ConfigError
from components.local_runner import LOCAL_RUNNER_ARG, NO_PACKAGE_ARG

LOCAL_RUNNER = "FnApiRunner"
# Beam 2.68 and newer lets every spelling of DirectRunner, and no runner at all, try Prism first, which downloads
# a program at run time; FnApiRunner is the in-process implementation that DirectRunner falls back to.
_DIRECT = re.compile(r"(.*\.)?(bundlebased|switching)?directrunner", re.IGNORECASE)
_PRISM = re.compile(r"(.*\.)?prismrunner", re.IGNORECASE)
_PRISM_PROGRAM = "--prism_location"


def local_beam_args(
    asked: Sequence[str], running_mode: str = "in_memory", workers: int = 1
) -> tuple[tuple[str, ...], str | None]:
    """Beam arguments with exactly one runner, and a notice where it replaces what was asked for.

    The last ``--runner`` wins, as in Beam; without one it is FnApiRunner. ``running_mode`` and ``workers`` are that
    runner's, and what was asked for in so many words comes after them, so that it wins, too.

    Raises:
      ConfigError: Beam would download the runner's program.
    """
    runner: str | None = None
    others: list[str] = []
    words = iter(asked)
    for word in words:
        if word == "--runner":
            runner = next(words, None)
        elif word.startswith("--runner="):
            runner = word.removeprefix("--runner=")
        else:
            others.append(word)
    notice = None
    if runner is not None and _DIRECT.fullmatch(runner):
        notice = (
            f"Beam's {runner} is run by its in-process implementation {LOCAL_RUNNER}: newer Beam versions would "
            "download another engine for that name."
        )
    if runner is None or notice:
        runner = LOCAL_RUNNER
    if _PRISM.fullmatch(runner) and not Path(_value(others, _PRISM_PROGRAM)).is_file():
        raise ConfigError(
            f"Beam's {runner} would download its program. Leave it out (this machine's runner is {LOCAL_RUNNER}), or "
            f"name the program's file: {_PRISM_PROGRAM}=FILE."
        )
    if runner.lower() != LOCAL_RUNNER.lower():
        return (f"--runner={runner}", *others), notice
    image = () if any(word.startswith("--sdk_container_image") for word in others) else (NO_PACKAGE_ARG,)
    mode = (f"--direct_running_mode={running_mode}", f"--direct_num_workers={workers}")
    return (LOCAL_RUNNER_ARG, *image, *mode, *others), notice


def _value(words: Sequence[str], option: str) -> str:
    """What the last of such options says, an empty text without one."""
    value = ""
    for word, following in zip(words, [*words[1:], ""], strict=False):
        if word == option:
            value = following
        elif word.startswith(f"{option}="):
            value = word.removeprefix(f"{option}=")
    return value
