"""NormalizationConstants: what an analysis found, as a mapping with a digest and a file form. No TensorFlow."""

import dataclasses
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from components.constants_json import CHECKSUM, content_sha256, feature_of_table, feature_table
from components.errors import DataError, DigestError
from components.feature_constants import FeatureConstants, KeyTable, canonical, sha256_of
from components.feature_plan import FeaturePlan
from components.provenance import UNKNOWN, Provenance

__all__ = [
    "FILE_NAME",
    "FORMAT_VERSION",
    "IN_A_MODEL",
    "DigestError",
    "FeatureConstants",
    "KeyTable",
    "NormalizationConstants",
]

FORMAT_VERSION = 1
FILE_NAME = "constants.json"
# Where a SavedModel has it, and where TFX's Model artifact has its SavedModel.
IN_A_MODEL = ("assets", "Format-Serving/assets")


@dataclasses.dataclass(frozen=True, eq=False)
class NormalizationConstants(Mapping[str, FeatureConstants]):
    """Constants by the schema's own feature name, in schema order.

    Attributes:
      plan: the plan that the analysis followed.
      rows: rows analysed.
      graph_sha256: hex SHA-256 of the frozen graph that was written with them; empty where none was. No part of the
        digest, which says what the data are and not how they are applied.
      provenance: where they come from, as far as it is known; no part of the digest either.
    """

    plan: FeaturePlan
    rows: int
    by_name: Mapping[str, FeatureConstants]
    graph_sha256: str = ""
    provenance: Provenance = UNKNOWN

    def __getitem__(self, name: str) -> FeatureConstants:
        """The constants of one feature."""
        return self.by_name[name]

    def __iter__(self) -> Iterator[str]:
        """Feature names in schema order."""
        return iter(self.by_name)

    def __len__(self) -> int:
        """How many features were analysed."""
        return len(self.by_name)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over what the data determine: names, roles, axes, counts, statistics, vocabularies."""
        return sha256_of([canonical(constants) for constants in self.values()])

    def with_graph(self, sha256: str) -> "NormalizationConstants":
        """The same constants, written with a frozen graph of this SHA-256 (hex)."""
        return dataclasses.replace(self, graph_sha256=sha256)

    def with_provenance(self, provenance: Provenance) -> "NormalizationConstants":
        """The same constants, said to come from there."""
        return dataclasses.replace(self, provenance=provenance)

    def to_json(self) -> str:
        """JSON with ``format_version``; floats as decimal for people and as hex, which is what is read back.

        ``digest`` covers what the data determine, ``content_sha256`` everything in the file.
        """
        table = {
            "format_version": FORMAT_VERSION,
            "digest": self.digest,
            **({"frozen_graph_sha256": self.graph_sha256} if self.graph_sha256 else {}),
            **self.provenance.to_table(),
            "rows": self.rows,
            "plan": json.loads(self.plan.to_json()),
            "features": [feature_table(constants) for constants in self.values()],
        }
        head = {name: table.pop(name) for name in ("format_version", "digest")}
        checksum = content_sha256(json.dumps({**head, **table}))
        return json.dumps({**head, CHECKSUM: checksum, **table}, indent=1)

    @classmethod
    def from_json(cls, text: str | bytes, source: str = "the text given") -> "NormalizationConstants":
        """Reads what ``to_json`` wrote, same bits.

        Raises:
          DataError: not such a JSON text, or another format version.
          DigestError: values that do not agree with each other or with the stated digest, or anything else that is not
            as it was written (plan, rows, provenance).
        """
        try:
            table = json.loads(text)
            version = table["format_version"]
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{source} holds no normalization constants: {error!r}.") from error
        if type(version) is not int or version != FORMAT_VERSION:  # to Python, True and 1.0 are 1
            raise DataError(
                f"{source} has format_version {version!r}; this version reads {FORMAT_VERSION}. "
                "Use the release that wrote it, or analyse again."
            )
        try:
            plan, stated, rows = FeaturePlan.from_json(json.dumps(table["plan"])), table["digest"], int(table["rows"])
            features = {feature.name: feature for feature in plan.features}
            tables = [(features[item["name"]], item) for item in table["features"]]
            graph = str(table.get("frozen_graph_sha256", ""))
            provenance = Provenance.from_table(table)
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{source} holds damaged normalization constants: {error!r}. Analyse again.") from error
        by_name = {feature.name: feature_of_table(feature, item, source) for feature, item in tables}
        constants = cls(plan, rows, by_name, graph, provenance)
        if constants.digest != stated:
            raise DigestError(
                f"{source} states digest {stated} but its values have {constants.digest}. "
                "It was edited or damaged: analyse again."
            )
        if table.get(CHECKSUM) != (found := content_sha256(text)):
            raise DigestError(
                f"{source} states {CHECKSUM} {table.get(CHECKSUM)!r}, but its content has {found}: something "
                "beside the values was edited or damaged, such as the plan or the rows. Analyse again."
            )
        return constants

    @classmethod
    def load(cls, where: str | os.PathLike[str]) -> "NormalizationConstants":
        """Reads a constants file, or ``constants.json`` in a folder; a URI with a scheme through ``tf.io.gfile``.

        Raises:
          DataError: nothing readable there.
          DigestError: see ``from_json``.
        """
        path = str(where)
        file = path if path.endswith(".json") else f"{path.rstrip('/')}/{FILE_NAME}"
        try:
            return cls.from_json(_read(file), file)
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"No constants at {file}: {error}. Give a file, or a folder with {FILE_NAME}.") from error

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the JSON file, whole or not at all; to a URI with a scheme through ``tf.io.gfile``."""
        if "://" in str(path):
            _write_remote(str(path), self.to_json())
            return
        file = Path(path)
        temporary = file.with_name(f".{file.name}.{os.getpid()}")
        temporary.write_text(self.to_json(), encoding="utf-8")
        temporary.replace(file)


def _read(file: str) -> str:
    if "://" in file:
        import tensorflow as tf

        try:
            with tf.io.gfile.GFile(file) as stream:
                return str(stream.read())
        except tf.errors.OpError as error:
            raise OSError(error.message) from error
    return Path(file).read_text(encoding="utf-8")


def _write_remote(file: str, text: str) -> None:
    import tensorflow as tf

    temporary = f"{file}.{os.getpid()}"
    with tf.io.gfile.GFile(temporary, "w") as stream:
        stream.write(text)
    tf.io.gfile.rename(temporary, file, overwrite=True)
