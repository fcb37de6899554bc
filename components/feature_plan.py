"""Schema -> FeaturePlan: which column, which role, which policy. No TensorFlow; JSON both ways, the same plan."""

import dataclasses
import json
import pickle
from collections.abc import Mapping
from typing import Any

from tensorflow_metadata.proto.v0 import schema_pb2

from components.errors import SchemaError
from components.feature import Dtype, Feature, Image, model_name, model_names
from components.feature_tags import NORMALIZED_ROLES, ROLES, feature_of

__all__ = ["NORMALIZED_ROLES", "ROLES", "Dtype", "Feature", "FeaturePlan", "Image", "model_name", "model_names"]


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
        plan = cls(tuple(feature_of(feature) for feature in schema.feature))
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
        """The numeric features that get a center and a scale, in schema order."""
        return self.with_role(*NORMALIZED_ROLES)

    @property
    def images(self) -> tuple[Feature, ...]:
        """The encoded images, in schema order."""
        return self.with_role("image")

    @property
    def weight(self) -> Feature | None:
        """The weight of each row, where the schema has one."""
        return next(iter(self.with_role("weight")), None)

    @property
    def keys(self) -> tuple[Feature, ...]:
        """The columns that per-key features group by, in schema order; whatever their own role."""
        names = {feature.key for feature in self.with_role("z_score_per_key")}
        return tuple(feature for feature in self.features if feature.name in names)

    @property
    def used(self) -> tuple[Feature, ...]:
        """All features that become something in the model: all but the ignored ones."""
        return tuple(feature for feature in self.features if feature.role != "ignore")

    @property
    def read(self) -> tuple[Feature, ...]:
        """All features that are parsed: the used ones, and ignored ones that are somebody's key."""
        keys = {feature.name for feature in self.keys}
        return tuple(feature for feature in self.features if feature.role != "ignore" or feature.name in keys)

    @property
    def inputs(self) -> tuple[Feature, ...]:
        """What the transform takes: all that is read but label and weight."""
        return tuple(feature for feature in self.read if feature.role not in ("label", "weight"))

    @property
    def served(self) -> tuple[Feature, ...]:
        """What a serving request carries: the inputs that the schema does not keep out of the environment SERVING."""
        return tuple(feature for feature in self.inputs if feature.serving)

    def to_json(self) -> str:
        """The plan as JSON text; ``from_json`` gives the equal plan back."""
        return json.dumps([_to_table(feature) for feature in self.features], separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "FeaturePlan":
        """The plan that ``to_json`` wrote."""
        return cls(tuple(_from_table(table) for table in json.loads(text)))

    def __reduce__(self) -> tuple[Any, tuple[bytes]]:
        """Beam pickles a plan into every step, by dill, which takes 40 times as long for thousands of features."""
        return _unpickled, (pickle.dumps(self.features),)

    def require_image_sizes(self) -> None:
        """Returns where every image has a size, as a transform graph of tf.Transform needs it.

        Raises:
          SchemaError: naming the image that has none.
        """
        for feature in self.images:
            if feature.image is not None and feature.image.size is None:
                raise SchemaError(
                    f"Feature {feature.name!r} needs the tag size=HEIGHTxWIDTH in a pipeline, because tf.Transform "
                    "takes no images of unknown size. Add it in the schema file; images of that size stay as they are."
                )

    def _check(self) -> None:
        for role in ("label", "weight"):
            names = [feature.name for feature in self.with_role(role)]
            if len(names) > 1:
                raise SchemaError(
                    f"Features {names} are all tagged {role!r}; at most one may be. Fix their annotations."
                )
        self._check_keys()
        if not self.normalized and not self.images:
            raise SchemaError(
                f"No feature to normalize: none is tagged {' or '.join(map(repr, NORMALIZED_ROLES))}. "
                "Tag at least one numeric feature, or an 'image', in the schema file."
            )
        self._check_names()

    def _check_keys(self) -> None:
        by_name = {feature.name: feature for feature in self.features}
        for feature in self.with_role("z_score_per_key"):
            key = by_name.get(feature.key)
            if (
                key in (None, feature)
                or key.role in ("label", "weight")
                or key.dtype == "float32"
                or key.model_shape != ()
            ):
                raise SchemaError(
                    f"Feature {feature.name!r} groups by {feature.key!r}, which must be another feature of the schema "
                    "with one INT or BYTES value a row, and neither label nor weight. Fix the tag in the schema file."
                )

    def _check_names(self) -> None:
        owner: dict[str, str] = {}
        for feature in self.used:
            for name in model_names(feature):
                if name in owner:
                    raise SchemaError(
                        f"Features {owner[name]!r} and {feature.name!r} both become {name!r} in the model. Rename one."
                    )
                owner[name] = feature.name


def _unpickled(features: bytes) -> FeaturePlan:
    return FeaturePlan(pickle.loads(features))


def _to_table(feature: Feature) -> dict[str, Any]:
    table = dataclasses.asdict(feature)
    return table if feature.image is not None else {name: value for name, value in table.items() if name != "image"}


def _from_table(table: Mapping[str, Any]) -> Feature:
    def as_tuple(value: Any) -> tuple[int, ...] | None:
        return None if value is None else tuple(value)

    image = None
    if table.get("image") is not None:
        image = Image(**{**table["image"], "size": as_tuple(table["image"]["size"])})
    return Feature(**{**table, "shape": as_tuple(table["shape"]), "axis": as_tuple(table["axis"]), "image": image})
