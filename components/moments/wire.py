"""Constants -> the flat list of byte strings that travels from the analyzer into the graph. NumPy only.

tf.Transform's cacheable analyzer has exactly one output tensor, so everything rides in one ``tf.string`` [n]:

* element 0: the bytes of constants.json, from which a saved graph gives its constants back;
* element 1: float64, little endian: the rows of ``NUMERIC_ROWS``, one after the other, each of them the numbers of all
  elements of a row (``plan.normalized`` without the per-key features, each flattened, one number where the length
  varies), then of the channels of each image, for samples as they are stored, and then for each per-key feature those
  of its keys and, last, of a key that was not seen;
* element 2: int64, little endian: for each lookup the number n of its entries, n keys in rising order, n ids; then for
  each image the bits of a sample;
* elements 3 and up: the n texts of each text lookup, in the order of its keys.

A text's key is its 63-bit FarmHash fingerprint; the graph compares the text as well, because fingerprints may collide.
Each lookup ends with an entry of its own that no input can find, so that an empty vocabulary needs no special case.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from components.constants import FeatureConstants, NormalizationConstants
from components.errors import DataError
from components.feature_plan import Feature, FeaturePlan
from components.moments.image_moments import FULL
from components.moments.log1p import log1p

# normalized = (x - center) * scale; ``filled`` stands in for a missing value, ``lowest`` and ``highest`` for -inf and
# +inf under the policy nonfinite=clip; ``bound`` limits the result's magnitude.
NUMERIC_ROWS = ("center", "scale", "filled", "lowest", "highest", "bound")
FIRST_TEXT = 3

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Fingerprints = Callable[[Sequence[bytes]], Integers]


def lookups(plan: FeaturePlan) -> tuple[tuple[Feature, Feature], ...]:
    """What the graph looks up: the feature that owns the table, and the column whose values are its keys."""
    columns = {feature.name: feature for feature in plan.features}
    return tuple(
        (feature, columns[feature.key] if feature.key else feature)
        for feature in plan.features
        if feature.role in ("category", "z_score_per_key") or (feature.role == "label" and feature.dtype == "bytes")
    )


def by_element(plan: FeaturePlan) -> tuple[Feature, ...]:
    """The normalized features with constants by element, not by key."""
    return tuple(feature for feature in plan.normalized if not feature.key)


def elements(feature: Feature) -> int:
    """How many numbers one row of a normalized feature holds, 1 where the length varies; the channels of an image."""
    if feature.image is not None:
        return feature.image.channels
    return int(np.prod(feature.shape or (), dtype=np.int64))


def encode(constants: NormalizationConstants, fingerprints: Fingerprints) -> list[bytes]:
    """The byte strings in the layout above.

    Args:
      constants: of a finished analysis.
      fingerprints: texts -> int64 keys, the very function of the graph (``components.moments.analyzer``).

    Raises:
      DataError: two texts of one vocabulary have the same fingerprint.
    """
    plan = constants.plan
    parts = [_rows_by_element(constants[feature.name]) for feature in by_element(plan)]
    parts += [_rows_by_channel(constants[feature.name]) for feature in plan.images]
    parts += [_rows_by_key(constants[feature.name]) for feature in plan.normalized if feature.key]
    table = np.concatenate([np.stack([rows[name] for name in NUMERIC_ROWS]) for rows in parts], axis=1)
    integers: list[Integers] = []
    texts: list[bytes] = []
    for feature, column in lookups(plan):
        keys, ids, found = _lookup(constants[feature.name], column, fingerprints)
        integers += [np.array([len(keys)], np.int64), keys, ids]
        texts += found
    integers += [np.array([constants[feature.name].bits], np.int64) for feature in plan.images]
    flat = np.concatenate(integers) if integers else np.zeros(0, np.int64)
    return [constants.to_json().encode(), table.astype("<f8").tobytes(), flat.astype("<i8").tobytes(), *texts]


def neutral(plan: FeaturePlan) -> list[bytes]:
    """The layout filled with zeros and empty vocabularies, for a graph that runs before its analysis."""
    width = sum(elements(feature) if not feature.key else 1 for feature in (*plan.normalized, *plan.images))
    entry = np.array([1, 0, 0], "<i8").tobytes()
    tables = lookups(plan)
    texts = [b"" for _, column in tables if column.dtype == "bytes"]
    bits = np.full(len(plan.images), 8, "<i8").tobytes()
    return [b"", bytes(8 * width * len(NUMERIC_ROWS)), entry * len(tables) + bits, *texts]


def _rows_by_element(constants: FeatureConstants) -> Mapping[str, Floats]:
    center, spread = constants.mean, constants.sigma
    if constants.role == "min_max":
        center, spread = constants.min, constants.max - constants.min
    elif constants.role == "robust" and constants.quartiles is not None:
        center, spread = constants.quartiles[1], constants.quartiles[2] - constants.quartiles[0]
    usual = constants.mean if constants.role == "min_max" else center  # what stands in for a missing value
    rows = _rows(constants, center, spread, usual, constants.min, constants.max)
    return {name: _by_element(constants.feature, values) for name, values in rows.items()}


def _rows_by_channel(constants: FeatureConstants) -> Mapping[str, Floats]:
    image = constants.feature.image
    assert image is not None
    # Back in samples as they are stored, which are whole numbers: a division in the graph would round each of them.
    unit = 1 if image.scale == FULL[8] else FULL[constants.bits]
    mean, sigma = (np.broadcast_to(x * unit, [image.channels]) for x in (constants.mean, constants.sigma))
    return _rows(constants, mean, sigma, mean, mean, mean)


def _rows_by_key(constants: FeatureConstants) -> Mapping[str, Floats]:
    """The keys' numbers, and those of an unseen key: the global ones, or zeros."""
    table = constants.by_key
    assert table is not None

    def and_global(by_key: Floats, overall: Floats) -> Floats:
        return np.append(by_key, overall)

    mean, low = and_global(table.mean, constants.mean), and_global(table.min, constants.min)
    rows = _rows(
        constants, mean, and_global(table.sigma, constants.sigma), mean, low, and_global(table.max, constants.max)
    )
    if constants.feature.unseen == "zero":
        for name in NUMERIC_ROWS[:-1]:
            rows[name][-1] = 0.0
    return rows


