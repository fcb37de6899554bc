"""Artifacts -> facts. What is not there, or cannot be read, is left out and said in a note."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_metadata.proto.v0 import statistics_pb2

from components.errors import InputError
from components.frozen.stored_constants import stored_constants
from components.report.curves import training_curves
from components.report.evaluation import evaluation_facts
from components.report.facts import Histogram, Pairs, RunFacts
from components.report.features import constants_facts, feature_facts
from components.report.histograms import fed_histograms, raw_histograms
from components.report.versions import versions
from components.trainer.fed_check import FILE_NAME as FED_FILE
from components.verdict import FILE_NAME as VERDICT_FILE
from components.verdict import Verdict

_STATISTICS_FILE = "FeatureStats.pb"
# The order in which a pipeline makes them.
_ORDER = ("audit", "drift", "fed", "parity")
_UNREADABLE = (InputError, OSError, ValueError, DecodeError, tf.errors.OpError)
_Read = TypeVar("_Read")


@dataclasses.dataclass(frozen=True)
class Sources:
    """URIs of a run's artifacts, each empty where there is none.

    Attributes:
      transform_graph: ours, or the stock Transform's.
      statistics: of StatisticsGen; the split ``train`` is shown, or else the first one.
      model_run: the Trainer's logs, and ``fed.json`` among them.
      evaluation: of the Evaluator.
      verdicts: folders with ``verdict.json``.
      failed: the verdict of a check that stopped the run, of which no artifact is left.
      metrics: of the evaluation by flat name, with the baseline's; read from the artifact if None.
    """

    transform_graph: str = ""
    statistics: str = ""
    model_run: str = ""
    evaluation: str = ""
    verdicts: tuple[str, ...] = ()
    failed: Verdict | None = None
    metrics: Mapping[str, float] | None = None


def collect(sources: Sources, title: str, about: Pairs = ()) -> RunFacts:
    """Everything that the artifacts say."""
    notes: list[str] = []

    def read(what: str, uri: str, function: Callable[[str], _Read], nothing: _Read) -> _Read:
        if not uri:
            return nothing
        try:
            return function(uri)
        except _UNREADABLE as error:
            notes.append(f"The {what} at {uri} could not be read: {_first_line(error)}")
            return nothing

    constants = read("constants", sources.transform_graph, stored_constants, None)
    none: Mapping[str, Histogram] = {}
    raw = read("statistics", sources.statistics, _raw_histograms, none)
    found = [read("verdict", uri, _verdict, None) for uri in sources.verdicts]
    found += [read("check of what was fed", sources.model_run, _fed, None), sources.failed]
    checks = _in_order(verdict for verdict in found if verdict is not None)
    fed = next((verdict for verdict in checks if verdict.check == "fed"), None)
    return RunFacts(
        title,
        about,
        constants=constants_facts(constants) if constants is not None else None,
        features=feature_facts(constants, raw, fed_histograms(fed)),
        checks=checks,
        curves=read("training's logs", sources.model_run, training_curves, ()),
        evaluation=read("evaluation", sources.evaluation, lambda uri: evaluation_facts(uri, sources.metrics), None),
        versions=versions(),
        notes=tuple(notes),
    )


def _in_order(verdicts: Iterable[Verdict]) -> tuple[Verdict, ...]:
    """Verdicts as a pipeline makes them; unknown ones last."""
    return tuple(sorted(verdicts, key=lambda v: _ORDER.index(v.check) if v.check in _ORDER else len(_ORDER)))


def _raw_histograms(uri: str) -> Mapping[str, Histogram]:
    folder = uri.rstrip("/")
    files = sorted(tf.io.gfile.glob(f"{folder}/Split-*/{_STATISTICS_FILE}"))
    file = next((file for file in files if "/Split-train/" in file), files[0] if files else None)
    if file is None:
        raise FileNotFoundError(f"no Split-*/{_STATISTICS_FILE}")
    split = file.rsplit("/", 2)[1].removeprefix("Split-")
    with tf.io.gfile.GFile(file, "rb") as stream:
        return raw_histograms(statistics_pb2.DatasetFeatureStatisticsList.FromString(stream.read()), split)


def _fed(model_run: str) -> Verdict | None:
    path = f"{model_run.rstrip('/')}/{FED_FILE}"
    return _verdict_in(path) if tf.io.gfile.exists(path) else None


def _verdict(uri: str) -> Verdict:
    return _verdict_in(f"{uri.rstrip('/')}/{VERDICT_FILE}")


def _verdict_in(path: str) -> Verdict:
    with tf.io.gfile.GFile(path) as file:
        return Verdict.from_json(file.read(), path)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
