"""NormalizationConstants: what an analysis found, as a mapping with a digest and a JSON form. No TensorFlow."""

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from components.errors import DataError, InputError
from components.feature_plan import Feature, FeaturePlan, model_names
from components.provenance import UNKNOWN, Provenance

FORMAT_VERSION = 1
FILE_NAME = "constants.json"
# Where a SavedModel has it, and where TFX's Model artifact has its SavedModel.
IN_A_MODEL = ("assets", "Format-Serving/assets")
_CHECKSUM = "content_sha256"

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

_COUNT_FIELDS = ("count", "missing", "nan", "pos_inf", "neg_inf")
_FLOAT_FIELDS = ("min", "max", "mean", "variance")


class DigestError(InputError):
    """The values of a constants file and its stated digest, or its decimal and hex forms, disagree."""


@dataclasses.dataclass(frozen=True, eq=False)
class KeyTable:
    """Statistics by key, each [len(keys)], keys in byte order (an int64 key as decimal text).

    Attributes:
      keys: with at least one finite value.
      count: int64, finite values seen.
      min, max: float64, of those values.
      mean, variance: float64, drawn towards the global ones where there were fewer than ``min_count`` values.
    """

    keys: tuple[bytes, ...]
    count: Counts
    min: Floats
    max: Floats
    mean: Floats
    variance: Floats

    @property
    def sigma(self) -> Floats:
        """float64 [len(keys)]."""
        return np.asarray(np.sqrt(self.variance))

    def only(self, keys: Sequence[bytes]) -> "KeyTable":
        """The statistics of these keys, each of which must be in the table, in the order given."""
        index = {key: at for at, key in enumerate(self.keys)}
        at = np.array([index[key] for key in keys], np.int64)
        arrays = {name: getattr(self, name)[at] for name in ("count", "min", "max", "mean", "variance")}
        return KeyTable(tuple(keys), **arrays)


