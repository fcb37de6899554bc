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
from typing import TYPE_CHECKING, Any

from components.errors import InputError

if TYPE_CHECKING:
    from pipeline.progress import Display
    from pipeline.run_log import RunLog
    from pipeline.run_result import RunResult

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


def _init_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", required=True, metavar="PATH", help="CSV, Parquet or TFRecord: file, folder or glob")
    parser.add_argument("--label", metavar="NAME", help="the column to predict")
    parser.add_argument("--out", required=True, metavar="DIR", help="gets schema.pbtxt and config.toml")
    parser.add_argument("--format", metavar="F", choices=("csv", "parquet", "tfrecord"), help="default: by file name")
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
    from pipeline import local
    from pipeline.config import load_config

    # A model of the user's own may lie beside the configuration, as the data may.
    sys.path.insert(0, str(Path(arguments.config).absolute().parent))
    options = local.RunOptions(
        use_cache=not arguments.no_cache, from_component=arguments.from_component, beam_args=arguments.beam_arg
    )
    return _shown(
        lambda display_of: local.run(load_config(arguments.config), arguments.root, options, display_of=display_of),
        arguments.json,
    )


def _shown(run: "Callable[[Callable[[RunLog], Display]], RunResult]", as_object: bool) -> int:
    """Runs what takes a display, shows what came of it, and returns the exit status."""
    from pipeline import progress
    from pipeline.failure import ComponentError
    from pipeline.run_result import as_json
    from pipeline.summary import print_summary

    try:
        result = run(lambda log: progress.PlainDisplay(log.err) if as_object else progress.display_for(log.out))
    except ComponentError as error:
        if error.bad_input:
            return _say(" ".join(str(error).split()), BAD_INPUT)
        report = f"\nReport: {error.report}" if error.report else ""
        return _say(f"{error}{report}\nLog: {error.log}", FAILED)
    if as_object:
        print(json.dumps(as_json(result)))
    else:
        print_summary(result, progress.console_for(sys.stdout))
    for reason in result.reasons:
        _say(f"no model was pushed: {reason}.", FAILED)
    return OK if result.ok else FAILED


def _compile_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", metavar="CONFIG.toml")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="gets <name>.json and <name>.yaml")
    parser.add_argument("--image", required=True, metavar="IMAGE", help="the container image of every step")
    parser.add_argument(
        "--param", action="append", default=[], metavar="NAME=VALUE", help="another default of a runtime parameter"
    )
    parser.add_argument("--pipeline-root", default="", metavar="URI", help="where the job keeps its artifacts")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _compile(arguments: argparse.Namespace) -> int:
    from pipeline import run_log
    from pipeline.kubeflow.compilation import compile_job

    with run_log.only_if_it_fails():
        made = compile_job(
            arguments.config, arguments.out, arguments.image, arguments.param, root=arguments.pipeline_root
        )
    if arguments.json:
        print(json.dumps(dataclasses.asdict(made), default=lambda path: str(path.absolute())))
        return OK
    for note in made.notes:
        print(f"Note: {note}", file=sys.stderr)
    print(f"Vertex AI  {made.vertex}\nKubeflow   {made.kubeflow}\nParameters, with their defaults:")
    for name, value in made.parameters.items():
        print(f"  {name} = {value!r}")
    return OK


def _rehearse_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", type=Path, metavar="JOB", help="a compiled job, JSON or YAML")
    parser.add_argument("--root", type=Path, metavar="DIR", help="where everything is written")
    parser.add_argument("--mode", choices=("vertex", "kfp"), help="the backend; default: vertex for JSON, kfp for YAML")
    parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="a runtime parameter")
    parser.add_argument(
        "--exec-prefix", default="", metavar="CMD", help="runs a command inside the image; {image} is its name"
    )
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE", help="environment of the steps")
    parser.add_argument("--json", action="store_true", help="print one JSON object; progress goes to standard error")


def _rehearse(arguments: argparse.Namespace) -> int:
    from pipeline.kubeflow.defaults import given_values
    from pipeline.kubeflow.rehearsal.rehearse import RehearsalOptions, rehearse

    options = RehearsalOptions(
        arguments.mode,
        given_values(arguments.param),
        arguments.exec_prefix,
        given_values(arguments.env, "--env"),
    )
    return _shown(
        lambda display_of: rehearse(arguments.job, arguments.root, options, display_of=display_of), arguments.json
    )


