"""The annotation tags of one schema feature -> its ``Feature``; every tag that is not understood is an error."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from tensorflow_metadata.proto.v0 import schema_pb2

from components.errors import SchemaError
from components.feature import Dtype, Feature, Image

_DTYPES: Mapping[int, Dtype] = {
    schema_pb2.FLOAT: "float32",
    schema_pb2.INT: "int64",
    schema_pb2.BYTES: "bytes",
}

# Role -> the options it understands. A role outside this table is an error, and so is an option outside its row.
_NUMERIC_OPTIONS = ("axis", "missing", "nonfinite", "clip", "log1p", "unit")
_IMAGE_OPTIONS = ("channels", "size", "scale", "layout", "corrupt")
_OPTIONS_OF_ROLE: Mapping[str, tuple[str, ...]] = {
    "z_score": _NUMERIC_OPTIONS,
    "z_score_per_key": ("missing", "nonfinite", "clip", "log1p", "unit", "min_count", "max_keys", "unseen"),
    "min_max": _NUMERIC_OPTIONS,
    "robust": _NUMERIC_OPTIONS,
    "category": ("max_keys", "unit"),
    "image": (*_IMAGE_OPTIONS, "axis", "unit"),
    "label": ("unit",),
    "weight": ("unit",),
    "passthrough": ("unit",),
    "ignore": ("unit",),
}
ROLES = tuple(_OPTIONS_OF_ROLE)
NORMALIZED_ROLES = ("z_score", "z_score_per_key", "min_max", "robust")

_DTYPES_OF_ROLE: Mapping[str, tuple[Dtype, ...]] = {
    "z_score": ("float32", "int64"),
    "z_score_per_key": ("float32", "int64"),
    "min_max": ("float32", "int64"),
    "robust": ("float32", "int64"),
    "category": ("bytes", "int64"),
    "image": ("bytes",),
    "label": ("float32", "int64", "bytes"),
    "weight": ("float32", "int64"),
    "passthrough": ("float32", "int64", "bytes"),
    "ignore": ("float32", "int64", "bytes"),
}
# Resizing counts in integers of 64 bits: a sample of 16 bits times four times height times width.
_LARGEST_SIZE = 16_384
_SPELLED_ROLES = tuple(f"{role}:<key>" if role == "z_score_per_key" else role for role in ROLES)


def feature_of(proto: schema_pb2.Feature) -> Feature:
    """Reads role and options of one feature.

    Raises:
      SchemaError: naming feature and tag, for an unknown or missing role, an unknown option or value, or a type or
        shape that the role cannot take.
    """
    name = proto.name
    if proto.type not in _DTYPES:
        raise SchemaError(f"Feature {name!r} has no type INT, FLOAT or BYTES. Declare what its values are.")
    tags = list(proto.annotation.tag)
    roles = [tag for tag in tags if tag.startswith("z_score_per_key:") or ("=" not in tag and tag != "log1p")]
    role, _, key = roles[0].partition(":") if roles else ("", "", "")
    if len(roles) != 1 or role not in ROLES or bool(key) != (role == "z_score_per_key"):
        raise SchemaError(
            f"Feature {name!r} carries role tags {roles}; exactly one of {list(_SPELLED_ROLES)} is required. "
            "Fix its annotation in the schema file."
        )
    dtype, shape = _DTYPES[proto.type], _shape(proto)
    if dtype not in _DTYPES_OF_ROLE[role]:
        raise SchemaError(
            f"Feature {name!r} is of type {schema_pb2.FeatureType.Name(proto.type)}, which role {role!r} cannot take. "
            "Change its type or its role in the schema file."
        )
    options = _options(name, role, (tag for tag in tags if tag not in roles))
    values: dict[str, Any] = {
        option: parse(name, text) for option, text in options.items() if (parse := _PARSERS.get(option))
    }
    _check_shape(name, role, shape, present_in_every_row=proto.HasField("shape"))
    if role in NORMALIZED_ROLES:
        values["axis"] = () if key else _axis(name, options.get("axis"), shape)
        if shape is None and values.get("missing") == "indicator":
            raise _bad_value(name, "missing", "indicator", "another policy: a variable-length feature has no flag")
    if role == "image":
        values["image"] = Image(**{option: values.pop(option) for option in _IMAGE_OPTIONS if option in values})
        values["axis"] = _image_axis(name, options.get("axis", "channel"))
    if role in ("label", "weight"):
        values["missing"] = "error"
    kind, _, constant = options.get("missing", "").partition(":")
    if "log1p" in options and kind == "constant" and float(constant) <= -1:
        raise _bad_value(
            name, "missing", options["missing"], "a constant greater than -1, because log1p is taken of it"
        )
    served = "SERVING" not in proto.not_in_environment and role not in ("label", "weight")
    return Feature(name, role, dtype, shape, proto.HasField("shape"), serving=served, key=key, **values)


def _check_shape(name: str, role: str, shape: tuple[int, ...] | None, *, present_in_every_row: bool) -> None:
    if role in ("category", "image", "label", "weight", "z_score_per_key") and shape not in ((), (1,)):
        raise SchemaError(
            f"Feature {name!r}: role {role!r} takes one value a row. Declare `shape {{}}` or one value_count."
        )
    if any(size < 1 for size in shape or ()):
        raise SchemaError(
            f"Feature {name!r}: every `dim` of its `shape` needs a size of at least 1, not {list(shape or ())}."
        )
    if role == "passthrough" and not present_in_every_row:
        raise SchemaError(f"Feature {name!r}: role 'passthrough' needs a value in every row. Declare a `shape`.")


def _shape(proto: schema_pb2.Feature) -> tuple[int, ...] | None:
    if proto.HasField("shape"):
        return tuple(dim.size for dim in proto.shape.dim)
    if proto.value_count.min == 1 and proto.value_count.max == 1:
        return ()
    return None


def _options(name: str, role: str, tags: Iterable[str]) -> dict[str, str]:
    options: dict[str, str] = {}
    for tag in tags:
        option, _, text = tag.partition("=")
        if option not in _OPTIONS_OF_ROLE[role] or option in options:
            problem = "twice the option" if option in options else "the unknown tag"
            raise SchemaError(
                f"Feature {name!r} carries {problem} {tag!r}; role {role!r} takes {list(_OPTIONS_OF_ROLE[role])}. "
                "Fix its annotation in the schema file."
            )
        options[option] = text
    return options


def _bad_value(name: str, option: str, text: str, allowed: str) -> SchemaError:
    return SchemaError(f"Feature {name!r}: tag '{option}={text}' must be {allowed}. Fix it in the schema file.")


def _missing(name: str, text: str) -> str:
    if text in ("mean", "indicator", "error"):
        return text
    kind, _, value = text.partition(":")
    if kind == "constant" and _finite(value) is not None:
        return text
    raise _bad_value(name, "missing", text, "mean, indicator, error or constant:<raw value>")


def _nonfinite(name: str, text: str) -> str:
    if text in ("missing", "clip", "error"):
        return text
    raise _bad_value(name, "nonfinite", text, "missing, clip or error")


def _clip(name: str, text: str) -> float:
    bound = _finite(text)
    if bound is None or bound <= 0:
        raise _bad_value(name, "clip", text, "a number of sigma greater than 0")
    return bound


def _log1p(name: str, text: str) -> bool:
    if text:
        raise _bad_value(name, "log1p", text, "given without a value")
    return True


def _max_keys(name: str, text: str) -> int:
    return _positive(name, "max_keys", text)


def _min_count(name: str, text: str) -> int:
    return _positive(name, "min_count", text)


def _positive(name: str, option: str, text: str) -> int:
    if not _is_whole(text) or int(text) < 1:
        raise _bad_value(name, option, text, "a whole number of at least 1")
    return int(text)


def _unseen(name: str, text: str) -> str:
    if text in ("global", "zero", "error"):
        return text
    raise _bad_value(name, "unseen", text, "global, zero or error")


def _unit(name: str, text: str) -> str:
    return text


def _channels(name: str, text: str) -> int:
    return int(_one_of(name, "channels", text, ("1", "3", "4")))


def _size(name: str, text: str) -> tuple[int, int]:
    height, x, width = text.partition("x")
    if not (x and all(_is_whole(part) and 1 <= int(part) <= _LARGEST_SIZE for part in (height, width))):
        raise _bad_value(name, "size", text, f"HEIGHTxWIDTH in pixels, each from 1 to {_LARGEST_SIZE}")
    return int(height), int(width)


def _scale(name: str, text: str) -> int:
    return int(_one_of(name, "scale", text, ("255", "1")))


def _layout(name: str, text: str) -> str:
    return _one_of(name, "layout", text, ("NHWC", "NCHW"))


def _corrupt(name: str, text: str) -> str:
    return _one_of(name, "corrupt", text, ("error", "skip"))


def _one_of(name: str, option: str, text: str, allowed: tuple[str, ...]) -> str:
    if text not in allowed:
        raise _bad_value(name, option, text, f"{', '.join(allowed[:-1])} or {allowed[-1]}")
    return text


def _image_axis(name: str, text: str) -> tuple[int, ...]:
    return (2,) if _one_of(name, "axis", text, ("channel", "all")) == "channel" else ()


_PARSERS = {
    "channels": _channels,
    "size": _size,
    "scale": _scale,
    "layout": _layout,
    "corrupt": _corrupt,
    "missing": _missing,
    "nonfinite": _nonfinite,
    "clip": _clip,
    "log1p": _log1p,
    "max_keys": _max_keys,
    "min_count": _min_count,
    "unseen": _unseen,
    "unit": _unit,
}


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _finite(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _axis(name: str, text: str | None, shape: tuple[int, ...] | None) -> tuple[int, ...]:
    """The kept axes: ``element`` keeps all (default of fixed shapes), ``all`` none (the one for variable length)."""
    if shape is None:
        if text not in (None, "all"):
            raise _bad_value(name, "axis", text or "", "all, because the feature is of variable length")
        return ()
    every = tuple(range(len(shape)))
    if text in (None, "element"):
        return every
    if text == "all":
        return ()
    parts = (text or "").split(",")
    if not all(_is_whole(part) and int(part) in every for part in parts) or len(set(parts)) < len(parts):
        raise _bad_value(name, "axis", text or "", f"element, all, or some of the feature's own axes {list(every)}")
    return tuple(sorted(map(int, parts)))
