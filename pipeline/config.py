"""One TOML file -> frozen dataclasses. Unknown keys are errors; every default carries its reason."""

import dataclasses
import math
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from components.drift.gate import Limits
from components.errors import ConfigError
from components.example_gen.span_pattern import check_pattern, has_span, window_of
from components.trainer.augment_options import Augmentation

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Task = Literal["binary", "multiclass", "regression"]
Format = Literal["csv", "parquet", "images", "tfrecord", "bigquery"]

# Kubeflow refuses other pipeline names; refusing them here keeps a local pipeline portable.
_PIPELINE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,127}")
METRICS_OF_TASK: Mapping[str, tuple[str, ...]] = {
    "binary": ("auc", "accuracy", "loss"),
    "multiclass": ("accuracy", "loss"),
    "regression": ("mae", "rmse"),
}
# A drop in these is a better model: a threshold on them is a maximum.
LOWER_IS_BETTER = ("loss", "mae", "rmse")
# Far below what a job can hold (32 bits), and more than any outage that waiting mends.
MAX_RETRIES = 100


@dataclasses.dataclass(frozen=True)
class PipelineSection:
    """Who the pipeline is and what it learns.

    Attributes:
      name: lower-case letters, digits and dashes; names the run folder and the metadata contexts.
      task: what the label is; decides loss, metrics and serving outputs.
    """

    name: str
    task: Task


@dataclasses.dataclass(frozen=True)
class DataSection:
    """Where rows come from and how they are split.

    Attributes:
      path: a file, a folder or a glob; relative to the TOML file. Empty only for BigQuery. Of images, a folder with one
        folder a class.
      schema: the annotated schema (text proto); relative to the TOML file.
      format: how the files are read.
      dataset: a bundled data set, written to ``path`` by ``run`` when it is missing.
      split: hash buckets by split name, in order; 4 : 1 keeps a fifth for evaluation.
      partition_feature: rows with the same value of this column land in the same split; empty = each row alone.
      null_values: texts that mean "missing" in a CSV file; empty = the reader's defaults.
      require: rows in which one of these columns is missing are left out, and counted.
      query: BigQuery's SQL.
      window: of a ``path`` with ``{SPAN}`` in it (or ``{YYYY}``, ``{MM}`` and ``{DD}``; CSV and Parquet), so many of
        the newest spans are read; 0 = all of them, so that nothing is left out unasked.
      spans: the first and the last span to read instead, both included: numbers, or dates as 2013-01-31.
      fingerprint: what tells changed data: "content" hashes every byte of local files (about 0.5 GB/s), "stat" takes
        names, sizes and modification times, for data too large to read twice. Remote files always use "stat".
    """

    schema: str
    path: str = ""
    format: Format = "csv"
    dataset: str = ""
    split: Mapping[str, int] = dataclasses.field(default_factory=lambda: {"train": 4, "eval": 1})
    partition_feature: str = ""
    null_values: tuple[str, ...] = ()
    require: tuple[str, ...] = ()
    query: str = ""
    window: int = 0
    spans: tuple[str, ...] = ()
    fingerprint: Literal["content", "stat"] = "content"


@dataclasses.dataclass(frozen=True)
class TransformSection:
    """Where the constants of the transform come from.

    Attributes:
      constants: existing constants to take, without an analysis (fine-tuning, an analysis done elsewhere): the WHERE of
        ``tfx-norm constants``, relative to the TOML file. Empty, because constants are those of the data at hand unless
        somebody says otherwise.
    """

    constants: str = ""


@dataclasses.dataclass(frozen=True)
class ParitySection:
    """How the served model is compared with the constants before it is pushed; see ``docs/checks.md``.

    Attributes:
      rows: of the evaluation split, beside edge rows. 1,000 take no longer than TensorFlow takes to start.
      max_ulps: largest distance from exact arithmetic, in ulp of float32. One rounding to float32 is half an ulp, and
        1 is what the transform promises.
    """

    rows: int = 1000
    max_ulps: float = 1.0


