"""``constants.json``: one feature as a JSON object and back with the same bits, and a checksum over the whole file."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from components.errors import DigestError
from components.feature import Feature, model_names
from components.feature_constants import (
    COUNT_FIELDS,
    FLOAT_FIELDS,
    FeatureConstants,
    Floats,
    KeyTable,
    sha256_of,
)

CHECKSUM = "content_sha256"


def feature_table(constants: FeatureConstants) -> dict[str, Any]:
    """The JSON object of one feature."""
    table: dict[str, Any] = {
        "name": constants.name,
        "role": constants.role,
        "unit": constants.unit,
        "model_names": list(model_names(constants.feature)),
    }
    table.update({name: getattr(constants, name).tolist() for name in COUNT_FIELDS})
    table.update(_both_forms({name: getattr(constants, name) for name in (*FLOAT_FIELDS, "sigma")}))
    if constants.vocabulary:
        table["vocabulary"] = [[_text(key), n] for key, n in constants.vocabulary]
    if constants.quartiles is not None and constants.quartile_error is not None:
        table.update(_both_forms({"quartiles": constants.quartiles, "quartile_error": constants.quartile_error}))
    if constants.bits:
        table["bits"] = constants.bits
    if (by_key := constants.by_key) is not None:
        table["by_key"] = {"keys": [_text(key) for key in by_key.keys], "count": by_key.count.tolist()}
        table["by_key"].update(_both_forms({name: getattr(by_key, name) for name in (*FLOAT_FIELDS, "sigma")}))
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


def feature_of_table(feature: Feature, table: Mapping[str, Any], source: str) -> FeatureConstants:
    """Reads counts, hex forms and vocabulary; all that ``feature_table`` derives from them must be what the table says.

    Raises:
      DigestError: it is not, or they are damaged; ``source`` is named.
    """
    try:
        values: dict[str, Any] = {name: np.asarray(table[name], np.int64) for name in COUNT_FIELDS}
        values.update({name: _floats(table[f"{name}_hex"]) for name in FLOAT_FIELDS})
        values["vocabulary"] = tuple((_key(key), n) for key, n in table.get("vocabulary", ()))
        if "quartiles_hex" in table:
            values.update({name: _floats(table[f"{name}_hex"]) for name in ("quartiles", "quartile_error")})
        if "bits" in table:
            values["bits"] = int(table["bits"])
        if "by_key" in table:
            values["by_key"] = _key_table(table["by_key"])
        constants = FeatureConstants(feature, **values)
        derived = feature_table(constants)
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
    floats = {name: _floats(table[f"{name}_hex"]) for name in FLOAT_FIELDS}
    return KeyTable(tuple(map(_key, table["keys"])), count=np.asarray(table["count"], np.int64), **floats)


def content_sha256(text: str | bytes) -> str:
    """SHA-256 (hex) over a JSON text but its own checksum; not over blanks, order of keys, escapes, or 4 for 4.0."""
    table = json.loads(text, parse_float=_whole_if_it_is)
    return sha256_of({key: value for key, value in table.items() if key != CHECKSUM})


def _whole_if_it_is(text: str) -> int | float:
    number = float(text)
    return int(number) if number.is_integer() else number