@dataclasses.dataclass(frozen=True, eq=False)
class FeatureConstants:
    """The statistics of one feature over the whole training split.

    Attributes:
      feature: the plan's entry: name, role, dtype, shape, axis, policies, unit.
      count, missing, nan, pos_inf, neg_inf: int64 [*statistic_shape].
      min, max, mean, variance: float64 [*statistic_shape], in the feature's unit (after log1p, where asked);
        NaN for vocabularies.
      vocabulary: keys and counts; a category's by falling count, then by bytes; a label's by bytes.
      quartiles, quartile_error: of a robust feature: float64 [3, *statistic_shape], and the bound on their error.
      by_key: of a per-key feature.
      bits: of images: 16 if one of them has samples of 16 bits, else 8; 0 for anything else. Their ``count`` is that of
        pixels, their ``missing`` that of rows without an image that can be decoded.
    """

    feature: Feature
    count: Counts
    missing: Counts
    nan: Counts
    pos_inf: Counts
    neg_inf: Counts
    min: Floats
    max: Floats
    mean: Floats
    variance: Floats
    vocabulary: tuple[tuple[bytes, int], ...] = ()
    quartiles: Floats | None = None
    quartile_error: Floats | None = None
    by_key: KeyTable | None = None
    bits: int = 0

    @property
    def name(self) -> str:
        """The schema's own name."""
        return self.feature.name

    @property
    def role(self) -> str:
        """The schema's role tag."""
        return self.feature.role

    @property
    def unit(self) -> str:
        """The schema's unit, or an empty text."""
        return self.feature.unit

    @property
    def sigma(self) -> Floats:
        """float64 [*statistic_shape]: square root of the population variance."""
        return np.asarray(np.sqrt(self.variance))

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over what the data determine of this one feature."""
        return _sha256(_canonical(self))


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
        return _sha256([_canonical(constants) for constants in self.values()])

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
            "features": [_to_table(constants) for constants in self.values()],
        }
        head = {name: table.pop(name) for name in ("format_version", "digest")}
        checksum = _content_sha256(json.dumps({**head, **table}))
        return json.dumps({**head, _CHECKSUM: checksum, **table}, indent=1)

    @classmethod
    def from_json(cls, text: str | bytes, source: str = "the text given") -> "NormalizationConstants":
        """Reads what ``to_json`` wrote, same bits; also a text of an earlier release, without ``content_sha256``.

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
        by_name = {feature.name: _from_table(feature, item, source) for feature, item in tables}
        constants = cls(plan, rows, by_name, graph, provenance)
        if constants.digest != stated:
            raise DigestError(
                f"{source} states digest {stated} but its values have {constants.digest}. "
                "It was edited or damaged: analyse again."
            )
        if _CHECKSUM in table and table[_CHECKSUM] != (found := _content_sha256(text)):
            raise DigestError(
                f"{source} states {_CHECKSUM} {table[_CHECKSUM]!r}, but its content has {found}: something beside the "
                "values was edited or damaged, such as the plan or the rows. Analyse again."
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


def _content_sha256(text: str | bytes) -> str:
    """SHA-256 (hex) over a JSON text but its own checksum; not over blanks, order of keys, escapes, or 4 for 4.0."""
    table = json.loads(text, parse_float=_whole_if_it_is)
    return _sha256({key: value for key, value in table.items() if key != _CHECKSUM})


def _whole_if_it_is(text: str) -> int | float:
    number = float(text)
    return int(number) if number.is_integer() else number


def _sha256(canonical: Any) -> str:
    return hashlib.sha256(json.dumps(canonical, separators=(",", ":"), sort_keys=True).encode()).hexdigest()


def _canonical(constants: FeatureConstants) -> list[Any]:
    axis = None if constants.feature.axis is None else list(constants.feature.axis)
    counts = [getattr(constants, name).ravel().tolist() for name in _COUNT_FIELDS]
    floats = [_hexes(getattr(constants, name)) for name in _FLOAT_FIELDS]
    vocabulary = [[key.hex(), n] for key, n in constants.vocabulary]
    canonical: list[Any] = [constants.name, constants.role, axis, counts, floats, vocabulary]
    if constants.quartiles is not None and constants.quartile_error is not None:
        canonical.append([_hexes(constants.quartiles), _hexes(constants.quartile_error)])
    if constants.by_key is not None:
        table = constants.by_key
        canonical.append([[key.hex() for key in table.keys], table.count.tolist()])
        canonical.append([_hexes(getattr(table, name)) for name in _FLOAT_FIELDS])
    if constants.bits:
        canonical.append(constants.bits)
    return canonical


def _hexes(values: Floats) -> list[str]:
    return [value.hex() for value in values.ravel().tolist()]


def _to_table(constants: FeatureConstants) -> dict[str, Any]:
    table: dict[str, Any] = {
        "name": constants.name,
        "role": constants.role,
        "unit": constants.unit,
        "model_names": list(model_names(constants.feature)),
    }
    table.update({name: getattr(constants, name).tolist() for name in _COUNT_FIELDS})
    table.update(_both_forms({name: getattr(constants, name) for name in (*_FLOAT_FIELDS, "sigma")}))
    if constants.vocabulary:
        table["vocabulary"] = [[_text(key), n] for key, n in constants.vocabulary]
    if constants.quartiles is not None and constants.quartile_error is not None:
        table.update(_both_forms({"quartiles": constants.quartiles, "quartile_error": constants.quartile_error}))
    if constants.bits:
        table["bits"] = constants.bits
    if (by_key := constants.by_key) is not None:
        table["by_key"] = {"keys": [_text(key) for key in by_key.keys], "count": by_key.count.tolist()}
        table["by_key"].update(_both_forms({name: getattr(by_key, name) for name in (*_FLOAT_FIELDS, "sigma")}))
    return table


def _both_forms(arrays: Mapping[str, Floats]) -> dict[str, Any]:
    """JSON knows neither NaN nor infinity: the decimal form is for people, the hex form is read back."""
    table = {}
    for name, values in arrays.items():
        table[name] = _nested(values, lambda x: x if np.isfinite(x) else str(x))
        table[f"{name}_hex"] = _nested(values, float.hex)
    return table


def _text(key: bytes) -> str:
    return key.decode("utf-8", "surrogateescape")


def _key(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _nested(values: Floats, form: Any) -> Any:
    items = np.empty(values.size, dtype=object)
    items[:] = [form(x) for x in values.ravel().tolist()]
    return items.reshape(values.shape).tolist()


def _from_table(feature: Feature, table: Mapping[str, Any], source: str) -> FeatureConstants:
    """Reads counts, hex forms and vocabulary; all that ``_to_table`` derives from them must be what the table says."""
    try:
        values: dict[str, Any] = {name: np.asarray(table[name], np.int64) for name in _COUNT_FIELDS}
        values.update({name: _floats(table[f"{name}_hex"]) for name in _FLOAT_FIELDS})
        values["vocabulary"] = tuple((_key(key), n) for key, n in table.get("vocabulary", ()))
        if "quartiles_hex" in table:
            values.update({name: _floats(table[f"{name}_hex"]) for name in ("quartiles", "quartile_error")})
        if "bits" in table:
            values["bits"] = int(table["bits"])
        if "by_key" in table:
            values["by_key"] = _key_table(table["by_key"])
        constants = FeatureConstants(feature, **values)
        derived = _to_table(constants)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise DigestError(f"{source}: the values of {feature.name!r} are damaged: {error!r}. Analyse again.") from error
    for key, value in derived.items():
        if table.get(key) != value:
            raise DigestError(
                f"{source}: {feature.name!r} has {key} {table.get(key)!r}, but its other values give {value!r}. "
                "It was edited or damaged: analyse again."
            )
    return constants


def _floats(hexes: Any) -> Floats:
    return np.asarray(np.vectorize(float.fromhex, otypes=[np.float64])(hexes))


def _key_table(table: Mapping[str, Any]) -> KeyTable:
    floats = {name: _floats(table[f"{name}_hex"]) for name in _FLOAT_FIELDS}
    return KeyTable(tuple(map(_key, table["keys"])), count=np.asarray(table["count"], np.int64), **floats)