@dataclasses.dataclass(frozen=True)
class AuditSection:
    """How much of the data the audit recounts.

    Attributes:
      sample_bytes: of the training split's files; whole shards, at least one; 0 recounts nothing. 1 GiB takes about 110
        CPU seconds (11 µs were measured for a row of 20 columns in 106 bytes); a smaller split is recounted whole.
      seed: of the choice of shards.
    """

    sample_bytes: int = 2**30
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class DriftSection:
    """What may change in the constants since the last blessed run; see ``components.drift.gate.Limits``.

    Attributes:
      action: "warn", because only a person knows whether the world changed or a source broke; "block" stops the run
        before training; "off" compares nothing.
      baseline: path or URI of a constants file, an artifact or a model to compare with instead; relative to the TOML
        file. Empty = the latest blessed model of this pipeline.
      mean_shift, sigma_ratio, missing_rate, nonfinite_rate, key_share, z: the limits, with their reasons there.
    """

    action: Literal["warn", "block", "off"] = "warn"
    baseline: str = ""
    mean_shift: float = Limits.mean_shift
    sigma_ratio: float = Limits.sigma_ratio
    missing_rate: float = Limits.missing_rate
    nonfinite_rate: float = Limits.nonfinite_rate
    key_share: float = Limits.key_share
    z: float = Limits.z

    @property
    def limits(self) -> Limits:
        """The limits; ValueError for one out of range."""
        return Limits(**{field.name: getattr(self, field.name) for field in dataclasses.fields(Limits)})


@dataclasses.dataclass(frozen=True)
class TrainerSection:
    """How the model is built and fitted.

    Attributes:
      model: import path ``module:function``; called with a ``ModelSpec``, returns a Keras 3 model.
      epochs: passes over the training split; 5 is enough for the bundled data.
      steps: at most so many training steps, over all epochs; 0 = those of the epochs, so that each row counts alike.
      batch_size: rows a step; large, because the input map works on whole batches.
      learning_rate: Adam's; its usual default.
      hidden_units: width of each hidden layer of the default model.
      dropout: share of hidden units dropped in training; 0 because the bundled tables are large.
      seed: of weights and of the shuffle, so that a rerun is the same run.
      checkpoint_dir: where an interrupted training leaves its state, to go on from; a folder relative to the TOML file,
        or a URI. Empty = ``checkpoints`` in the run's folder, which the next run in the same folder finds.
      checkpoint_steps: steps from one checkpoint to the next, counted over all epochs. One takes about as long as 5
        steps of the default model on 1,024 rows (21 ms beside 4 ms were measured): 3 % of the time.
      early_stopping: validations in a row without a lower loss after which training stops, with the weights of the
        lowest one; 0 = never, because the rows that choose the weights would be those that evaluate them.
      strategy: "single" = one device, "mirrored" = all GPUs of one machine, "multi_worker" = the processes that
        TF_CONFIG names; the replicas share a batch. One device is what every machine has.
      fed_check: whether the first epoch's input must have the mean and sigma that the constants promise: "block" stops
        the training behind that epoch, "warn" says it in the log, "off" does not look. Of one device; block, because
        a model that was fed other numbers than it will be served is worth nothing.
      fed_far: normalized values farther from 0 are a warning; 50 saturates every usual activation.
      fed_clipped: a larger share of values at the bound of ``clip`` is a warning; 1 % are no single outliers any more.
      augment: how images are varied in training, each batch anew: "flip" exchanges left and right in half of them,
        "crop=4" moves each by up to 4 pixels. Empty, because digits and letters do not bear every change.
      keras_export: writes the model as a ``.keras`` file, too; False because serving does not read it.
    """

    model: str = "components.trainer.model:build_model"
    epochs: int = 5
    steps: int = 0
    batch_size: int = 1024
    learning_rate: float = 0.001
    hidden_units: tuple[int, ...] = (128, 64)
    dropout: float = 0.0
    seed: int = 13
    checkpoint_dir: str = ""
    checkpoint_steps: int = 200
    early_stopping: int = 0
    strategy: Literal["single", "mirrored", "multi_worker"] = "single"
    keras_export: bool = False
    fed_check: Literal["block", "warn", "off"] = "block"
    fed_far: float = 50.0
    fed_clipped: float = 0.01
    augment: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Threshold:
    """A bound that a model must meet to be blessed.

    Attributes:
      metric: one of the task's metrics.
      min: smallest value allowed (metrics where more is better).
      max: largest value allowed (metrics where less is better).
      max_drop: how much worse than the latest blessed model it may be, in the metric's own unit.
    """

    metric: str
    min: float | None = None
    max: float | None = None
    max_drop: float | None = None


@dataclasses.dataclass(frozen=True)
class EvaluationSection:
    """What the Evaluator demands; without thresholds every model that evaluates is blessed."""

    thresholds: tuple[Threshold, ...] = ()


