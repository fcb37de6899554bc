"""assert_frozen names what is no constant in the maps of a dataset, and in a function, and says what to do instead."""

import functools
import importlib
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from graph_tables import feature, plan_of, write_transform_graph

from components import assert_frozen
from components.errors import InputError, NotFrozenError
from components.frozen import assertion

ROWS = np.array([[1, 2, 3], [4, 5, 7], [2, 4, 9], [8, 1, 0]], np.float32)
SPEC = tf.TensorSpec([None, 3], tf.float32)
KERAS = ["keras", "tf_keras"]


def dataset() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(ROWS)


def complaint(given: Any) -> str:
    with pytest.raises(NotFrozenError) as raised:
        assert_frozen(given)
    return str(raised.value)


@pytest.fixture
def mean() -> tf.Variable:
    return tf.Variable([1.0, 2.0, 3.0], name="running_mean")


@pytest.fixture(params=KERAS)
def keras(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(request.param)


def test_the_error_is_one_that_a_user_can_mend() -> None:
    assert issubclass(NotFrozenError, InputError)


def test_the_whole_message_names_step_function_operation_and_remedy(mean: tf.Variable) -> None:
    def centred(x: tf.Tensor) -> tf.Tensor:
        return x - mean

    line = centred.__code__.co_firstlineno
    assert complaint(dataset().shuffle(3).batch(2).map(centred, num_parallel_calls=2).prefetch(1)) == (
        "Maps must hold constants and nothing else, but 2 things are none:\n"
        f"  ParallelMapDatasetV2 #4 (test_assert_frozen.py:{line} centred):\n"
        "    variable 'running_mean:0' (float32 (3,)) is captured\n"
        "    ReadVariableOp 'sub/ReadVariableOp', which reads a variable\n"
        "What to do instead:\n"
        "  variables: measure once before training (analyze, or the pipeline's Transform) and map with "
        "FrozenTransform, whose statistics are constants; layers that train belong into the model, not into a map."
    )


def test_every_map_of_the_chain_is_named(mean: tf.Variable) -> None:
    middle = tf.constant([1.0, 2.0, 3.0])

    def first(x: tf.Tensor) -> tf.Tensor:
        return x - middle

    def second(x: tf.Tensor) -> tf.Tensor:
        return tf.numpy_function(np.sin, [x], tf.float32)

    found = complaint(dataset().map(first).filter(lambda x: x[0] > mean[0]).batch(2).map(second))
    assert "but 4 things are none" in found
    assert re.search(r"MapDataset #2 \(\S+ first\):\n    captured tensor 'middle' \(float32 \(3,\)\)", found)
    assert re.search(r"FilterDataset #3 \(\S+ <lambda>\):\n    variable 'running_mean:0'", found)
    assert re.search(r"MapDataset #5 \(\S+ second\):\n    PyFunc 'PyFunc'", found)
    assert all(f"\n  {remedy}: " in found for remedy in ("variables", "captured tensors", "Python calls"))


TRANSFORMATIONS: dict[str, tuple[Callable[[tf.data.Dataset, Any], tf.data.Dataset], str]] = {
    "map": (lambda d, f: d.map(f), "MapDataset #2"),
    "parallel map": (lambda d, f: d.map(f, num_parallel_calls=2), "ParallelMapDatasetV2 #2"),
    "filter": (lambda d, f: d.filter(lambda x: f(x)[0] > 0), "FilterDataset #2"),
    "take_while": (lambda d, f: d.take_while(lambda x: f(x)[0] > 0), "TakeWhileDataset #2"),
    "scan": (lambda d, f: d.scan(0.0, lambda s, x: (s + f(x)[0], x)), "ScanDataset #2"),
    "flat_map": (lambda d, f: d.flat_map(lambda x: dataset().map(f)), "FlatMapDataset #2"),
    "interleave": (lambda d, f: d.interleave(lambda x: dataset().map(f)), "InterleaveDataset #2"),
    "captured dataset": (lambda d, f: (lambda other: d.flat_map(lambda x: other))(d.map(f)), "MapDataset #3"),
    "zip": (lambda d, f: tf.data.Dataset.zip((d, d.map(f))), "MapDataset #3"),
    "reduce": (lambda d, f: d.map(lambda x: dataset().reduce(x, lambda s, y: s + f(y))), "MapDataset #2"),
    "group key": (
        lambda d, f: d.group_by_window(lambda x: tf.cast(f(x)[0], tf.int64), lambda k, w: w.batch(2), 2),
        "GroupByWindowDataset #2",
    ),
    "group": (
        lambda d, f: d.group_by_window(lambda x: tf.int64.min, lambda k, w: w.map(f), 2),
        "GroupByWindowDataset #2",
    ),
    "tf.function": (lambda d, f: d.map(tf.function(f)), "MapDataset #2"),
    "partial": (lambda d, f: d.map(functools.partial(lambda x, g: g(x), g=f)), "MapDataset #2"),
    "cond": (lambda d, f: d.map(lambda x: tf.cond(x[0] > 0, lambda: f(x), lambda: x)), "MapDataset #2"),
    "while": (
        lambda d, f: d.map(lambda x: tf.while_loop(lambda y: y[0] < 9, lambda y: [f(y)], [x])[0]),
        "MapDataset #2",
    ),
    "map_fn": (lambda d, f: d.batch(2).map(lambda x: tf.map_fn(f, x)), "MapDataset #3"),
}


@pytest.mark.parametrize("case", TRANSFORMATIONS)
def test_functions_of_all_transformations_and_their_callees_are_looked_at(case: str, mean: tf.Variable) -> None:
    transformation, step = TRANSFORMATIONS[case]
    found = complaint(transformation(dataset(), lambda x: x + mean))
    assert f"  {step} (test_assert_frozen.py:" in found
    assert "variable 'running_mean:0' (float32 (3,)) is captured" in found
    assert "ReadVariableOp '" in found


OPERATIONS: dict[str, tuple[Any, str, str]] = {
    "numpy": (lambda x: tf.numpy_function(np.sin, [x], tf.float32), "PyFunc 'PyFunc'", "Python calls"),
    "py": (lambda x: tf.py_function(np.sin, [x], tf.float32), "EagerPyFunc 'EagerPyFunc'", "Python calls"),
    "normal": (lambda x: x + tf.random.normal([3]), "RandomStandardNormal '", "random operations"),
    "uniform": (lambda x: x + tf.random.uniform([3], seed=4), "RandomUniform '", "random operations"),
    "shuffle": (tf.random.shuffle, "RandomShuffle '", "random operations"),
    "image": (
        lambda x: tf.image.random_flip_left_right(tf.reshape(x, [1, 1, 3])),
        "RandomUniform '",
        "random operations",
    ),
    "print": (lambda x: (tf.print(x), x)[1], "PrintV2 '", "operations with state"),
    "time": (lambda x: (x, tf.timestamp()), "Timestamp 'Timestamp'", "operations with state"),
    "training": (
        lambda x: tf.compat.v1.nn.fused_batch_norm(
            tf.reshape(x, [1, 1, 1, 3]), np.ones(3, "f"), np.zeros(3, "f"), is_training=True
        )[0],
        "FusedBatchNormV3 '",
        "BatchNormalization in training mode",
    ),
}


@pytest.mark.parametrize("case", OPERATIONS)
def test_an_operation_that_is_not_constant_is_named_with_a_remedy(case: str) -> None:
    function, what, remedy = OPERATIONS[case]
    found = complaint(dataset().map(function))
    assert "but 1 thing is none" in found
    assert f"    {what}" in found
    assert f"\n  {remedy}: " in found


def test_tables_generators_iterators_and_queues_are_named() -> None:
    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer([1, 2], [3, 4]), 0)
    found = complaint(dataset().map(lambda x: table.lookup(tf.cast(x, tf.int32))))
    assert "LookupTableFindV2 '" in found and "captured resource '" in found and "role category" in found
    generator = tf.random.Generator.from_seed(1)
    found = complaint(dataset().map(lambda x: x + generator.normal([3])))
    assert "RngReadAndSkip '" in found and "variable 'StateVar:0'" in found
    iterator = iter(dataset())
    assert "IteratorGetNext '" in complaint(dataset().map(lambda x: x + next(iterator)))
    queue = tf.queue.FIFOQueue(2, tf.float32)
    assert "QueueDequeueV2 '" in complaint(dataset().map(lambda x: x + queue.dequeue()))