def _submit_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, metavar="CONFIG.toml|JOB", help="a configuration, or a compiled job")
    parser.add_argument("--to", required=True, choices=("vertex", "kfp"), help="Vertex AI or Kubeflow Pipelines v2")
    parser.add_argument("--image", default="", metavar="IMAGE", help="of every step of a configuration's job")
    parser.add_argument("--pipeline-root", default="", metavar="URI", help="where the job keeps its artifacts")
    parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="a runtime parameter")
    parser.add_argument("--name", default="", metavar="NAME", help="of the run or schedule; default: with the time")
    parser.add_argument("--no-cache", action="store_true", help="run every step again")
    parser.add_argument("--service-account", default="", metavar="NAME", help="that the steps run as")
    parser.add_argument("--experiment", default="", metavar="NAME", help="that the run belongs to")
    parser.add_argument("--schedule", default="", metavar="CRON", help="five fields, as '0 3 * * *'; nothing runs now")
    parser.add_argument("--wait", action="store_true", help="until the run ends; status 1 where it fails")
    parser.add_argument("--dry-run", action="store_true", help="print the request as JSON and send nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    vertex = parser.add_argument_group("Vertex AI")
    vertex.add_argument("--project", default="", metavar="P", help="id of the Google Cloud project")
    vertex.add_argument("--region", default="", metavar="R", help="such as europe-west4")
    vertex.add_argument("--network", default="", metavar="N", help="projects/NUMBER/global/networks/NAME to peer with")
    vertex.add_argument("--label", action="append", default=[], metavar="KEY=VALUE", help="of the job")
    vertex.add_argument("--endpoint", default="", metavar="HOST", help="of the API, where it is not the public one")
    kubeflow = parser.add_argument_group(
        "Kubeflow Pipelines", "The environment may hold TFX_NORM_KFP_TOKEN or TFX_NORM_KFP_COOKIES."
    )
    kubeflow.add_argument("--host", default="", metavar="URL", help="of the API")
    kubeflow.add_argument("--namespace", default="", metavar="NS", help="of a cluster with several users")


def _submit(arguments: argparse.Namespace) -> int:
    from pipeline import run_log
    from pipeline.kubeflow.submission.job import ServiceError
    from pipeline.kubeflow.submission.prepare import order_of, prepared
    from pipeline.kubeflow.submission.services import service_of

    options = vars(arguments)
    try:
        with run_log.only_if_it_fails(ServiceError):
            service = service_of(options)
            ready = prepared(order_of(options), arguments.to)
            service.check(ready.job)
            if not arguments.dry_run:
                if ready.upload:
                    ready.upload.send(arguments.project)
                sent = service.send(ready.job)
        for note in ready.notes:
            print(f"Note: {note}", file=sys.stderr)
        if arguments.dry_run:
            print(json.dumps(ready.request(service), indent=1))
            return OK
        if not arguments.json:
            print(f"{sent.id}\n{sent.url}", flush=True)
        if arguments.wait:
            with run_log.only_if_it_fails(ServiceError):
                sent = service.wait(sent)
    except ServiceError as error:
        return _say(" ".join(str(error).split()), FAILED)
    print(json.dumps(dataclasses.asdict(sent)) if arguments.json else sent.state)
    return FAILED if sent.ok is False else OK


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
        print(json.dumps(diff_report.as_json(comparison, names)))
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
    "compile": Verb("compile a configuration's job for Vertex AI and Kubeflow", _compile_arguments, _compile),
    "rehearse": Verb("execute every step of a compiled job on this machine", _rehearse_arguments, _rehearse),
    "submit": Verb("start a job on Vertex AI or Kubeflow, or set its schedule", _submit_arguments, _submit),
    "constants": Verb("print the constants and their digest", _constants_arguments, _constants),
    "diff": Verb("compare two sets of constants in units of sigma; status 1: they differ", _diff_arguments, _diff),
    "serve-check": Verb(
        "compare a pushed model's signatures with its own constants", _serve_check_arguments, _serve_check
    ),
}
