"""Schema -> FeaturePlan: which column, which role, which policy. No TensorFlow; JSON both ways, the same plan."""

import dataclasses
import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from tensorflow_metadata.proto.v0 import schema_pb2

from components.errors import SchemaError

Dtype = Literal["float32", "int64", "bytes"]

_DTYPES: Mapping[int, Dtype] = {
    schema_pb2.FLOAT: "float32",
    schema_pb2.INT: "int64",
    schema_pb2.BYTES: "bytes",
}

# Role -> the options it understands. A role outside this table is an error, and so is an option outside its row.
_NUMERIC_OPTIONS = ("axis", "missing", "nonfinite", "clip", "log1p", "unit")
_OPTIONS_OF_ROLE: Mapping[str, tuple[str, ...]] = {
    "z_score": _NUMERIC_OPTIONS,
    "min_max": _NUMERIC_OPTIONS,
    "category": ("max_keys", "unit"),
    "label": ("unit",),
    "passthrough": ("unit",),
    "ignore": ("unit",),
}
ROLES = tuple(_OPTIONS_OF_ROLE)
NORMALIZED_ROLES = ("z_score", "min_max")

_DTYPES_OF_ROLE: Mapping[str, tuple[Dtype, ...]] = {
    "z_score": ("float32", "int64"),
    "min_max": ("float32", "int64"),
    "category": ("bytes", "int64"),
    "label": ("float32", "int64", "bytes"),
    "passthrough": ("float32", "int64", "bytes"),
    "ignore": ("float32", "int64", "bytes"),
}

# More distinct texts than this in one category is, as a rule, an identifier; a tag max_keys=<n> raises it.
DEFAULT_MAX_KEYS = 100_000


@dataclasses.dataclass(frozen=True)
class Feature:
    """One column: what it holds and what becomes of it.

    Attributes:
      name: the schema's own name.
      role: one of ``ROLES``.
      dtype: what a tf.Example holds.
      shape: of one row's value, ``()`` for a scalar, None for variable length.
      dense: present in every row (the schema gives a ``shape``); otherwise a row may lack it.
      serving: part of what a serving request carries.
      axis: the axes of ``shape`` that keep their own statistics; None where the role takes none.
      missing: ``mean``, ``indicator``, ``error`` or ``constant:<raw value>``.
      nonfinite: ``missing``, ``clip`` or ``error``.
      clip: bound on the normalized value in sigma; 0 = none.
      log1p: the logarithm of 1 + x is taken in float64 before the statistics.
      max_keys: largest vocabulary allowed.
      unit: free text for people.
    """

    name: str
    role: str
    dtype: Dtype
    shape: tuple[int, ...] | None
    dense: bool
    serving: bool = True
    axis: tuple[int, ...] | None = None
    missing: str = "mean"
    nonfinite: str = "missing"
    clip: float = 0.0
    log1p: bool = False
    max_keys: int = DEFAULT_MAX_KEYS
    unit: str = ""

    @property
    def statistic_shape(self) -> tuple[int, ...]:
        """Shape of the feature's statistics: the sizes of the axes it keeps."""
        return tuple(self.shape[a] for a in self.axis or ()) if self.shape is not None else ()

    @property
    def model_shape(self) -> tuple[int, ...] | None:
        """Shape of one row of the model's tensor: ``[1]`` is a scalar, as is an optional value."""
        return () if self.shape in ((), (1,)) else self.shape


