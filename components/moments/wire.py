"""Constants -> the flat list of byte strings that travels from the analyzer into the graph. NumPy only.

tf.Transform's cacheable analyzer has exactly one output tensor, so everything rides in one ``tf.string`` [n]:

* element 0: the bytes of constants.json, from which a saved graph gives its constants back;
* element 1: float64, little endian: for every number of one normalized row (the features of ``plan.normalized``,
  each flattened to its elements, concatenated) the rows of ``NUMERIC_ROWS``, one after the other;
* element 2: int64, little endian: for each lookup feature the number n of its entries, n keys in rising order, n ids;
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
from components.moments.log1p import log1p

# normalized = (x - center) * scale; ``filled`` stands in for a missing value, ``lowest`` and ``highest`` for -inf and
# +inf under the policy nonfinite=clip; ``bound`` limits the result's magnitude.
NUMERIC_ROWS = ("center", "scale", "filled", "lowest", "highest", "bound")
FIRST_TEXT = 3

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Fingerprints = Callable[[Sequence[bytes]], Integers]


def lookup_features(plan: FeaturePlan) -> tuple[Feature, ...]:
    """The features that the graph looks up: categories, and a text label."""
    return tuple(f for f in plan.features if f.role == "category" or (f.role == "label" and f.dtype == "bytes"))


def elements(feature: Feature) -> int:
    """How many numbers one row of a normalized feature holds."""
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
    numeric = [_numeric_rows(constants[feature.name]) for feature in plan.normalized]
    table = np.concatenate([np.stack([rows[name] for name in NUMERIC_ROWS]) for rows in numeric], axis=1)
    integers: list[Integers] = []
    texts: list[bytes] = []
    for feature in lookup_features(plan):
        keys, ids, found = _lookup(constants[feature.name], fingerprints)
        integers += [np.array([len(keys)], np.int64), keys, ids]
        texts += found
    flat = np.concatenate(integers) if integers else np.zeros(0, np.int64)
    return [constants.to_json().encode(), table.astype("<f8").tobytes(), flat.astype("<i8").tobytes(), *texts]


def neutral(plan: FeaturePlan) -> list[bytes]:
    """The layout filled with zeros and empty vocabularies, for a graph that runs before its analysis."""
    width = sum(elements(feature) for feature in plan.normalized)
    lookups = lookup_features(plan)
    entry = np.array([1, 0, 0], "<i8").tobytes()
    texts = [b"" for feature in lookups if feature.dtype == "bytes"]
    return [b"", bytes(8 * width * len(NUMERIC_ROWS)), entry * len(lookups), *texts]


def _numeric_rows(constants: FeatureConstants) -> Mapping[str, Floats]:
    feature = constants.feature
    with np.errstate(divide="ignore"):
        if feature.role == "min_max":
            center, spread = constants.min, constants.max - constants.min
        else:
            center, spread = constants.mean, constants.sigma
        # Zero spread is exact (the sums are exact): such a feature is 0 whatever comes.
        scale = np.where(spread == 0, 0.0, 1.0 / spread)
    filled = (_fill(constants) - center) * scale
    rows = {
        "center": center,
        "scale": scale,
        "filled": filled,
        "lowest": (constants.min - center) * scale,
        "highest": (constants.max - center) * scale,
        "bound": np.full(center.shape, feature.clip or np.inf),
    }
    return {name: _by_element(feature, values) for name, values in rows.items()}


def _fill(constants: FeatureConstants) -> Floats:
    kind, _, text = constants.feature.missing.partition(":")
    if kind != "constant":
        return constants.mean
    raw = np.full(constants.mean.shape, float(text))
    return log1p(raw) if constants.feature.log1p else raw


def _by_element(feature: Feature, values: npt.ArrayLike) -> Floats:
    """Statistics of the kept axes, repeated over the others, flattened to the elements of one row."""
    shape = feature.shape or ()
    kept = tuple(size if axis in (feature.axis or ()) else 1 for axis, size in enumerate(shape))
    return np.broadcast_to(np.reshape(np.asarray(values, np.float64), kept), shape).reshape(-1)


def _lookup(constants: FeatureConstants, fingerprints: Fingerprints) -> tuple[Integers, Integers, list[bytes]]:
    """Keys in rising order, their ids, and, for texts, the texts in the same order."""
    first_id = 0 if constants.role == "label" else 1
    texts = [key for key, _ in constants.vocabulary]
    is_text = constants.feature.dtype == "bytes"
    keys = fingerprints(texts).tolist() if is_text else [int(text) for text in texts]
    if len(set(keys)) < len(keys):
        raise DataError(
            f"Two values of feature {constants.name!r} have the same 63-bit fingerprint. Rename one in the data."
        )
    order = sorted(range(len(keys)), key=keys.__getitem__)
    largest = max(keys, default=0)
    sorted_keys = np.array([keys[i] for i in order] + [largest], np.int64)
    ids = np.array([i + first_id for i in order] + [-1 if constants.role == "label" else 0], np.int64)
    return sorted_keys, ids, [texts[i] for i in order] + [b""] if is_text else []
