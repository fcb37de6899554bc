"""Constants from elsewhere for a plan of one's own: do they fit? No pass over the data, no TensorFlow."""

import dataclasses
from collections.abc import Iterator

from components.constants import NormalizationConstants
from components.errors import SchemaError
from components.feature_plan import Feature, FeaturePlan
from components.moments.table_statistics import analyzed
from components.provenance import Provenance

# What the numbers mean depends on these. The policies (missing, nonfinite, clip, unseen) are applied to the numbers,
# and may differ.
_MUST_AGREE = ("role", "dtype", "shape", "axis", "key", "log1p", "min_count", "image")


def fitted(constants: NormalizationConstants, plan: FeaturePlan, source: str) -> NormalizationConstants:
    """The constants, in the plan's order and under the plan's policies, as if the plan had been analysed.

    The digest is the same, unless the plan has the features in another order.

    Args:
      constants: of an analysis done elsewhere.
      plan: what the transform will follow.
      source: where the constants were found; recorded in the result's provenance with their digest and what they state
        of their schema and code. Its own schema and code are for the caller to add.

    Raises:
      SchemaError: listing everything that does not fit: a feature on one side only; another role, dtype, shape, axis,
        key (or dtype of the key), log1p or min_count; another unit where both state one; more keys than max_keys.
    """
    differences = list(_differences(constants, plan))
    if differences:
        raise SchemaError(
            f"The constants of {source} do not fit the schema: {'; '.join(differences)}. "
            "Change the schema's tags, or analyse the data instead."
        )
    by_name = {
        feature.name: dataclasses.replace(constants[feature.name], feature=feature) for feature in analyzed(plan)
    }
    made = constants.provenance
    provenance = Provenance(
        spans=made.spans,
        source=source,
        source_digest=constants.digest,
        source_schema_digest=made.schema_digest,
        source_code_version=made.code_version,
    )
    return NormalizationConstants(plan, constants.rows, by_name, provenance=provenance)


def _differences(constants: NormalizationConstants, plan: FeaturePlan) -> Iterator[str]:
    wanted = {feature.name: feature for feature in analyzed(plan)}
    yield from (f"{name!r} has no constants" for name in wanted if name not in constants)
    yield from (f"{name!r} has constants but no such part in the schema" for name in constants if name not in wanted)
    columns = {feature.name: feature for feature in constants.plan.features}
    columns_wanted = {feature.name: feature for feature in plan.features}
    for name, feature in wanted.items():
        if name not in constants:
            continue
        found = constants[name].feature
        yield from _of_feature(found, feature)
        if feature.key and feature.key == found.key:
            one, other = columns[found.key].dtype, columns_wanted[feature.key].dtype
            if one != other:
                yield f"{name!r} has keys of dtype {one} but the schema says {other}"
        by_key = constants[name].by_key
        keys = len(by_key.keys) if by_key is not None else len(constants[name].vocabulary)
        if feature.role in ("category", "z_score_per_key") and keys > feature.max_keys:
            yield f"{name!r} has {keys} keys but the schema allows max_keys={feature.max_keys}"


def _of_feature(found: Feature, wanted: Feature) -> Iterator[str]:
    for setting in _MUST_AGREE:
        one, other = getattr(found, setting), getattr(wanted, setting)
        if one != other:
            yield f"{found.name!r} has {setting} {one!r} but the schema says {other!r}"
    if found.unit and wanted.unit and found.unit != wanted.unit:
        yield f"{found.name!r} is in {found.unit!r} but the schema says {wanted.unit!r}"