def test_a_closed_over_tensor_is_captured_and_its_numpy_value_is_a_constant() -> None:
    scale = tf.constant([1.0, 2.0, 3.0])
    found = complaint(dataset().map(lambda x: x * scale))
    assert "captured tensor 'scale' (float32 (3,))" in found
    assert "close over its NumPy array (tensor.numpy())" in found
    value = scale.numpy()
    assert_frozen(dataset().map(lambda x: x * value))


def test_an_adapted_keras_normalization_captures_its_statistics(keras: ModuleType) -> None:
    layer = keras.layers.Normalization()
    tf.config.run_functions_eagerly(True)  # AutoGraph takes 10 s for tf_keras on TensorFlow 2.16
    try:
        layer.adapt(ROWS)
    finally:
        tf.config.run_functions_eagerly(False)
    found = complaint(dataset().batch(2).map(lambda x: layer(x), num_parallel_calls=2))
    assert "captured tensor 'layer.mean' (float32 (1, 3))" in found
    assert "captured tensor 'layer.variance' (float32 (1, 3))" in found
    assert "never adapted" not in found
    assert "FrozenTransform, which captures nothing" in found


@pytest.mark.parametrize(
    "where", ["closure", "dict", "model", "attribute", "method", "partial", "default", "bound call"]
)
def test_a_normalization_that_was_never_adapted_is_found_wherever_the_map_holds_it(
    keras: ModuleType, where: str
) -> None:
    layer = keras.layers.Normalization(name="forgotten")
    layer.build((None, 3))

    class Own:
        def __init__(self) -> None:
            self.inner = layer

        def __call__(self, x: tf.Tensor) -> tf.Tensor:
            return self.apply(x)

        def apply(self, x: tf.Tensor) -> tf.Tensor:
            return self.inner(x)

    own, by_name, model = Own(), {"x": layer}, keras.Sequential([layer])
    functions: dict[str, Callable[..., Any]] = {
        "closure": lambda x: layer(x),
        "dict": lambda x: by_name["x"](x),
        "model": lambda x: model(x),
        "attribute": lambda x: own.inner(x),
        "method": own.apply,
        "partial": functools.partial(lambda x, use: use(x), use=layer),
        "default": lambda x, use=layer: use(x),
        "bound call": own,
    }
    found = complaint(dataset().batch(2).map(tf.autograph.experimental.do_not_convert(functions[where])))
    assert "Keras Normalization 'forgotten' (" in found
    assert "was never adapted: its mean is 0 and its variance 1, so that it changes nothing" in found
    assert "\n  Normalization layers: " in found


