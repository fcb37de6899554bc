"""Table-free lookups: a binary search over sorted constants."""

from typing import Any

import tensorflow as tf

from components.feature_plan import Feature
from components.moments.fingerprint import fingerprint
from components.transform.forms import as_dense
from components.transform.graph_constants import Lookup


def look_up(lookup: Lookup, column: Feature, value: Any) -> tuple[tf.Tensor, tf.Tensor]:
    """Ids of a column's values, int64 [batch], and which of them are known, bool [batch].

    A text's fingerprint is searched and the text compared, because fingerprints may collide. Where a value is
    unknown or missing, the id is whatever stood there.
    """
    dense, present = as_dense(column, value)
    keys = fingerprint(dense) if lookup.texts is not None else dense
    at = tf.minimum(tf.searchsorted(lookup.keys, keys), tf.size(lookup.keys) - 1)
    same = tf.gather(lookup.keys, at) == keys if lookup.texts is None else tf.gather(lookup.texts, at) == dense
    return tf.gather(lookup.ids, at), same if present is None else same & present
