"""The command line, ``tfx-norm VERB``: arguments and exit status only; each verb's work is imported when it runs."""

import argparse
import dataclasses
import json
import os
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from components.errors import InputError

OK, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
_WHERE = "a run's folder, an artifact, a transform graph, a model, a serving folder or a constants file"


@dataclasses.dataclass(frozen=True)
class Verb:
    """One command: its line of help, its arguments, and what it does (returns the exit status)."""

    help: str
    add_arguments: Callable[[argparse.ArgumentParser], Any]
    run: Callable[[argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit status.

    0 done, 1 the run or check failed or its model was not blessed, 2 bad usage or bad input (one line says what to
    do), 130 stopped by Ctrl-C.
    """
    try:
        arguments = _parser().parse_args(argv)
    except SystemExit as end:  # argparse has printed the usage or the help
        return int(end.code or 0)
    try:
        return VERBS[arguments.verb].run(arguments)
    except InputError as error:
        return _say(" ".join(str(error).split()), BAD_INPUT)
    except BrokenPipeError:  # whoever read standard output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except KeyboardInterrupt:
        from pipeline.interrupts import STOPPED_LINE

        print(STOPPED_LINE, file=sys.stderr, flush=True)
        _leave_if_threads_would_hang(INTERRUPTED)
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tfx-norm", description="Exact global normalization for TFX: computed once, constants from then on."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('tfx-norm')}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, verb in VERBS.items():
        verb.add_arguments(verbs.add_parser(name, help=verb.help, description=verb.help))
    return parser


FORMATS = ("csv", "parquet", "tfrecord", "images")


def _init_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        required=True,
        metavar="PATH",
        help="CSV, Parquet or TFRecord: file, folder or glob; or a folder with one folder of images a class",
    )
    parser.add_argument("--label", metavar="NAME", help="the column to predict; not for images")
    parser.add_argument("--out", required=True, metavar="DIR", help="gets schema.pbtxt and config.toml")
    parser.add_argument("--format", metavar="F", choices=FORMATS, help=f"{', '.join(FORMATS)}; default: by file name")
    parser.add_argument("--force", action="store_true", help="overwrite files that are there")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _init(arguments: argparse.Namespace) -> int:
    from pipeline import run_log
    from pipeline.init import init

    with run_log.only_if_it_fails():
        result = init(
            arguments.data, arguments.label, arguments.out, data_format=arguments.format, force=arguments.force
        )
    if arguments.json:
        print(json.dumps(dataclasses.asdict(result), default=str))
    else:
        print(result)
    return OK


def _run_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", metavar="CONFIG.toml")
    parser.add_argument("--root", type=Path, metavar="DIR", help="where everything is written; default runs/<name>")
    parser.add_argument("--no-cache", action="store_true", help="run every component again")
    parser.add_argument(
        "--from", dest="from_component", metavar="COMPONENT", help="run this component and all below it again"
    )
    parser.add_argument(
        "--beam-arg", action="append", default=[], metavar="ARG", help="for example --beam-arg=--direct_num_workers=2"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object; progress goes to standard error")


def _run(arguments: argparse.Namespace) -> int:
    from pipeline import local, progress
    from pipeline.config import load_config
    from pipeline.failure import ComponentError
    from pipeline.run_result import as_json
    from pipeline.summary import print_summary

    # A model of the user's own may lie beside the configuration, as the data may.
    sys.path.insert(0, str(Path(arguments.config).absolute().parent))
    options = local.RunOptions(
        use_cache=not arguments.no_cache, from_component=arguments.from_component, beam_args=arguments.beam_arg
    )
    try:
        result = local.run(
            load_config(arguments.config),
            arguments.root,
            options,
            display_of=lambda log: progress.PlainDisplay(log.err) if arguments.json else progress.display_for(log.out),
        )
    except ComponentError as error:
        if error.bad_input:
            return _say(" ".join(str(error).split()), BAD_INPUT)
        report = f"\nReport: {error.report}" if error.report else ""
        return _say(f"{error}{report}\nLog: {error.log}", FAILED)
    if arguments.json:
        print(json.dumps(as_json(result)))
    else:
        print_summary(result, progress.console_for(sys.stdout))
    for reason in result.reasons:
        _say(f"no model was pushed: {reason}.", FAILED)
    return OK if result.ok else FAILED


def _constants_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("where", metavar="WHERE", help=_WHERE)
    parser.add_argument("--json", action="store_true", help="print constants.json alone")


def _constants(arguments: argparse.Namespace) -> int:
    from pipeline import progress, run_log
    from pipeline.where import constants_at

    with run_log.only_if_it_fails():
        constants = constants_at(arguments.where)
    if arguments.json:
        print(constants.to_json())
    else:
        from pipeline import summary

        summary.print_constants(constants, progress.console_for(sys.stdout))
    return OK


def _diff_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("before", metavar="WHERE", help=_WHERE)
    parser.add_argument("after", metavar="WHERE", help="what to compare it with")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _diff(arguments: argparse.Namespace) -> int:
    from components.drift.compare import compare
    from pipeline import diff_report, progress, run_log
    from pipeline.where import constants_at

    names = (arguments.before, arguments.after)
    with run_log.only_if_it_fails():
        comparison = compare(*map(constants_at, names))
    if arguments.json:
        print(json.dumps(diff_report.as_json(comparison)))
    else:
        diff_report.print_diff(comparison, names, progress.console_for(sys.stdout))
    return OK if comparison.equal else FAILED


def _serve_check_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="the folder of a pushed model")
    parser.add_argument("data", metavar="DATA", help="TFRecords of tf.Examples: file, folder or glob")
    parser.add_argument("--rows", type=_positive, default=1000, metavar="N", help="how many to compare; default 1000")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _positive(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1 but is {text!r}")
    return number


def _serve_check(arguments: argparse.Namespace) -> int:
    from pipeline import run_log

    with run_log.only_if_it_fails():
        from components.parity.serve_check import serve_check

        result = serve_check(arguments.model, arguments.data, arguments.rows)
    if arguments.json:
        print(json.dumps({**dataclasses.asdict(result), "failures": result.failures}))
    else:
        from pipeline import progress, summary

        summary.print_serve_check(result, progress.console_for(sys.stdout))
    for failure in result.failures:
        _say(f"{failure}.", FAILED)
    return FAILED if result.failures else OK


def _say(message: str, status: int) -> int:
    print(f"tfx-norm: {message}", file=sys.stderr, flush=True)
    return status


def _leave_if_threads_would_hang(status: int) -> None:
    """Ends the process where a worker thread that was cut off would keep it from ending."""
    others = [t for t in threading.enumerate() if t is not threading.main_thread() and not t.daemon]
    if others:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


# A later verb is one entry more.
VERBS: dict[str, Verb] = {
    "init": Verb("infer a schema and a configuration from data, to review and edit", _init_arguments, _init),
    "run": Verb("run a configuration's pipeline on this machine", _run_arguments, _run),
    "constants": Verb("print the constants and their digest", _constants_arguments, _constants),
    "diff": Verb("compare two sets of constants in units of sigma; status 1: they differ", _diff_arguments, _diff),
    "serve-check": Verb(
        "compare a pushed model's signatures with its own constants", _serve_check_arguments, _serve_check
    ),
}