@dataclasses.dataclass(frozen=True)
class BeamSection:
    """How Beam runs on this machine: by its FnApiRunner, which downloads nothing.

    Attributes:
      running_mode: where the runner's workers are: "in_memory" and "multi_threading" in this process, or in processes
        of their own. The first, because TensorFlow reads and parses on all cores by itself, and a process of its own
        imports TensorFlow again: see docs/beam_tuning.md.
      workers: how many; 0 = one a core. One, for the same reason; Beam takes no more in memory.
      fanout: workers that merge the statistics of 256 or more shards before one merges theirs; 0 = none. 16, because
        on one machine it costs nothing, and on many the last merge is the only step that one does alone.
      args: anything else of Beam's, as on its command line; the last ``--runner`` wins.
    """

    running_mode: Literal["in_memory", "multi_threading", "multi_processing"] = "in_memory"
    workers: int = 1
    fanout: int = 16
    args: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class CacheSection:
    """What is kept of each span between runs: its converted records, and their statistics.

    Attributes:
      dir: a folder relative to the TOML file, or a URI. Empty = ``cache`` in the run's folder, which the next run in
        the same folder finds.
      max_bytes: of all files in it; the least recently used leave first. 10 GiB hold 28 days of 300 MB of compressed
        records each, and a fifth to spare; locally they take no space beside the latest artifact, to which they are
        hard links.
    """

    dir: str = ""
    max_bytes: int = 10 * 2**30


@dataclasses.dataclass(frozen=True)
class StepSection:
    """What one step of a compiled job is given; the cluster's own choice where nothing is said.

    Attributes:
      cpu: cores at most; 0 = the cluster's default.
      memory: gigabytes at most; 0 = the cluster's default.
      accelerator: its type as the cluster names it, "NVIDIA_TESLA_T4" on Vertex, "nvidia.com/gpu" on Kubeflow.
      accelerators: how many of them; 1 where a type is named, because that is what one of our steps can use.
      retries: how often a failed step is tried again. None, because data and checks that are wrong stay wrong.
      cache: whether what an earlier job made of the same inputs is taken.
    """

    cpu: float = 0.0
    memory: float = 0.0
    accelerator: str = ""
    accelerators: int = 0
    retries: int = 0
    cache: bool = True


@dataclasses.dataclass(frozen=True)
class KubeflowSection:
    """The job that ``tfx-norm compile`` makes, for Vertex AI and Kubeflow Pipelines; ``run`` reads none of it.

    Attributes:
      pipeline_root: where the job keeps its artifacts, a URI; may as well be given when the job is submitted.
      data: where the steps find the data: a URI, or a path that is mounted in every step. Empty = ``data.path`` if that
        is a URI, or the bundled data set, which the step makes for itself.
      schema: where the steps find the schema: a URI, or ``package:schemas/flights.pbtxt``, a file in a package that is
        installed in the image. Empty = ``data.schema`` if that is a URI or lies in one of our packages.
      serving: where models are pushed to, a URI. Empty = beside the Pusher's artifact.
      steps: what single steps are given, by component.
    """

    pipeline_root: str = ""
    data: str = ""
    schema: str = ""
    serving: str = ""
    steps: Mapping[str, StepSection] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class PipelineConfig:
    """A whole configuration, checked; paths are absolute."""

    pipeline: PipelineSection
    data: DataSection
    transform: TransformSection = TransformSection()
    audit: AuditSection = AuditSection()
    drift: DriftSection = DriftSection()
    parity: ParitySection = ParitySection()
    trainer: TrainerSection = TrainerSection()
    evaluation: EvaluationSection = EvaluationSection()
    beam: BeamSection = BeamSection()
    cache: CacheSection = CacheSection()
    kubeflow: KubeflowSection = KubeflowSection()


def load_config(path: str | Path) -> PipelineConfig:
    """Reads and checks a TOML file; relative paths in it are taken from its folder.

    Raises:
      ConfigError: the file cannot be read, is not TOML, has unknown or missing keys, or values out of range.
    """
    file = Path(path)
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"Cannot read the configuration {file}: {error.strerror}. Give the path of a TOML file."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not valid TOML: {error}") from error
    config: PipelineConfig = _build(PipelineConfig, table, f"{file}")
    _check(config, file)
    folder = file.resolve().parent
    data = dataclasses.replace(
        config.data,
        path=_absolute(config.data.path, folder),
        schema=_absolute(config.data.schema, folder),
    )
    trainer = dataclasses.replace(config.trainer, checkpoint_dir=_absolute(config.trainer.checkpoint_dir, folder))
    transform = TransformSection(_absolute(config.transform.constants, folder))
    cache = dataclasses.replace(config.cache, dir=_absolute(config.cache.dir, folder))
    drift = dataclasses.replace(config.drift, baseline=_absolute(config.drift.baseline, folder))
    return dataclasses.replace(config, data=data, transform=transform, drift=drift, trainer=trainer, cache=cache)


