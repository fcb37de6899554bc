"""63-bit fingerprints of texts (FarmHash): one function for a vocabulary's keys at analysis and in the graph."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import tensorflow as tf

_BUCKETS = 2**63 - 1


def fingerprint(texts: tf.Tensor) -> tf.Tensor:
    """tf.string [...] -> int64 [...], from 0 to 2**63 - 2; stateless, the same on every machine."""
    return tf.strings.to_hash_bucket_fast(texts, _BUCKETS)


def fingerprints(texts: Sequence[bytes]) -> npt.NDArray[np.int64]:
    """The fingerprints of texts outside a graph, int64 [n]."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        return np.asarray(session.run(fingerprint(tf.constant(list(texts), tf.string))), np.int64)
