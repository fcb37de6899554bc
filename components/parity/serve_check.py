"""Does an exported model compute what its constants say? Its signatures beside a NumPy reference, on real rows."""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from components.errors import DataError
from components.feature_plan import model_names
from components.frozen import FrozenTransform, named_tensors
from components.frozen.damage import named
from components.frozen.record_files import compression_of, matching_files
from components.parity.reference import Row, reference
from components.parity.ulps import worst_ulps

# One rounding of the product to float32, and no more.
MOST_ULPS = 1.0


Tensors = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class ServeCheck:
    """What was compared.

    Attributes:
      digest: of the model's constants.
      rows: compared.
      ulps: by model tensor, the largest distance between the signature ``transform_features`` and the reference.
      raw_scores_differ: by output, rows in which ``serving_raw`` and ``serving_default`` do not give the same bits.
      transformed_scores_differ: by output, rows in which ``serving_default`` is not what ``predict_transformed`` gives
        for the tensors of ``transform_features``; empty for a model of variable lengths, which has no such signature.
    """

    digest: str
    rows: int
    ulps: dict[str, float]
    raw_scores_differ: dict[str, int]
    transformed_scores_differ: dict[str, int]

    @property
    def failures(self) -> list[str]:
        """A sentence for each thing that is wrong."""
        far = [f"{name} is {ulps:g} ulp from its constants" for name, ulps in self.ulps.items() if ulps > MOST_ULPS]
        return far + self.disagreements

    @property
    def disagreements(self) -> list[str]:
        """A sentence for each pair of signatures that gives different scores."""
        compared = {
            "of serving_raw differs from serving_default": self.raw_scores_differ,
            "of serving_default is not predict_transformed of transform_features": self.transformed_scores_differ,
        }
        return [
            f"{name} {what} in {n} of {self.rows} rows"
            for what, by_name in compared.items()
            for name, n in by_name.items()
            if n
        ]


def serve_check(model: str, data: str, rows: int) -> ServeCheck:
    """Compares the first rows of TFRecord files (a file, a folder or a glob) in a model's signatures."""
    return served(model, data, rows)[0]


def served(model: str, data: str, rows: int) -> tuple[ServeCheck, Tensors]:
    """The comparison, and what ``transform_features`` gives for these rows, by model tensor.

    Raises:
      DataError: no model with constants there, no such file, or a record that cannot be read.
      DigestError: the model's constants do not agree with themselves or with its graph.
    """
    frozen = FrozenTransform.load(model)
    try:
        signatures = tf.saved_model.load(model).signatures
    except (OSError, tf.errors.OpError) as error:
        raise DataError(f"No SavedModel at {model}: {error}") from error
    lacking = {"serving_default", "serving_raw", "transform_features"} - set(signatures)
    if lacking:
        raise DataError(f"The model at {model} has no signature {min(lacking)!r}; it has {', '.join(signatures)}.")
    files = matching_files(f"{data}/*" if Path(data).is_dir() else data)
    with named(files, lambda texts: frozen.parse(texts, label=False)):
        texts = first_records(files, rows)
        transformed = signatures["transform_features"](examples=tf.constant(texts, tf.string))
        by_default = signatures["serving_default"](examples=tf.constant(texts, tf.string))
    examples = [row_of(text) for text in texts]
    by_name = signatures["serving_raw"](**_named(frozen, examples))
    again = signatures["predict_transformed"](**transformed) if "predict_transformed" in signatures else {}
    expected = reference(frozen.constants, [_carried(frozen, row) for row in examples])
    names = [name for f in frozen.plan.inputs for name in model_names(f) if name in expected]
    tensors = {name: _dense(transformed, name) for name in names}
    check = ServeCheck(
        digest=frozen.digest,
        rows=len(texts),
        ulps={name: worst_ulps(tensors[name], expected[name]) for name in names},
        raw_scores_differ={name: _differing(by_default[name], by_name[name]) for name in by_default},
        transformed_scores_differ={name: _differing(by_default[name], again[name]) for name in again},
    )
    return check, tensors


def first_records(files: Sequence[str], rows: int) -> list[bytes]:
    """The first records of TFRecord files; raises DataError where there is none."""
    records = itertools.chain.from_iterable(
        tf.data.TFRecordDataset(file, compression_of(file)).as_numpy_iterator() for file in files
    )
    texts = list(itertools.islice(records, rows))
    if not texts:
        raise DataError(f"{files[0]} and {len(files) - 1} more files hold no record: give the examples to check.")
    return texts


def row_of(text: bytes) -> Row:
    """A serialized tf.Example as values by the schema's own names."""
    features = tf.train.Example.FromString(text).features.feature
    return {name: list(_values(feature)) for name, feature in features.items()}


def _values(feature: Any) -> Iterator[Any]:
    kind = feature.WhichOneof("kind")
    return iter(getattr(feature, kind).value) if kind else iter(())


def _carried(frozen: FrozenTransform, row: Row) -> Row:
    """What of a row a serving request carries."""
    return {feature.name: row[feature.name] for feature in frozen.plan.served if feature.name in row}


def _named(frozen: FrozenTransform, rows: Sequence[Row]) -> dict[str, tf.Tensor]:
    """The rows as the signature ``serving_raw`` takes them."""
    named_rows = {}
    specs = named_tensors.tensor_specs(frozen.plan)
    for feature, (name, spec) in zip(frozen.plan.served, specs.items(), strict=True):
        is_text = spec.dtype == tf.string
        width = max([1, *(len(row.get(feature.name, ())) for row in rows)])
        table = np.full([len(rows), width], b"" if is_text else np.nan, object if is_text else np.float64)
        for at, row in enumerate(rows):
            table[at, : len(row.get(feature.name, ()))] = row.get(feature.name, ())
        shape = [len(rows), *(width if size is None else size for size in spec.shape[1:])]
        named_rows[name] = tf.constant(table.reshape(shape), spec.dtype)
    return named_rows


def _dense(transformed: Any, name: str) -> Any:
    value = transformed[name]
    return value.values.numpy() if isinstance(value, tf.SparseTensor) else value.numpy()


def _differing(one: tf.Tensor, other: tf.Tensor) -> int:
    found, expected = one.numpy(), other.numpy()
    same = np.asarray(found == expected)
    if found.dtype.kind == "f":
        same |= np.isnan(found) & np.isnan(expected)
    return int((~same.reshape(len(same), -1).all(axis=1)).sum())
