"""keras_normalization: a layer whose statistics are constants, with the bits of the frozen transform's own map."""

import math
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from graph_tables import constants_of, feature, plan_of, tensors

from components import FrozenTransform, keras_normalization
from components.errors import ConfigError
from components.frozen.keras_layer import FrozenNormalization
from components.transform.trace import frozen_graph

REPOSITORY = Path(__file__).parents[2]
PLAN = plan_of(
    feature("far", "FLOAT", "z_score", shape=""),
    feature("large", "INT", "z_score", shape=""),
    feature("same", "FLOAT", "z_score", shape=""),
    feature("filled", "FLOAT", "z_score", "missing=constant:7", "clip=1.5", shape=""),
    feature("skewed", "FLOAT", "z_score", "log1p", "missing=constant:3", shape=""),
    feature("ends", "FLOAT", "z_score", "nonfinite=clip", shape=""),
    feature("one", "FLOAT", "z_score", shape="1"),
    feature("table", "FLOAT", "z_score", "axis=1", "clip=1", shape="2,3"),
    feature("pair", "FLOAT", "z_score", "nonfinite=clip", "log1p", shape="2"),
    feature("image", "FLOAT", "z_score", "axis=all", shape="2,2"),
)
SCALARS = ["far", "large", "same", "filled", "skewed", "ends", "one"]
WHOLE = ["large"]
ODD = [np.nan, np.inf, -np.inf, -0.0, 3e38, -3e38, -1.0, -7.0]


def table(rows: int, *, seed: int, odd: bool) -> list[dict[str, Any]]:
    """Rows far from zero, and with ``odd`` one in four not finite, huge or outside of a logarithm."""
    random = np.random.default_rng(seed)

    def values(center: float, spread: float, *shape: int) -> Any:
        drawn = random.normal(center, spread, shape)
        if odd:
            drawn = np.where(random.random(shape) < 0.25, random.choice(ODD, shape), drawn)
        return drawn.astype(np.float32).tolist()

    return [
        {
            "far": values(1e6, 1),
            "large": int(random.integers(2**52, 2**52 + 1000)),
            "same": values(0.1, 0),
            "filled": values(3, 2),
            "skewed": values(50, 10),
            "ends": values(-4, 0.5),
            "one": values(0, 1, 1),
            "table": values(9, 3, 2, 3),
            "pair": values(20, 4, 2),
            "image": values(128, 60, 2, 2),
        }
        for _ in range(rows)
    ]


TRAIN, ROWS = table(199, seed=1, odd=False), table(401, seed=2, odd=True)


@pytest.fixture(scope="module")
def frozen() -> FrozenTransform:
    return FrozenTransform(frozen_graph(constants_of(PLAN, TRAIN)))


@pytest.fixture
def policy() -> Iterator[Callable[[str], None]]:
    """Sets the global dtype policy for the length of one test."""
    before = keras.config.dtype_policy()
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy(before)


def column(rows: Sequence[Mapping[str, Any]], *names: str, dtype: Any = np.float32) -> Any:
    """Scalars side by side, [rows, names]; one feature as it is."""
    arrays = [np.array([row[name] for row in rows], dtype) for name in names]
    return np.stack(arrays, axis=1) if len(names) > 1 or arrays[0].ndim == 1 else arrays[0]


def float_names() -> list[str]:
    return [name for name in SCALARS if name not in (*WHOLE, "one")]


def in_map(layer: Any, values: Any) -> Any:
    dataset = tf.data.Dataset.from_tensors(values).map(layer, num_parallel_calls=tf.data.AUTOTUNE)
    (output,) = dataset
    return output.numpy()