def test_a_normalization_first_built_in_a_map_holds_nothing_that_the_graph_would_show() -> None:
    import keras

    layer = keras.layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[1.0, 1.0, 1.0])
    mapped = dataset().batch(2).map(lambda x: layer(x))
    assert re.search(
        r"Keras Normalization '\w+' \(layer\) was built inside a map: it works in that map only", complaint(mapped)
    )
    with pytest.raises(AttributeError, match="_datatype_enum"):
        dataset().batch(2).map(lambda x: layer(x))


def test_a_normalization_that_is_not_built_yet_is_named() -> None:
    import keras

    layers = {"a": keras.layers.Normalization(mean=1.0, variance=2.0), "b": keras.layers.Normalization()}
    found = complaint(dataset().map(lambda x: (x, layers)[0]))
    assert re.search(r"\(layers\['a'\]\) is not built: the first call inside a map would build it there", found)
    assert re.search(r"\(layers\['b'\]\) was never adapted", found)


def test_layers_that_the_map_does_not_name_are_not_its_own(keras: ModuleType) -> None:
    class Own:
        def __init__(self) -> None:
            self.for_the_model = keras.layers.Normalization()

        def half(self, x: tf.Tensor) -> tf.Tensor:
            return x / 2.0

    assert_frozen(dataset().batch(2).map(Own().half))


def test_adapt_inside_a_map_is_named() -> None:
    import keras

    layer = keras.layers.Normalization()

    def adapting(x: tf.Tensor) -> Any:
        layer.adapt(x)
        return layer(x)

    found = complaint(dataset().batch(2).map(adapting))
    assert "AssignVariableOp" in found and "was built inside a map" in found


@pytest.mark.parametrize("shape", [(None, 3), (None, 1, 1, 3)])
def test_batch_normalization_in_training_mode_is_named(keras: ModuleType, shape: tuple[int | None, ...]) -> None:
    layer = keras.layers.BatchNormalization(name="norm")
    layer.build(shape)
    target = [-1, *shape[1:]]
    found = complaint(dataset().batch(2).map(lambda x: layer(tf.reshape(x, target), training=True)))
    assert "Keras BatchNormalization 'norm' (layer) is trained" in found
    assert "which assigns to a variable" in found and "\n  BatchNormalization in training mode: " in found
    inference = complaint(dataset().batch(2).map(lambda x: layer(tf.reshape(x, target), training=False)))
    assert "is trained" not in inference and "which reads a variable" in inference


