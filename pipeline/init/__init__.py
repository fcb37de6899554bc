"""From a table, or a folder of images, to a schema and a configuration to review: ``init``."""

import dataclasses
import difflib
from collections.abc import Sequence
from pathlib import Path

from components.errors import ConfigError, DataError
from pipeline.init.roles import Proposal

SCHEMA_FILE, CONFIG_FILE = "schema.pbtxt", "config.toml"
FEW_ROWS = 50  # below, a fifth of the rows is too few to evaluate on, and a split may be empty


@dataclasses.dataclass(frozen=True)
class InitResult:
    """What was written and proposed.

    Attributes:
      config: the configuration, absolute.
      schema: the schema, absolute.
      task: binary, multiclass or regression.
      label: the column to predict.
      rows: read, all of them.
      columns: one proposal for each column, in the order of the table.
      notes: what the user should know before running.
    """

    config: str
    schema: str
    task: str
    label: str
    rows: int
    columns: tuple[Proposal, ...]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        """What a person reads: a line a column, then the notes and what to do next."""
        width = max(len(column.name) for column in self.columns)
        lines = [f"{self.rows:,} rows; {self.task} task, label {self.label!r}."]
        lines += [
            f"  {column.name:<{width}}  {' '.join((column.role, *column.options)):<8}  {column.reason}"
            for column in self.columns
        ]
        lines += [f"Note: {note}" for note in self.notes]
        return "\n".join([*lines, f"Review {self.schema} and {self.config}, then: tfx-norm run {self.config}"])


def init(data: str, label: str | None, out: str, data_format: str | None = None, *, force: bool = False) -> InitResult:
    """Reads all the data, proposes roles and task, and writes ``out/schema.pbtxt`` and ``out/config.toml``.

    Args:
      data: a file, a folder or a glob of CSV, Parquet or TFRecord (tf.Example) files, gzip is fine; or a folder with
        one folder of images for each class.
      label: the column to predict; None for images, whose label is their folder.
      out: the folder to write to; made where it is missing.
      data_format: csv, parquet, tfrecord or images; None takes it from the name.
      force: replace files that are there already.

    Raises:
      InputError: the data, the label or the folder cannot be used; nothing is written then.
    """
    from pipeline.init.columns import gather
    from pipeline.init.config_text import config_text, pipeline_name
    from pipeline.init.files import check_free, path_for_config, write_all
    from pipeline.init.image_text import image_columns, image_config, image_notes, image_schema
    from pipeline.init.images import is_image_folder, survey
    from pipeline.init.roles import propose
    from pipeline.init.schema_text import schema_text
    from pipeline.init.tables import Table
    from pipeline.init.task import is_class_like, propose_task

    folder = Path(out).absolute()
    check_free(folder, (SCHEMA_FILE, CONFIG_FILE), force=force)
    if data_format == "images" or (data_format is None and is_image_folder(data)):
        if label not in (None, "label"):
            raise ConfigError(f"The label of an image is the folder that it lies in: leave --label {label} out.")
        facts = survey(data)
        name, path = pipeline_name(data), path_for_config(data, folder)
        write_all(folder, {SCHEMA_FILE: image_schema(facts, data), CONFIG_FILE: image_config(facts, name, path)})
        return InitResult(
            config=str(folder / CONFIG_FILE),
            schema=str(folder / SCHEMA_FILE),
            task=facts.task,
            label="label",
            rows=facts.images,
            columns=image_columns(facts),
            notes=image_notes(facts),
        )
    table = Table(data, data_format)
    label = _existing(label, tuple(table.types), data)
    columns = gather(table.batches(), table.types)
    if not columns[0].rows:
        raise DataError(f"{data} has columns but no row. Give a file with rows.")
    label_facts = next(facts for facts in columns if facts.name == label)
    as_text = None
    if table.data_format != "tfrecord" and label_facts.dtype != "bytes" and is_class_like(label_facts):
        (as_text,) = gather(table.batches({label: "bytes"}), {label: "bytes"})
    labelled = label_facts.present - label_facts.nan
    task = propose_task(label_facts, table.data_format, as_text)
    proposals = propose(columns, label)
    _check_usable(proposals)

    from pipeline.init.inference import infer_schema  # late: bad input is told before the seconds that tfdv takes

    source = pipeline_name(data)
    texts = {
        SCHEMA_FILE: schema_text(infer_schema(table.batches()), columns, proposals, task, Path(data).name),
        CONFIG_FILE: config_text(
            name=source,
            data=path_for_config(data, folder),
            data_format=table.data_format,
            label=label,
            rows=labelled,
            label_missing=label_facts.rows - labelled,
            task=task,
        ),
    }
    write_all(folder, texts)
    return InitResult(
        config=str(folder / CONFIG_FILE),
        schema=str(folder / SCHEMA_FILE),
        task=task.kind,
        label=label,
        rows=label_facts.rows,
        columns=proposals,
        notes=(*task.notes, *_note_on_rows(labelled)),
    )


def _existing(label: str | None, names: Sequence[str], data: str) -> str:
    """The label, where it is a column."""
    listed = ", ".join(map(repr, names[:30])) + (f" and {len(names) - 30} more" if len(names) > 30 else "")
    if label is None:
        raise ConfigError(f"A table needs --label, the column to predict. The columns of {data} are: {listed}.")
    if label in names:
        return label
    by_fold = {name.casefold(): name for name in names}
    close = [by_fold[name] for name in difflib.get_close_matches(label.casefold(), by_fold, n=3)]
    hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
    raise ConfigError(f"The label {label!r} is not a column of {data}.{hint} The columns are: {listed}.")


def _check_usable(proposals: Sequence[Proposal]) -> None:
    if any(proposal.role == "z_score" for proposal in proposals):
        return
    reasons = "; ".join(f"{p.name!r} is {p.role}: {p.reason.rstrip('.')}" for p in proposals if p.role != "label")
    raise DataError(
        "No numeric column is left to normalize, and a model needs at least one. "
        + (f"Of the columns, {reasons}." if reasons else "The label is the only column.")
    )


def _note_on_rows(rows: int) -> tuple[str, ...]:
    note = f"Only {rows:,} rows have a label; the metrics will be little more than chance."
    return (note,) if rows < FEW_ROWS else ()
