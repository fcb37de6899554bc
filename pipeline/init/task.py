"""Facts of the label -> what kind of task it is and how the schema declares it."""

import dataclasses
from typing import Any

from components.errors import DataError
from pipeline.init.columns import ColumnFacts

MOST_INTEGER_CLASSES = 20  # more different integers than this are taken as a quantity
MOST_TEXT_CLASSES = 1_000  # more different texts than this are no classes that a table could teach
FEW_ROWS_IN_CLASS = 10  # a class this rare may be absent from the rows trained on


@dataclasses.dataclass(frozen=True)
class Task:
    """What is to be learned.

    Attributes:
      kind: ``binary``, ``multiclass`` or ``regression``.
      dtype: how the schema declares the label: ``int64``, ``float32`` or ``bytes`` (which gets a vocabulary).
      classes: the classes as text, in the vocabulary's order; empty for regression.
      reason: why, in one sentence.
      notes: what the user should know before running.
    """

    kind: str
    dtype: str
    classes: tuple[str, ...]
    reason: str
    notes: tuple[str, ...] = ()


def is_class_like(label: ColumnFacts) -> bool:
    """The values are few enough to be classes: any text, few integers, or two numbers (0.0 and 1.0, say)."""
    most = {"bytes": MOST_TEXT_CLASSES, "int64": MOST_INTEGER_CLASSES, "float32": 2}
    return label.distinct <= most[label.dtype]


def propose_task(label: ColumnFacts, data_format: str, as_text: ColumnFacts | None = None) -> Task:
    """The task that the label's values suggest.

    Args:
      label: the facts of the label, read as what its values look like.
      data_format: csv, parquet or tfrecord.
      as_text: the facts of the same column read as text, for class-like labels of a table, where ``01``, ``1.0``
        and ``true`` are texts of their own.

    Raises:
      DataError: the label has no value, one value only, several values in a row, or texts too many to be classes; or
        it holds what a TFRecord, which is read as it stands, cannot declare.
    """
    _check(label, data_format)
    if data_format == "tfrecord" and label.missing:
        raise DataError(
            f"The label {label.name!r} is missing in {label.missing:,} of {label.rows:,} records; TFRecords are read "
            "as they are, so write the records that have one to a file of their own."
        )
    if label.dtype == "float32" and (data_format == "tfrecord" or not is_class_like(label)):
        return Task("regression", "float32", (), "numbers with a fraction are a quantity.")
    if label.dtype == "int64" and not is_class_like(label):
        reason = f"{label.distinct:,} different integers (more than {MOST_INTEGER_CLASSES}) are taken as a quantity."
        return Task("regression", "int64", (), reason)
    if not is_class_like(label):
        raise DataError(
            f"The label {label.name!r} has more than {MOST_TEXT_CLASSES:,} different texts, too many for classes. Name "
            "a column of numbers or of fewer classes."
        )
    return _classes(as_text or label, label.dtype, data_format)


def _check(label: ColumnFacts, data_format: str) -> None:
    if not label.distinct:
        raise DataError(f"The label {label.name!r} has no value in any of {label.rows:,} rows. Name another column.")
    if not label.scalar:
        raise DataError(
            f"The label {label.name!r} has up to {label.max_length:,} values in a row; a label has one. Name another."
        )
    if label.nan and (data_format == "tfrecord" or is_class_like(label)):
        raise DataError(
            f"The label {label.name!r} is NaN in {label.nan:,} rows. Leave the value out where it is missing (an empty "
            "cell, a null); rows without a label are then left out."
        )
    if label.distinct == 1:
        (value,) = label.counts
        raise DataError(
            f"The label {label.name!r} has the one value {_text(value)!r} in all of {label.present:,} rows; there is "
            "nothing to learn from it. Name a column with two values or more."
        )


def _classes(label: ColumnFacts, dtype: str, data_format: str) -> Task:
    kind = "binary" if label.distinct == 2 else "multiclass"
    texts = sorted(map(_text, label.counts), key=str.encode)
    numbered = dtype == "int64" and set(texts) == {str(number) for number in range(len(texts))}
    if dtype == "int64" and not numbered and data_format == "tfrecord":
        raise DataError(
            f"The label {label.name!r} has the classes {', '.join(texts)}; integer classes in TFRecords must be 0 to "
            f"{len(texts) - 1} without gaps, or text. Write it so, or give the table as CSV or Parquet."
        )
    classes = tuple(str(number) for number in range(len(texts))) if numbered else tuple(texts)
    how = "integers from 0 without a gap" if numbered else "taken as text, so that they get a vocabulary"
    reason = f"{len(classes):,} different values, {how}."
    if kind == "binary":
        reason += f" The score is that of {classes[1]!r}."
    return Task(kind, "int64" if numbered else "bytes", classes, reason, _notes(label))


def _notes(label: ColumnFacts) -> tuple[str, ...]:
    count, value = min((count, _text(value)) for value, count in label.counts.items())
    if count >= FEW_ROWS_IN_CLASS:
        return ()
    note = (
        f"The class {value!r} of {label.name!r} has {count:,} of {label.present:,} rows: if none of them falls into "
        "the training split, the run stops. Leave such rows out or join the class with another."
    )
    return (note,)


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