@dataclasses.dataclass(frozen=True)
class FeaturePlan:
    """What a preprocessing_fn, a parser and a model need to know of a schema; features in schema order."""

    features: tuple[Feature, ...]

    @classmethod
    def from_schema(cls, schema: schema_pb2.Schema) -> "FeaturePlan":
        """Reads roles and options from the annotation tags of each feature.

        Raises:
          SchemaError: naming feature and tag, for an unknown or missing role, an unknown option or value, a type
            that the role cannot take, two labels, two names with one model name, or nothing to normalize.
        """
        plan = cls(tuple(_feature(feature, schema) for feature in schema.feature))
        plan._check()
        return plan

    def with_role(self, *roles: str) -> tuple[Feature, ...]:
        """The features of these roles, in schema order."""
        return tuple(feature for feature in self.features if feature.role in roles)

    @property
    def label(self) -> Feature | None:
        """The label, where the schema has one."""
        return next(iter(self.with_role("label")), None)

    @property
    def normalized(self) -> tuple[Feature, ...]:
        """The numeric features that get a mean and a sigma, or a minimum and a maximum."""
        return self.with_role(*NORMALIZED_ROLES)

    @property
    def used(self) -> tuple[Feature, ...]:
        """All features but the ignored ones."""
        return tuple(feature for feature in self.features if feature.role != "ignore")

    @property
    def inputs(self) -> tuple[Feature, ...]:
        """What a model reads: all used features but the label."""
        return tuple(feature for feature in self.used if feature.role != "label")

    def to_json(self) -> str:
        """The plan as JSON text; ``from_json`` gives the equal plan back."""
        return json.dumps([dataclasses.asdict(feature) for feature in self.features], separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "FeaturePlan":
        """The plan that ``to_json`` wrote."""
        return cls(tuple(_from_table(table) for table in json.loads(text)))

    def _check(self) -> None:
        labels = [feature.name for feature in self.with_role("label")]
        if len(labels) > 1:
            raise SchemaError(f"Features {labels} are all tagged 'label'; at most one may be. Fix their annotations.")
        if not self.normalized:
            raise SchemaError(
                f"No feature to normalize: none is tagged {' or '.join(map(repr, NORMALIZED_ROLES))}. "
                "Tag at least one numeric feature in the schema file."
            )
        owner: dict[str, str] = {}
        for feature in self.used:
            for name in model_names(feature):
                if name in owner:
                    raise SchemaError(
                        f"Features {owner[name]!r} and {feature.name!r} both become {name!r} in the model. Rename one."
                    )
                owner[name] = feature.name


def model_name(feature: str) -> str:
    """A name that a model or a serving signature can carry: letters, digits and underscores, no leading digit.

    The one function that maps names: any other run of characters becomes one underscore. A name with letters beyond
    ASCII gets eight hex digits of its SHA-256, so that two such names stay apart.
    """
    name = re.sub(r"[^0-9A-Za-z]+", "_", feature).strip("_")
    if not name or not feature.isascii():
        name = f"{name or 'feature'}_{hashlib.sha256(feature.encode()).hexdigest()[:8]}"
    return f"f_{name}" if name[0].isdigit() else name


def model_names(feature: Feature) -> tuple[str, ...]:
    """The model's tensors that come from one feature: its value and, for ``missing=indicator``, a flag."""
    name = model_name(feature.name)
    return (name, f"{name}_missing") if feature.missing == "indicator" else (name,)


def _from_table(table: Mapping[str, Any]) -> Feature:
    def as_tuple(value: Any) -> tuple[int, ...] | None:
        return None if value is None else tuple(value)

    return Feature(**{**table, "shape": as_tuple(table["shape"]), "axis": as_tuple(table["axis"])})


def _feature(proto: schema_pb2.Feature, schema: schema_pb2.Schema) -> Feature:
    name = proto.name
    if proto.type not in _DTYPES:
        raise SchemaError(f"Feature {name!r} has no type INT, FLOAT or BYTES. Declare what its values are.")
    tags = list(proto.annotation.tag)
    roles = [tag for tag in tags if "=" not in tag and tag != "log1p"]
    if len(roles) != 1 or roles[0] not in ROLES:
        raise SchemaError(
            f"Feature {name!r} carries role tags {roles}; exactly one of {list(ROLES)} is required. "
            "Fix its annotation in the schema file."
        )
    role, dtype, shape = roles[0], _DTYPES[proto.type], _shape(proto)
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
    if role in NORMALIZED_ROLES and shape is not None:
        values["axis"] = _axis(name, options.get("axis"), shape)
    if role == "label":
        values["missing"] = "error"
    kind, _, constant = options.get("missing", "").partition(":")
    if "log1p" in options and kind == "constant" and float(constant) <= -1:
        raise _bad_value(
            name, "missing", options["missing"], "a constant greater than -1, because log1p is taken of it"
        )
    served = "SERVING" not in proto.not_in_environment and role != "label"
    return Feature(name, role, dtype, shape, proto.HasField("shape"), serving=served, **values)


def _check_shape(name: str, role: str, shape: tuple[int, ...] | None, *, present_in_every_row: bool) -> None:
    if role in ("category", "label") and shape not in ((), (1,)):
        raise SchemaError(f"Feature {name!r}: a {role} holds one value a row. Declare `shape {{}}` or one value_count.")
    if any(size < 1 for size in shape or ()):
        raise SchemaError(
            f"Feature {name!r}: every `dim` of its `shape` needs a size of at least 1, not {list(shape or ())}."
        )
    if role in NORMALIZED_ROLES and shape is None:
        raise SchemaError(
            f"Feature {name!r} is of variable length, which role {role!r} cannot take. Declare a `shape`, or "
            "`value_count { min: 1 max: 1 }` for at most one value a row, or tag it 'ignore'."
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
    if not _is_whole(text) or int(text) < 1:
        raise _bad_value(name, "max_keys", text, "a whole number of at least 1")
    return int(text)


def _unit(name: str, text: str) -> str:
    return text


_PARSERS = {
    "missing": _missing,
    "nonfinite": _nonfinite,
    "clip": _clip,
    "log1p": _log1p,
    "max_keys": _max_keys,
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


def _axis(name: str, text: str | None, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The kept axes: ``element``, the default, keeps all; ``all`` none, for one statistic."""
    every = tuple(range(len(shape)))
    if text in (None, "element"):
        return every
    if text == "all":
        return ()
    parts = (text or "").split(",")
    if not all(_is_whole(part) and int(part) in every for part in parts) or len(set(parts)) < len(parts):
        raise _bad_value(name, "axis", text or "", f"element, all, or some of the feature's own axes {list(every)}")
    return tuple(sorted(map(int, parts)))
