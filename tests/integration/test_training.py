"""fit: from two streams to a trained model, by Keras and by the loop for several replicas."""

import dataclasses
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from graph_tables import feature, plan_of, write_records
from training_process import OPTIONS, ended, rows, start, weights, write_table

from components import FrozenTransform
from components.errors import ConfigError
from components.trainer.fitting import Schedule, fit
from components.trainer.model import ModelSpec, build_model
from components.trainer.options import TrainingOptions
from components.trainer.strategies import is_chief, require_even_batches, strategy_of
from components.trainer.streams import Streams

TRAINING = TrainingOptions(**{**OPTIONS, "hidden_units": (8,), "epochs": 3})
# Gradients of halves, added, beside the gradient of the whole, over 60 steps of Adam.
FLOAT32_ROUNDING = 1e-5


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_table(tmp_path_factory.mktemp("table"))


def streams_of(table: Path, **changed: Any) -> Streams:
    frozen = FrozenTransform.load(table)
    return dataclasses.replace(Streams([f"{table}/train-*"], [f"{table}/eval-*"], frozen, 32, 7), **changed)


def model_for(streams: Streams, options: TrainingOptions) -> keras.Model:
    keras.utils.set_random_seed(options.seed)
    return build_model(ModelSpec(streams.frozen.constants, "binary", options.learning_rate, (8,), options.dropout))


def scalars(folder: Path, tag: str) -> list[float]:
    """A curve as TensorBoard shows it."""
    files = sorted(folder.glob("events*"))
    events = [event for file in files for event in tf.compat.v1.train.summary_iterator(str(file))]
    values = [value for event in events for value in event.summary.value if value.tag == tag]
    return [float(tf.make_ndarray(value.tensor)) for value in values]


def losses_on(model: keras.Model, streams: Streams) -> float:
    return float(model.evaluate(streams.evaluation(), verbose=0, return_dict=True)["loss"])


def test_a_model_learns_and_its_curves_are_logged(table: Path, tmp_path: Path) -> None:
    streams = streams_of(table)
    model = model_for(streams, TRAINING)
    fit(model, streams, TRAINING, "", str(tmp_path))
    training, validation = (scalars(tmp_path / name, "epoch_loss") for name in ("train", "validation"))
    assert (len(training), len(validation)) == (3, 3)
    assert training[-1] < training[0] / 2
    assert validation[-1] == pytest.approx(losses_on(model, streams), rel=1e-6)
    assert int(model.optimizer.iterations.numpy()) == 3 * 20


def test_the_same_training_twice_is_the_same_to_the_bit(table: Path, tmp_path: Path) -> None:
    found = []
    for _ in range(2):
        streams = streams_of(table)
        found.append(model_for(streams, TRAINING))
        fit(found[-1], streams, TRAINING, "", str(tmp_path))
    for first, second in zip(found[0].get_weights(), found[1].get_weights(), strict=True):
        assert first.tobytes() == second.tobytes()


