"""Which reductions assert_frozen takes for statistics of a batch, and which not."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from components import assert_frozen
from components.errors import NotFrozenError

ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)
IMAGES = np.arange(4 * 5 * 5 * 3, dtype=np.float32).reshape(4, 5, 5, 3)


def rows() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(ROWS)


def images() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(IMAGES)


def ragged() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(tf.ragged.constant([[1.0], [2.0, 3.0], [4.0], [5.0]])).batch(2)


def sparse() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(tf.sparse.from_dense(ROWS)).batch(2)


def by_moments(x: tf.Tensor) -> tf.Tensor:
    mean, variance = tf.nn.moments(x, 0)
    return (x - mean) / tf.sqrt(variance + 1e-6)


def by_std(x: tf.Tensor) -> tf.Tensor:
    return (x - tf.reduce_mean(x, axis=0)) / tf.math.reduce_std(x, axis=0)


def by_range(x: tf.Tensor) -> tf.Tensor:
    low, high = tf.reduce_min(x, 0), tf.reduce_max(x, 0)
    return (x - low) / (high - low)


def by_hand(x: tf.Tensor) -> tf.Tensor:
    return x - tf.reduce_sum(x, 0) / tf.cast(tf.shape(x)[0], tf.float32)


def over_everything(x: tf.Tensor) -> tf.Tensor:
    return x - tf.reduce_mean(x)


def standardized_image(x: tf.Tensor) -> tf.Tensor:
    return tf.image.per_image_standardization(x)


BAD: dict[str, tuple[Callable[[], tf.data.Dataset], set[str]]] = {
    "moments": (lambda: rows().batch(2).map(by_moments), {"Mean 'moments/mean'", "Mean 'moments/variance'"}),
    "last batch cut off": (lambda: rows().batch(2, drop_remainder=True).map(by_moments), {"Mean 'moments/mean'"}),
    "reduce_std": (lambda: rows().batch(2).map(by_std), {"Mean 'Mean'"}),
    "min and max": (lambda: rows().batch(2).map(by_range), {"Min 'Min'", "Max 'Max'"}),
    "sum and size": (lambda: rows().batch(2).map(by_hand), {"Sum 'Sum'"}),
    "all axes": (lambda: rows().batch(2).map(over_everything), {"Mean 'Mean'"}),
    "negative axis": (lambda: rows().batch(2).map(lambda x: x - tf.reduce_mean(x, -2)), {"Mean 'Mean'"}),
    "only axis": (lambda: rows().batch(2).map(lambda x: x[:, 0] - tf.reduce_mean(x[:, 0], -1)), {"Mean 'Mean'"}),
    "multiplied": (lambda: rows().batch(2).map(lambda x: tf.math.l2_normalize(x, 0)), {"Sum 'l2_normalize/Sum'"}),
    "batch_normalization": (
        lambda: rows().batch(2).map(lambda x: tf.nn.batch_normalization(x, *tf.nn.moments(x, 0), None, None, 1e-3)),
        {"Mean 'moments/mean'", "Mean 'moments/variance'"},
    ),
    "filled": (lambda: rows().batch(2).map(lambda x: tf.where(x > 2, x, tf.reduce_mean(x, 0))), {"Mean 'Mean'"}),
    "integers": (
        lambda: tf.data.Dataset.range(4).batch(2).map(lambda x: x / tf.reduce_max(x)),
        {"Max 'Max'"},
    ),
    "one of a dict": (
        lambda: (
            tf.data.Dataset.from_tensor_slices({"a": ROWS, "b": ROWS})
            .batch(2)
            .map(lambda x: {**x, "a": by_moments(x["a"])})
        ),
        {"Mean 'moments/mean'"},
    ),
    "parsed": (
        lambda: (
            tf.data.Dataset.from_tensors(b"")
            .repeat(4)
            .batch(2)
            .map(
                lambda x: over_everything(
                    tf.io.parse_example(x, {"a": tf.io.FixedLenFeature([], tf.float32, 0.0)})["a"]
                )
            )
        ),
        {"Mean 'Mean'"},
    ),
    "images over all axes but channels": (
        lambda: images().batch(2).map(lambda x: x - tf.reduce_mean(x, [0, 1, 2])),
        {"Mean 'Mean'"},
    ),
    "transposed": (
        lambda: rows().batch(2).map(lambda x: tf.transpose(x) - tf.reduce_mean(tf.transpose(x), 1, keepdims=True)),
        {"Mean 'Mean'"},
    ),
    "in tf.function": (lambda: rows().batch(2).map(tf.function(by_moments)), {"Mean 'moments/mean'"}),
    "in cond": (
        lambda: rows().batch(2).map(lambda x: tf.cond(tf.shape(x)[0] > 1, lambda: by_moments(x), lambda: x)),
        {"Mean 'cond/moments/mean'"},
    ),
    "in while": (
        lambda: (
            rows().batch(2).map(lambda x: tf.while_loop(lambda y: y[0, 0] > 1, lambda y: [over_everything(y)], [x]))
        ),
        {"Mean 'while/Mean'"},
    ),
    "ragged": (lambda: ragged().map(lambda x: x - tf.reduce_mean(x)), {"Sum 'RaggedReduceMean/RaggedReduceSum'"}),
    "sparse": (lambda: sparse().map(lambda x: x.with_values(over_everything(x.values))), {"Mean 'Mean'"}),
    "after padded_batch": (lambda: rows().padded_batch(2).map(over_everything), {"Mean 'Mean'"}),
    "after rebatch": (lambda: rows().batch(2).rebatch(3).map(over_everything), {"Mean 'Mean'"}),
    "after windows": (lambda: rows().window(2).flat_map(lambda w: w.batch(2)).map(over_everything), {"Mean 'Mean'"}),
    "after groups": (
        lambda: (
            rows()
            .group_by_window(lambda x: tf.cast(x[0], tf.int64), lambda key, group: group.batch(2), window_size=2)
            .map(over_everything)
        ),
        {"Mean 'Mean'"},
    ),
    "much later": (
        lambda: rows().batch(2).shuffle(2).map(lambda x: x * 2.0).cache().prefetch(1).repeat(2).map(over_everything),
        {"Mean 'Mean'"},
    ),
    "inside flat_map": (
        lambda: tf.data.Dataset.range(2).flat_map(lambda _: rows().batch(2).map(over_everything)),
        {"Mean 'Mean'"},
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_data_normalized_by_its_own_batch_is_named(case: str) -> None:
    make, reductions = BAD[case]
    with pytest.raises(NotFrozenError) as raised:
        assert_frozen(make())
    lines = str(raised.value).splitlines()
    named = {line.strip().partition(" over the batch axis")[0] for line in lines if " over the batch axis " in line}
    assert reductions <= named
    assert "statistics of a batch: they differ from batch to batch" in lines[-1]
    assert "FrozenTransform" in lines[-1]


GOOD: dict[str, Callable[[], tf.data.Dataset]] = {
    "images before batch": lambda: images().map(standardized_image).batch(2),
    "images after batch": lambda: images().batch(2).map(standardized_image),
    "images by map_fn": lambda: images().batch(2).map(lambda x: tf.map_fn(standardized_image, x)),
    "images by vectorized_map": lambda: images().batch(2).map(lambda x: tf.vectorized_map(standardized_image, x)),
    "images by a function": lambda: images().batch(2).map(tf.function(standardized_image)),
    "axes of the image": lambda: images().batch(2).map(lambda x: x - tf.reduce_mean(x, [1, 2, 3], keepdims=True)),
    "a row's mean": lambda: rows().batch(2).map(lambda x: x - tf.reduce_mean(x, 1, keepdims=True)),
    "a row's mean, axis -1": lambda: rows().batch(2).map(lambda x: x - tf.reduce_mean(x, -1, keepdims=True)),
    "a row's mean, transposed": lambda: (
        rows().batch(2).map(lambda x: tf.transpose(x) - tf.reduce_mean(tf.transpose(x), 0))
    ),
    "softmax": lambda: rows().batch(2).map(tf.nn.softmax),
    "row before batch": lambda: rows().map(over_everything).batch(2),
    "axis 0 of one element": lambda: images().map(by_moments).batch(2),
    "no batch at all": lambda: tf.data.Dataset.from_tensors(ROWS).map(by_moments),
    "unbatched again": lambda: rows().batch(2).unbatch().map(over_everything),
    "ragged rows": lambda: ragged().map(lambda x: x - tf.expand_dims(tf.reduce_mean(x, 1), 1)),
    "returned beside the data": lambda: rows().batch(2).map(lambda x: (x, *tf.nn.moments(x, 0))),
    "not used": lambda: rows().batch(2).map(lambda x: (by_moments(x), x)[1]),
    "checked": lambda: rows().batch(2).map(lambda x: (tf.debugging.assert_less(tf.reduce_max(x), 99.0), x)[1]),
    "padded to the longest": lambda: (
        rows().batch(2).map(lambda x: x[:, :1] * tf.sequence_mask(tf.cast(x[:, 0], tf.int32), dtype=tf.float32))
    ),
    "ragged to sparse and dense": lambda: ragged().map(lambda x: (x.to_sparse(), x.to_tensor(), x.to_tensor() * 2.0)),
    "the number of rows": lambda: rows().batch(2).map(lambda x: x / tf.cast(tf.shape(x)[0], tf.float32)),
    "another column's sum": lambda: rows().batch(2).map(lambda x: x * 2.0 + ROWS.mean(0)),
}


@pytest.mark.parametrize("case", GOOD)
def test_reductions_that_do_not_mix_the_rows_of_a_batch_pass(case: str) -> None:
    assert_frozen(GOOD[case]())


def test_axis_0_of_a_functions_argument_is_the_batch_where_its_size_is_open() -> None:
    def traced(function: Any, *shape: int | None) -> Any:
        return tf.function(function, input_signature=[tf.TensorSpec(shape, tf.float32)])

    with pytest.raises(NotFrozenError, match="Mean 'moments/mean' over the batch axis"):
        assert_frozen(traced(by_moments, None, 3))
    assert_frozen(traced(by_moments, 4, 3))
    assert_frozen(traced(standardized_image, 5, 5, 3))
    assert_frozen(traced(standardized_image, None, 5, 5, 3))


def with_its_mean(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    return x, tf.reduce_mean(x, axis=0)


@pytest.mark.parametrize(
    "between",
    [
        lambda dataset: dataset,
        lambda dataset: dataset.prefetch(2).cache().take(5).skip(0).shuffle(3).repeat(2),
        lambda dataset: dataset.filter(lambda x, _: tf.reduce_any(x > 0)),
        lambda dataset: dataset.map(lambda x, mean: (mean * 1.0, x), num_parallel_calls=2).map(lambda m, x: (x, m)),
    ],
)
def test_a_statistic_is_followed_from_one_map_to_the_next(
    between: Callable[[tf.data.Dataset], tf.data.Dataset],
) -> None:
    dataset = between(rows().batch(2).map(with_its_mean)).map(lambda x, mean: x - mean)
    with pytest.raises(NotFrozenError, match=r"Mean .* over the batch axis is combined with the data of that batch"):
        assert_frozen(dataset)


def test_a_statistic_that_is_not_combined_with_its_data_passes() -> None:
    assert_frozen(rows().batch(2).map(with_its_mean).map(lambda x, mean: (x * 2.0, mean + 1.0)))
    assert_frozen(rows().map(lambda x: (x, tf.reduce_mean(x, axis=0))).map(lambda x, mean: x - mean).batch(2))
