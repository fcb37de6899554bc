"""A transform graph made of existing constants, under the plan's own policies, without a look at any data."""

from pathlib import Path

import numpy as np
import tensorflow as tf
from hand_constants import number, set_of, words

from components import FrozenTransform
from components.transform.pinned import fitted
from components.transform.trace import frozen_graph

FOUND = set_of(number("x", mean=10.0, variance=4.0, absent=3), words("kind", {b"b": 6, b"a": 4}))


def test_it_normalizes_by_the_numbers_of_the_source(tmp_path: Path) -> None:
    wanted = set_of(number("x", clip=2.0, missing="indicator"), words("kind", {})).plan
    FrozenTransform(frozen_graph(fitted(FOUND, wanted, "runs/other"))).save(tmp_path)
    frozen = FrozenTransform.load(tmp_path)
    assert (frozen.digest, frozen.constants.provenance.source) == (FOUND.digest, "runs/other")
    model = frozen({"x": tf.constant([11.0, 99.0, np.nan]), "kind": tf.sparse.from_dense([[b"a"], [b"b"], [b"c"]])})
    assert model["x"].numpy().tolist() == [0.5, 2.0, 0.0]
    assert model["x_missing"].numpy().tolist() == [0, 0, 1]
    assert model["kind"].numpy().tolist() == [2, 1, 0]