def correctly_rounded_root(variance: Fraction) -> Fraction:
    """The square root to 200 bits, which for a float32 is the truth."""
    shift = 400
    return Fraction(math.isqrt((variance.numerator << 2 * shift) // variance.denominator), 1 << shift)


def ulps(found: float, truth: Fraction) -> float:
    """The distance in spacings of float32."""
    return float(abs(Fraction(found) - truth) / Fraction(float(np.spacing(np.float32(abs(float(truth)))))))


@pytest.mark.parametrize("name", ["far", "large", "ends"])
def test_values_are_those_of_rational_arithmetic(frozen: FrozenTransform, name: str) -> None:
    dtype = np.int64 if name in WHOLE else np.float32
    train = [Fraction(x) for x in column(TRAIN, name, dtype=dtype)[:, 0].tolist()]
    mean = sum(train, Fraction(0)) / len(train)
    variance = sum(((x - mean) ** 2 for x in train), Fraction(0)) / len(train)
    layer = keras_normalization(frozen, name)
    assert Fraction(layer.mean.item()) == Fraction(float(mean))
    assert Fraction(layer.variance.item()) == Fraction(float(variance))
    # The layer has mean and sigma rounded to float64, which is as good as a table of constants can be.
    sigma = Fraction(float(correctly_rounded_root(Fraction(float(variance)))))
    found = in_map(layer, column(TRAIN, name, dtype=dtype))[:, 0].tolist()
    worst = max(ulps(z, (x - Fraction(float(mean))) / sigma) for z, x in zip(found, train, strict=True))
    assert worst < 1
    # From the true statistics a score is away by the rounding of the mean, and half a spacing, 2^-23 below 4 sigma.
    root = correctly_rounded_root(variance)
    bound = abs(Fraction(float(mean)) - mean) / root + Fraction(2**-23) * Fraction(101, 100)
    assert max(abs(Fraction(z) - (x - mean) / root) for z, x in zip(found, train, strict=True)) < bound


def test_scalars_side_by_side_have_the_bits_of_the_map(frozen: FrozenTransform) -> None:
    names, expected = float_names(), frozen(tensors(PLAN, ROWS))
    layer, values = keras_normalization(frozen, names), column(ROWS, *float_names())
    assert layer.built
    assert not np.isfinite(values).all()
    wanted = np.stack([expected[name].numpy() for name in names], axis=1)
    assert wanted.dtype == np.float32
    for found in (in_map(layer, values), layer(values).numpy(), tf.function(layer)(values).numpy()):
        assert (found.dtype, found.tobytes()) == (wanted.dtype, wanted.tobytes())


@pytest.mark.parametrize("name", SCALARS)
def test_a_scalar_alone_has_the_bits_of_the_map(frozen: FrozenTransform, name: str) -> None:
    values = column(ROWS, name, dtype=np.int64 if name in WHOLE else np.float32)
    wanted = frozen(tensors(PLAN, ROWS))[name].numpy()
    for form in (name, [name]):
        assert in_map(keras_normalization(frozen, form), values).tobytes() == wanted.tobytes()


@pytest.mark.parametrize(
    ("name", "statistics"), [("table", (1, 1, 3)), ("pair", (1, 2)), ("image", (1, 1, 1)), ("one", (1, 1))]
)
def test_a_feature_with_a_shape_has_the_bits_of_the_map(
    frozen: FrozenTransform, name: str, statistics: tuple[int, ...]
) -> None:
    layer = keras_normalization(frozen, name)
    wanted = frozen(tensors(PLAN, ROWS))[name].numpy()
    assert layer.mean.shape == layer.variance.shape == statistics
    assert in_map(layer, column(ROWS, name)).tobytes() == wanted.tobytes()


def test_whole_numbers_are_exact_up_to_2_to_the_53(frozen: FrozenTransform) -> None:
    layer = keras_normalization(frozen, "large")
    near = 2**52 + np.array([[500], [501]])
    one, other = (Fraction(z) for z in in_map(layer, near)[:, 0].tolist())
    # As a float32 the two would be the same number.
    assert np.float32(near[0, 0]) == np.float32(near[1, 0])
    assert abs((other - one) * Fraction(layer.variance.item() ** 0.5) - 1) < Fraction(1, 10**4)
    assert layer(near).numpy().tobytes() == in_map(layer, near).tobytes()
    inputs = keras.Input([1], dtype="int64")
    assert keras.Model(inputs, layer(inputs)).predict(near, verbose=0).tobytes() == in_map(layer, near).tobytes()


@pytest.mark.parametrize("maps", [1, 2, 3])
def test_it_captures_nothing_in_any_map(frozen: FrozenTransform, maps: int) -> None:
    layer = keras_normalization(frozen, float_names())
    source = tf.data.Dataset.from_tensors(column(ROWS, *float_names()))
    outputs = []
    for _ in range(maps):
        dataset = source.map(layer, num_parallel_calls=2)
        assert dataset._map_func.function.captured_inputs == []
        outputs.append(next(iter(dataset)).numpy().tobytes())
    assert len(set(outputs)) == 1
    assert layer.weights == []


def test_the_stock_layer_with_preset_statistics_does_capture() -> None:
    """What the test above would see if this layer were as Keras makes it."""
    layer = keras.layers.Normalization(mean=[1.0], variance=[4.0])
    layer.build((None, 1))
    dataset = tf.data.Dataset.from_tensors(tf.ones([2, 1])).map(layer)
    assert len(dataset._map_func.function.captured_inputs) == 2


def test_a_layer_first_built_inside_a_map_works_in_the_next_one() -> None:
    layer = FrozenNormalization(mean=[1.0], variance=[4.0])
    source = tf.data.Dataset.from_tensors(tf.constant([[5.0]]))
    assert [next(iter(source.map(layer))).numpy().item() for _ in range(2)] == [2, 2]
    assert layer(np.array([[5.0]])).numpy().item() == 2


def test_no_division_and_no_state_is_in_the_graph(frozen: FrozenTransform) -> None:
    function = tf.function(keras_normalization(frozen, SCALARS)).get_concrete_function(
        tf.TensorSpec([None, len(SCALARS)], tf.float64)
    )
    types = {operation.type for operation in function.graph.get_operations()}
    assert not types & {"RealDiv", "Div", "ReadVariableOp", "VarHandleOp", "Sqrt"}
    assert function.captured_inputs == []


def test_no_spread_gives_zero_whatever_comes(frozen: FrozenTransform) -> None:
    layer = keras_normalization(frozen, "same")
    assert layer.variance.item() == 0
    assert not layer(np.array([[0.1], [1.0], [-3e38], [np.nan], [np.inf]], np.float32)).numpy().any()
    # The stock layer divides by an epsilon of 1e-7.
    stock = keras.layers.Normalization(mean=[0.0], variance=[0.0])
    stock.build((None, 1))
    assert stock(np.array([[1.0]])).numpy().item() == pytest.approx(1e7)


def test_stand_ins_clip_and_logarithm_by_hand() -> None:
    layer = FrozenNormalization(
        mean=[5.0, 5.0, 1.0],
        variance=[4.0, 4.0, 4.0],
        fill=[5.0, 9.0, 3.0],
        low=[5.0, 1.0, 3.0],
        high=[5.0, 17.0, 3.0],
        clip=[np.inf, 3.0, 0.75],
        log1p=[False, False, True],
    )
    rows = np.array([[np.nan] * 3, [np.inf] * 3, [-np.inf] * 3, [7, 7, 0], [-5, -5, math.e**4 - 1]])
    # log1p(-inf) is NaN, so the last column fills it; 0 has the logarithm 0, and e^4 - 1 the logarithm 4.
    expected = [[0, 2, 0.75], [0, 3, 0.75], [0, -2, 0.75], [1, 1, -0.5], [-5, -3, 0.75]]
    assert layer(rows).numpy().tolist() == expected


@pytest.mark.parametrize("name", ["mixed_float16", "float16", "bfloat16", "float64"])
def test_no_dtype_policy_changes_a_bit(
    frozen: FrozenTransform, policy: Callable[[str], None], tmp_path: Path, name: str
) -> None:
    wanted = in_map(keras_normalization(frozen, "far"), column(ROWS, "far"))
    policy(name)
    layer = keras_normalization(frozen, "far")
    assert in_map(layer, column(ROWS, "far")).tobytes() == wanted.tobytes()
    assert layer(column(ROWS, "far")).numpy().tobytes() == wanted.tobytes()
    inputs = keras.Input([1], dtype="float32")
    model = keras.Model(inputs, layer(inputs))
    assert model.output.dtype == "float32"
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    assert again(column(ROWS, "far")).numpy().tobytes() == wanted.tobytes()


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_model_trains_and_predicts_on_it(frozen: FrozenTransform, jit_compile: bool) -> None:
    names = float_names()
    train, values = column(TRAIN, *names), column(ROWS, *names)
    inputs = keras.Input([len(names)])
    normalized = keras_normalization(frozen, names)(inputs)
    model = keras.Model(inputs, [normalized, keras.layers.Dense(1)(normalized)])
    model.compile(loss=[None, "mse"], jit_compile=jit_compile)
    history = model.fit(train, [train, np.ones([len(train), 1])], epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    found, _ = model.predict(values, verbose=0)
    wanted = np.stack([frozen(tensors(PLAN, ROWS))[name].numpy() for name in names], axis=1)
    logarithms = [names.index("skewed")]
    others = [at for at in range(len(names)) if at not in logarithms]
    assert found[:, others].tobytes() == wanted[:, others].tobytes()
    # XLA has a logarithm of its own.
    np.testing.assert_array_max_ulp(found[:, logarithms], wanted[:, logarithms], maxulp=1)


def test_a_saved_model_loads_where_only_this_module_was_imported(frozen: FrozenTransform, tmp_path: Path) -> None:
    inputs = [keras.Input([len(SCALARS)], dtype="float64"), keras.Input([2, 3])]
    layers = [keras_normalization(frozen, SCALARS), keras_normalization(frozen, "table", name="of_a_table")]
    model = keras.Model(inputs, [layer(each) for layer, each in zip(layers, inputs, strict=True)])
    model.save(tmp_path / "model.keras")
    scalars = np.stack([column(ROWS, name, dtype=np.float64).reshape(-1) for name in SCALARS], axis=1)
    np.savez(tmp_path / "in.npz", scalars, column(ROWS, "table"))
    code = (
        "import sys, numpy as np\n"
        "import components.frozen.keras_layer\n"
        "import keras\n"
        "held = np.load('in.npz')\n"
        "model = keras.models.load_model('model.keras')\n"
        "np.savez('out.npz', *model([held['arr_0'], held['arr_1']]))\n"
        "np.savez('statistics.npz', *[x for layer in model.layers[2:] for x in (layer.mean, layer.variance)])\n"
        "print(sorted({'tensorflow_transform', 'tfx', 'tfx_bsl', 'apache_beam'} & set(sys.modules)))\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(REPOSITORY), "PATH": "", "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stderr[-3000:]
    assert answer.stdout.splitlines()[-1] == "[]"
    here = model([scalars, column(ROWS, "table")])
    there = np.load(tmp_path / "out.npz")
    assert [there[f"arr_{i}"].tobytes() for i in range(2)] == [x.numpy().tobytes() for x in here]
    statistics = np.load(tmp_path / "statistics.npz")
    wanted = [values for layer in layers for values in (layer.mean, layer.variance)]
    assert [statistics[f"arr_{i}"].tobytes() for i in range(4)] == [values.tobytes() for values in wanted]


def test_the_config_gives_the_layer_back_exactly(frozen: FrozenTransform) -> None:
    for layer in (keras_normalization(frozen, SCALARS), keras_normalization(frozen, "pair", invert=True, name="back")):
        config = layer.get_config()
        again = FrozenNormalization.from_config(config)
        assert again.get_config() == config
        again.build((None, *layer.mean.shape[1:]))
        assert (again.mean.tobytes(), again.variance.tobytes()) == (layer.mean.tobytes(), layer.variance.tobytes())
        assert (again.name, again.invert) == (layer.name, layer.invert)


def test_the_way_back_is_float64_and_gives_the_feature(frozen: FrozenTransform) -> None:
    forth, back = (keras_normalization(frozen, ["far", "large"], invert=invert) for invert in (False, True))
    values = np.stack([column(TRAIN, "far")[:, 0], column(TRAIN, "large", dtype=np.int64)[:, 0]], axis=1, dtype=float)
    scores = in_map(forth, values)
    for returned in (back(scores).numpy(), in_map(back, scores)):
        assert returned.dtype == np.float64
        # A score is within half a spacing of float32, which is 2^-23 below 4 sigma.
        sigma = np.sqrt(back.variance)
        assert (np.abs(scores) < 4).all()
        assert (np.abs(returned - values) < 2**-23 * sigma * 1.01).all()
        # So whole numbers come back as themselves, also those that a float32 cannot hold.
        assert np.array_equal(np.rint(returned[:, 1]), values[:, 1])
    assert back.compute_output_spec(keras.KerasTensor([None, 2])).dtype == "float64"


def test_the_way_back_undoes_the_logarithm_and_gives_the_mean_without_spread(frozen: FrozenTransform) -> None:
    forth, back = (keras_normalization(frozen, ["skewed", "same"], invert=invert) for invert in (False, True))
    values = column(TRAIN, "skewed", "same")
    returned = back(forth(values)).numpy()
    np.testing.assert_allclose(returned[:, 0], values[:, 0], rtol=1e-6)
    assert set(returned[:, 1].tolist()) == {float(np.float32(0.1))}


@pytest.mark.parametrize("method", ["adapt", "update_state", "reset_state"])
def test_it_is_never_adapted(frozen: FrozenTransform, method: str) -> None:
    layer = keras_normalization(frozen, "far")
    data = [] if method == "reset_state" else [np.ones([3, 1])]
    with pytest.raises(RuntimeError, match=rf"needs no {method}\(\).*call keras_normalization"):
        getattr(layer, method)(*data)


def test_an_input_of_another_width_or_rank_is_refused(frozen: FrozenTransform) -> None:
    layer = keras_normalization(frozen, ["far", "ends"])
    for shape in ([3], [3, 1], [3, 3], [3, 2, 2]):
        with pytest.raises(ValueError, match="incompatible with the layer"):
            layer(np.zeros(shape, np.float32))
    with pytest.raises(ValueError, match=r"constants of shape \(2,\) but .* sizes \[3\]"):
        FrozenNormalization([0.0, 1.0], [1.0, 1.0]).build((None, 3))
    with pytest.raises(ValueError, match="axes of known size"):
        FrozenNormalization([0.0, 1.0], [1.0, 1.0]).build((None, None))


@pytest.mark.parametrize(("mean", "variance"), [(np.nan, 1.0), (0.0, np.inf), (0.0, -1.0), (0.0, np.nan)])
def test_impossible_statistics_are_refused(mean: float, variance: float) -> None:
    with pytest.raises(ValueError, match="finite mean and a finite variance of at least 0"):
        FrozenNormalization([mean], [variance])


UNSUITED = plan_of(
    feature("x", "FLOAT", "z_score"),
    feature("y", "FLOAT", "z_score", shape="2"),
    feature("share", "FLOAT", "min_max"),
    feature("middle", "FLOAT", "robust"),
    feature("carrier", "BYTES", "category"),
    feature("by carrier", "FLOAT", "z_score_per_key:carrier"),
    feature("flagged", "FLOAT", "z_score", "missing=indicator"),
    feature("needed", "FLOAT", "z_score", "missing=error"),
    feature("strict", "FLOAT", "z_score", "nonfinite=error"),
    feature("many", "FLOAT", "z_score", shape="variable"),
)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ("share", "'share' has the role 'min_max'"),
        ("middle", "'middle' has the role 'robust'"),
        ("carrier", "'carrier' has the role 'category'"),
        (["x", "by carrier"], "'by carrier' has the role 'z_score_per_key'"),
        ("flagged", "'flagged' has missing=indicator"),
        ("needed", "'needed' has missing=error"),
        ("strict", "'strict' has nonfinite=error"),
        ("many", "'many' has any number of values a row"),
        (["x", "y"], r"of \['x', 'y'\] \['y'\] have a shape"),
        (["x", "z"], r"got \['z'\]. There are \['x', 'y', "),
        ([], r"got \[\]"),
    ],
)
def test_what_a_layer_cannot_carry_is_an_error(features: Any, message: str) -> None:
    row = {"x": 1.0, "y": [1.0, 2.0], "share": 1.0, "middle": 1.0, "carrier": b"a", "by carrier": 1.0}
    row |= {"flagged": 1.0, "needed": 1.0, "strict": 1.0, "many": [1.0]}
    held = SimpleNamespace(constants=constants_of(UNSUITED, [row]))
    with pytest.raises(ConfigError, match=message):
        keras_normalization(held, features)  # type: ignore[arg-type]


def test_a_call_on_another_backend_of_keras_is_an_error() -> None:
    layer = FrozenNormalization(mean=[1.0], variance=[4.0])
    layer.build((None, 1))
    layer.backend = SimpleNamespace(name="jax")
    with pytest.raises(RuntimeError, match=r"Keras runs on 'jax'.*KERAS_BACKEND=tensorflow, or put the layer into a"):
        layer.call(np.ones([2, 1]))