@pytest.mark.parametrize("strategy", ["single", "mirrored"])
@pytest.mark.parametrize(("steps", "trained"), [(7, 7), (27, 27), (40, 40), (1000, 60)])
def test_steps_end_a_training_wherever_its_epoch_is(
    table: Path, tmp_path: Path, steps: int, trained: int, strategy: str
) -> None:
    options = dataclasses.replace(TRAINING, steps=steps, strategy=strategy)
    streams = streams_of(table)
    with strategy_of(strategy).scope():
        model = model_for(streams, options)
    fit(model, streams, options, "", str(tmp_path))
    assert int(model.optimizer.iterations.numpy()) == trained
    assert len(scalars(tmp_path / "validation", "epoch_loss")) == -(-trained // 20)
    # Less than a pass cannot have the mean of all rows.
    assert (tmp_path / "fed.json").exists() == (strategy == "single" and trained >= 20)


def test_early_stopping_ends_with_the_weights_of_the_lowest_validation_loss(table: Path, tmp_path: Path) -> None:
    options = dataclasses.replace(TRAINING, learning_rate=0.5, epochs=20, early_stopping=1)
    streams = streams_of(table)
    model = model_for(streams, options)
    fit(model, streams, options, "", str(tmp_path))
    losses = scalars(tmp_path / "validation", "epoch_loss")
    assert 2 <= len(losses) < 20
    assert losses[-1] >= losses[-2] == min(losses)
    assert losses_on(model, streams) == pytest.approx(losses[-2], rel=1e-6)


def test_the_stream_goes_on_where_it_was(table: Path) -> None:
    """Beyond the first pass, too: the shuffle of each is another."""
    streams = streams_of(table)
    whole = [label.numpy().tolist() for _, label in streams.training().take(50)]
    rest = [label.numpy().tolist() for _, label in streams.training(skipped=27).take(23)]
    assert rest == whole[27:]


def test_shares_of_a_step_are_the_rows_of_the_step(table: Path) -> None:
    whole = streams_of(table).training(skipped=21)
    halves = [streams_of(table, batch_size=16).training(skipped=42, share=(index, 2)) for index in (0, 1)]
    for batch, first, second in tf.data.Dataset.zip((whole, *halves)).take(30):
        for name in ("x", "key"):
            parts = np.concatenate([first[0][name], second[0][name]])
            assert parts.tolist() == batch[0][name].numpy().tolist()


@pytest.mark.parametrize(("rows", "steps"), [(64, 2), (65, 3), (1, 1)])
def test_an_epoch_has_the_steps_that_hold_its_rows(rows: int, steps: int) -> None:
    assert Schedule.of(rows, TRAINING).steps_in_epoch == steps


def test_an_epoch_is_a_multiple_of_the_steps_at_once() -> None:
    assert Schedule.of(32 * 7, TRAINING, steps_at_once=3).steps_in_epoch == 9


@pytest.mark.parametrize(("epochs", "every"), [(1, 1), (20, 1), (39, 1), (40, 2), (200, 10)])
def test_validations_are_at_most_about_twenty(epochs: int, every: int) -> None:
    assert Schedule.of(64, dataclasses.replace(TRAINING, epochs=epochs)).validation_freq == every


@pytest.mark.parametrize("damaged", ["train", "eval"])
def test_a_damaged_record_is_tensorflows_own_error(table: Path, tmp_path: Path, damaged: str) -> None:
    streams = streams_of(table)
    plan = streams.frozen.plan
    file = write_records(plan, rows(64, 5), tmp_path / "records")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    broken = dataclasses.replace(streams, **{f"{damaged}_files": [str(file)]})
    with pytest.raises(tf.errors.DataLossError, match="corrupted record"):
        fit(model_for(streams, TRAINING), broken, TRAINING, "", str(tmp_path / "logs"))


def test_a_record_of_another_form_is_tensorflows_own_error(table: Path, tmp_path: Path) -> None:
    plan = plan_of(feature("x", "FLOAT", "z_score"), feature("y", "FLOAT", "label", shape=""))
    file = write_records(plan, [{"x": 1.0, "y": 0.5}] * 64, tmp_path / "records")
    streams = streams_of(table, train_files=[str(file)])
    with pytest.raises(tf.errors.InvalidArgumentError, match="y"):
        fit(model_for(streams, TRAINING), streams, TRAINING, "", str(tmp_path / "logs"))


@pytest.mark.slow
def test_two_replicas_of_one_machine_train_as_one(table: Path, tmp_path: Path) -> None:
    """Without dropout, whose masks differ: halves of a batch, and their summed gradients, are the batch."""
    for name, devices in (("single", 1), ("mirrored", 2)):
        status, log = ended(
            start(table, tmp_path / name, options={"strategy": name, "dropout": 0.0}, devices=devices), 300
        )
        assert status == 0, log[-3000:]
    for one, two in zip(weights(tmp_path / "single"), weights(tmp_path / "mirrored"), strict=True):
        np.testing.assert_allclose(two, one, atol=FLOAT32_ROUNDING)
    for curve in ("train", "validation"):
        for tag in ("epoch_loss", "epoch_auc", "epoch_accuracy"):
            one, two = (scalars(tmp_path / name / "logs" / curve, tag) for name in ("single", "mirrored"))
            assert len(two) == 4
            assert two == pytest.approx(one, rel=1e-3), (curve, tag)


def test_one_process_is_its_own_chief() -> None:
    assert is_chief(strategy_of("single"))


def test_several_workers_need_their_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(ConfigError, match=r"'multi_worker' needs the workers' addresses .* TF_CONFIG"):
        strategy_of("multi_worker")


def test_replicas_share_a_batch_evenly() -> None:
    require_even_batches(tf.distribute.get_strategy(), 7)

    class Three:
        num_replicas_in_sync = 3

    require_even_batches(Three(), 6)
    with pytest.raises(ConfigError, match="must be a multiple of the 3 replicas that share a batch but is 7"):
        require_even_batches(Three(), 7)