def _rows(
    constants: FeatureConstants, center: Floats, spread: Floats, usual: Floats, low: Floats, high: Floats
) -> dict[str, Floats]:
    with np.errstate(divide="ignore"):
        # Zero spread is exact (the sums are exact): such a feature is 0 whatever comes.
        scale = np.where(spread == 0, 0.0, 1.0 / spread)
    return {
        "center": np.asarray(center, np.float64),
        "scale": scale,
        "filled": (stand_in(constants, usual) - center) * scale,
        "lowest": (low - center) * scale,
        "highest": (high - center) * scale,
        "bound": np.full(np.shape(center), constants.feature.clip or np.inf),
    }


def stand_in(constants: FeatureConstants, usual: Floats) -> Floats:
    """What a missing value becomes, in the feature's unit: ``usual``, or the constant of its policy."""
    kind, _, text = constants.feature.missing.partition(":")
    if kind != "constant":
        return usual
    raw = np.full(np.shape(usual), float(text))
    return log1p(raw) if constants.feature.log1p else raw


def _by_element(feature: Feature, values: npt.ArrayLike) -> Floats:
    """Statistics of the kept axes, repeated over the others, flattened to the elements of one row."""
    shape = feature.shape or ()
    kept = tuple(size if axis in (feature.axis or ()) else 1 for axis, size in enumerate(shape))
    return np.broadcast_to(np.reshape(np.asarray(values, np.float64), kept), shape).reshape(-1)


def _lookup(
    constants: FeatureConstants, column: Feature, fingerprints: Fingerprints
) -> tuple[Integers, Integers, list[bytes]]:
    """Keys in rising order, their ids, and, for texts, the texts in the same order."""
    if constants.by_key is not None:
        texts, first_id = list(constants.by_key.keys), 0
        nothing = len(texts)
    else:
        texts = [key for key, _ in constants.vocabulary]
        first_id, nothing = (0, -1) if constants.role == "label" else (1, 0)
    is_text = column.dtype == "bytes"
    keys = fingerprints(texts).tolist() if is_text else [int(text) for text in texts]
    if len(set(keys)) < len(keys):
        raise DataError(
            f"Two values of feature {column.name!r} have the same 63-bit fingerprint. Rename one in the data."
        )
    order = sorted(range(len(keys)), key=keys.__getitem__)
    sorted_keys = np.array([keys[i] for i in order] + [max(keys, default=0)], np.int64)
    ids = np.array([i + first_id for i in order] + [nothing], np.int64)
    return sorted_keys, ids, [texts[i] for i in order] + [b""] if is_text else []
