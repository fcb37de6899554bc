"""Task and size of the table -> the text of config.toml, every value with its reason."""

import dataclasses
import json
import math
import re

from pipeline.init.task import Task

STEPS = 2_000  # Adam at its usual rate has settled on a small table by then
_EXAMPLE_THRESHOLD = {
    "binary": '{ metric = "auc", min = 0.8, max_drop = 0.02 }',
    "multiclass": '{ metric = "accuracy", min = 0.8, max_drop = 0.02 }',
    "regression": '{ metric = "mae", max = 10.0, max_drop = 0.5 }',
}
_METRICS = {"binary": "auc, accuracy, loss", "multiclass": "accuracy, loss", "regression": "mae, rmse"}


@dataclasses.dataclass(frozen=True)
class Training:
    """Settings that fit a table of some size."""

    epochs: int
    batch_size: int
    hidden_units: tuple[int, ...]
    dropout: float


def training_for(rows: int) -> Training:
    """Small tables: small batches, many passes, a narrow network that cannot learn the rows by heart."""
    hidden_units: tuple[int, ...]
    if rows < 2_000:
        batch_size, hidden_units, dropout = 32, (32,), 0.2
    elif rows < 20_000:
        batch_size, hidden_units, dropout = 64, (64, 32), 0.1
    else:
        batch_size, hidden_units, dropout = (256 if rows < 200_000 else 1024), (128, 64), 0.0
    steps_in_epoch = math.ceil(rows * 0.8 / batch_size)
    epochs = min(200, max(3, round(STEPS / steps_in_epoch)))
    return Training(epochs, batch_size, hidden_units, dropout)


def config_text(
    *, name: str, data: str, data_format: str, label: str, rows: int, label_missing: int, task: Task
) -> str:
    """The configuration as TOML; ``data`` as it shall stand there, the schema beside the file."""
    training = training_for(rows)
    require = (
        f"require = [{quoted(label)}]  # {label_missing:,} rows have no label: left out, and counted\n"
        if label_missing
        else ""
    )
    return f"""\
# Proposed from {rows:,} rows: review it, then run it. Relative paths are taken from this file's folder.

[pipeline]
name = {quoted(name)}  # names the run's folder
task = "{task.kind}"  # {task.reason}

[data]
path = {quoted(data)}  # a file, a folder or a glob
format = "{data_format}"
schema = "schema.pbtxt"  # roles of the columns, to be reviewed too
split = {{ train = 4, eval = 1 }}  # a fifth of the rows is kept for evaluation; never trained on or analysed
{require}# Rows that belong together (one patient, one day) must not be split apart; name what they share:
# partition_feature = "column"

[trainer]
model = "components.trainer.model:build_model"  # a plain feed-forward network
epochs = {training.epochs}  # about {training.epochs * math.ceil(rows * 0.8 / training.batch_size):,} steps
batch_size = {training.batch_size}  # fits {rows:,} rows
learning_rate = 0.001  # Adam's usual rate
hidden_units = {list(training.hidden_units)}  # wider for more rows
dropout = {training.dropout}  # more of it for fewer rows
seed = 13  # any fixed number: the same run twice gives the same model
early_stopping = 0  # validations without progress to stop after; 0 = never: the rows that stop it also evaluate it

[evaluation]
# No threshold: every model is accepted, because on few rows a metric moves by chance.
# Metrics here: {_METRICS[task.kind]}.
# After a first run, to refuse models that are worse than you need:
# thresholds = [{_EXAMPLE_THRESHOLD[task.kind]}]

[beam]
running_mode = "in_memory"  # workers of Beam in this process; TensorFlow reads and parses on all cores by itself
"""


def pipeline_name(data: str) -> str:
    """A pipeline's name from the data's path: lower-case letters, digits and dashes, as Kubeflow wants it."""
    stem = re.split(r"[\\/]", data.rstrip("/\\"))[-1].split(".")[0]
    return re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:128].strip("-") or "table"


def quoted(text: str) -> str:
    """As a string of TOML."""
    # JSON's escapes are TOML's; DEL is the one control character that JSON leaves as it is.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