def _absolute(path: str, folder: Path) -> str:
    if not path or "://" in path:
        return path
    trailing = "/" if path.endswith("/") else ""
    return str((folder / path).resolve()) + trailing


def _build(section: type, table: Any, where: str) -> Any:
    """``table`` as the dataclass ``section``; every mismatch is a ConfigError that names the key."""
    if not isinstance(table, Mapping):
        raise ConfigError(f"{where} must be a table of keys but is {table!r}.")
    fields = {field.name: field for field in dataclasses.fields(section)}
    unknown = sorted(set(table) - set(fields))
    if unknown:
        raise ConfigError(f"{where}: unknown key {unknown[0]!r}. Known keys here: {', '.join(fields)}.")
    types = get_type_hints(section)
    values = {key: _value(types[key], value, f"{where}: {key}") for key, value in table.items()}
    missing = [
        name
        for name, field in fields.items()
        if name not in values and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ConfigError(f"{where}: the key {missing[0]!r} is required. Known keys here: {', '.join(fields)}.")
    return section(**values)


def _value(kind: Any, value: Any, where: str) -> Any:
    origin = get_origin(kind)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _build(kind, value, where)
    if origin is Literal:
        if value not in get_args(kind):
            raise ConfigError(f"{where} must be one of {', '.join(map(repr, get_args(kind)))} but is {value!r}.")
        return value
    if origin is tuple:
        if not isinstance(value, list):
            raise ConfigError(f"{where} must be a list but is {value!r}.")
        return tuple(_value(get_args(kind)[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if origin is Mapping:
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where} must be a table such as {{ train = 4, eval = 1 }} but is {value!r}.")
        return {key: _value(get_args(kind)[1], item, f"{where}.{key}") for key, item in value.items()}
    if kind in (float, float | None) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{where} must be a finite number but is {value!r}.")
    expected = float if kind == float | None else kind
    # To Python, a boolean is an integer, too.
    if not isinstance(value, expected) or (isinstance(value, bool) and expected is not bool):
        raise ConfigError(f"{where} must be of type {expected.__name__} but is {value!r}.")
    return value


def _check(config: PipelineConfig, file: Path) -> None:
    data, trainer = config.data, config.trainer
    if not _PIPELINE_NAME.fullmatch(config.pipeline.name):
        raise ConfigError(
            f"{file}: pipeline.name must be lower-case letters, digits and dashes (at most 128) "
            f"but is {config.pipeline.name!r}."
        )
    if (data.format == "bigquery") != bool(data.query) or (data.format != "bigquery") != bool(data.path):
        raise ConfigError(f"{file}: data.path is required for files, data.query (and no path) for format 'bigquery'.")
    if not data.schema:
        raise ConfigError(f"{file}: data.schema must be the path of a schema file but is empty.")
    if list(data.split)[:1] != ["train"] or "eval" not in data.split or min(data.split.values()) < 1:
        raise ConfigError(
            f"{file}: data.split needs 'train' first, 'eval', and whole numbers of at least 1, but is {data.split}."
        )
    if config.transform.constants != config.transform.constants.strip():
        raise ConfigError(
            f"{file}: transform.constants must be the path of a run, an artifact or a file, without blanks around it, "
            f"but is {config.transform.constants!r}. Leave it out to analyse the data."
        )
    for name in ("epochs", "batch_size", "learning_rate", "checkpoint_steps"):
        if getattr(trainer, name) <= 0:
            raise ConfigError(f"{file}: trainer.{name} must be greater than 0 but is {getattr(trainer, name)}.")
    if trainer.early_stopping < 0:
        raise ConfigError(
            f"{file}: trainer.early_stopping must be at least 1, or 0 for never, but is {trainer.early_stopping}."
        )
    if trainer.steps < 0:
        raise ConfigError(
            f"{file}: trainer.steps must be at least 1, or 0 for those of the epochs, but is {trainer.steps}."
        )
    if not 0 <= trainer.dropout < 1:
        raise ConfigError(f"{file}: trainer.dropout must be at least 0 and less than 1 but is {trainer.dropout}.")
    if not re.fullmatch(r"[\w.]+:\w+", trainer.model):
        raise ConfigError(f"{file}: trainer.model must look like 'module:function' but is {trainer.model!r}.")
    if min(trainer.hidden_units, default=1) < 1:
        raise ConfigError(
            f"{file}: trainer.hidden_units must be widths of at least 1 but is {list(trainer.hidden_units)}."
        )
    try:
        Augmentation.of(trainer.augment)
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from error
    if not 0 <= trainer.seed < 2**32:
        raise ConfigError(f"{file}: trainer.seed must be at least 0 and less than 2**32 but is {trainer.seed}.")
    if config.parity.rows < 1 or config.parity.max_ulps < 0.5:
        raise ConfigError(
            f"{file}: parity.rows must be at least 1 and parity.max_ulps at least 0.5 (one rounding), but they are "
            f"{config.parity.rows} and {config.parity.max_ulps}."
        )
    if config.beam.workers < 0 or config.beam.fanout < 0:
        raise ConfigError(
            f"{file}: beam.workers and beam.fanout must be at least 0 but are {config.beam.workers} and "
            f"{config.beam.fanout}."
        )
    if config.beam.running_mode == "in_memory" and config.beam.workers != 1:
        raise ConfigError(
            f"{file}: beam.workers = {config.beam.workers} needs beam.running_mode = 'multi_threading' or "
            "'multi_processing': in memory, Beam has one worker."
        )
    if config.cache.max_bytes < 0:
        raise ConfigError(f"{file}: cache.max_bytes must be at least 0 but is {config.cache.max_bytes}.")
    if min(config.audit.sample_bytes, config.audit.seed) < 0:
        raise ConfigError(
            f"{file}: audit.sample_bytes and audit.seed must be at least 0 but are "
            f"{config.audit.sample_bytes} and {config.audit.seed}."
        )
    try:
        _ = config.drift.limits
    except ValueError as error:
        raise ConfigError(f"{file}: drift: {error}") from error
    _check_spans(data, file)
    _check_thresholds(config, file)
    for name, step in config.kubeflow.steps.items():
        _check_step(step, f"{file}: kubeflow.steps.{name}")


def _check_step(step: StepSection, where: str) -> None:
    if step.retries > MAX_RETRIES:
        raise ConfigError(f"{where}: retries must be at most {MAX_RETRIES} but is {step.retries}.")
    if min(step.cpu, step.memory, step.accelerators, step.retries) < 0:
        raise ConfigError(f"{where}: cpu, memory, accelerators and retries must be at least 0 but one is negative.")
    if step.accelerators and not step.accelerator:
        raise ConfigError(
            f"{where}: accelerators = {step.accelerators} needs the accelerator's type, as accelerator = "
            "'NVIDIA_TESLA_T4'."
        )


def _check_spans(data: DataSection, file: Path) -> None:
    try:
        window_of(data.window, data.spans)
        if has_span(data.path):
            check_pattern(data.path)
    except ConfigError as error:
        raise ConfigError(f"{file}: data: {error}") from error
    if not has_span(data.path):
        if data.window or data.spans:
            raise ConfigError(
                f"{file}: data.window and data.spans need a data.path with {{SPAN}} in it, or {{YYYY}}, {{MM}} and "
                f"{{DD}}, but it is {data.path!r}."
            )
    elif data.dataset or data.format not in ("csv", "parquet"):
        what = f"dataset {data.dataset!r}" if data.dataset else f"format {data.format!r}"
        raise ConfigError(f"{file}: spans in data.path are for files of CSV and Parquet, but here is {what}.")


def _check_thresholds(config: PipelineConfig, file: Path) -> None:
    allowed = METRICS_OF_TASK[config.pipeline.task]
    metrics = [threshold.metric for threshold in config.evaluation.thresholds]
    for threshold in config.evaluation.thresholds:
        if threshold.metric not in allowed:
            raise ConfigError(
                f"{file}: evaluation threshold on unknown metric {threshold.metric!r}; "
                f"a {config.pipeline.task} task has {', '.join(allowed)}."
            )
        wrong = "min" if threshold.metric in LOWER_IS_BETTER else "max"
        if getattr(threshold, wrong) is not None:
            better = "less" if wrong == "min" else "more"
            raise ConfigError(f"{file}: for {threshold.metric!r} {better} is better; {wrong!r} bounds the wrong side.")
        if metrics.count(threshold.metric) > 1:
            raise ConfigError(
                f"{file}: two evaluation thresholds on {threshold.metric!r}. Write one with all its bounds."
            )
        if threshold.min is None and threshold.max is None and threshold.max_drop is None:
            raise ConfigError(f"{file}: the evaluation threshold on {threshold.metric!r} needs min, max or max_drop.")