def test_a_layer_that_trains_inside_a_map_is_named_by_its_variables(keras: ModuleType) -> None:
    dense = keras.layers.Dense(2, name="dense")
    dense.build((None, 3))
    found = complaint(dataset().batch(2).map(lambda x: dense(x)))
    assert re.search(r"variable '(dense/)?kernel:0' \(float32 \(3, 2\)\) is captured", found)


def test_a_transform_graph_that_is_not_frozen_captures_its_statistics(tmp_path: Path) -> None:
    plan = plan_of(feature("x", "FLOAT", "z_score", shape=""))
    frozen = write_transform_graph(plan, [{"x": 1.0}, {"x": 3.0}], tmp_path)
    unfrozen = tf.saved_model.load(str(tmp_path / "transform_fn")).transform_fn
    raw = tf.data.Dataset.from_tensor_slices({"x": [1.0, 3.0]}).batch(2)
    assert "captured tensor '" in complaint(raw.map(unfrozen))
    assert "captured tensor '" in complaint(unfrozen)
    assert_frozen(raw.map(frozen, num_parallel_calls=2))
    assert_frozen(frozen)


def test_functions_are_looked_at_in_all_their_traces(mean: tf.Variable) -> None:
    @tf.function
    def centred(x: tf.Tensor) -> tf.Tensor:
        return x - mean if x.dtype == tf.float32 else x

    with pytest.raises(ValueError, match=r"test_assert_frozen.py:\d+ centred was never called: give it an input_sign"):
        assert_frozen(centred)
    centred(tf.constant(1))
    assert_frozen(centred)
    centred(ROWS)
    assert "variable 'running_mean:0'" in complaint(centred)
    with_signature = tf.function(lambda x: x - mean, input_signature=[SPEC])
    assert "ReadVariableOp '" in complaint(with_signature)
    assert "function <lambda>:" in complaint(with_signature.get_concrete_function())
    assert_frozen(tf.function(lambda x: x - ROWS[0], input_signature=[SPEC]))


def test_methods_of_modules_and_callables_with_captured_inputs_are_looked_at(mean: tf.Variable) -> None:
    class Centre(tf.Module):
        @tf.function(input_signature=[SPEC])
        def __call__(self, x: tf.Tensor) -> tf.Tensor:
            return x - mean

    class Held:
        def __init__(self, *held: Any) -> None:
            self.captured_inputs = held

        def __call__(self, x: tf.Tensor) -> tf.Tensor:
            return x

    assert "variable 'running_mean:0'" in complaint(Centre().__call__)
    assert "variable 'running_mean:0'" in complaint(dataset().batch(2).map(Centre()))
    assert "object of test_" in complaint(Held(tf.constant(1)))
    assert_frozen(Held())


@pytest.mark.parametrize("given", [3, None, lambda x: x, iter(())])
def test_anything_else_is_refused_with_what_may_be_given(given: Any) -> None:
    with pytest.raises(TypeError, match=r"takes a tf.data.Dataset, .* not \w+: wrap a Python function by tf.function"):
        assert_frozen(given)


def test_a_dataset_too_large_to_be_written_is_judged_by_its_functions(
    monkeypatch: pytest.MonkeyPatch, mean: tf.Variable
) -> None:
    """More than 2 GiB in memory: TensorFlow writes an empty graph."""
    monkeypatch.setattr(assertion, "dataset_body", lambda dataset: None)
    assert "variable 'running_mean:0'" in complaint(dataset().map(lambda x: x - mean).batch(2))
    assert "over the batch axis" in complaint(dataset().batch(2).map(lambda x: x - tf.reduce_mean(x, 0)))
    assert_frozen(dataset().map(lambda x: x - tf.reduce_mean(x)).batch(2).map(lambda x: x * 2.0))


def test_without_eager_execution_the_graph_itself_is_read() -> None:
    with tf.Graph().as_default():
        weight = tf.compat.v1.get_variable("weight", [3], use_resource=True)
        batches = tf.compat.v1.data.Dataset.from_tensor_slices(ROWS).batch(2)
        assert_frozen(batches.map(lambda x: tf.map_fn(lambda row: row * 2.0, x)))
        assert "variable 'weight:0' (float32 (3,)) is captured" in complaint(batches.map(lambda x: x * weight))
        assert "over the batch axis" in complaint(batches.map(lambda x: x - tf.reduce_mean(x, 0)))
