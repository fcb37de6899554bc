"""What a checkpoint holds, when it is written, and for which training it counts."""

import dataclasses
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.trainer.checkpoints import Checkpoints, folder_of, remove
from components.trainer.early_stopping import BestWeights
from components.trainer.options import TrainingOptions

OPTIONS = TrainingOptions("binary", "m:build", 2, 4, 0.1, (8, 4), 0.5, 1, checkpoint_dir="/checkpoints")
CODE = {"code_digest": "c", "model_digest": "m"}


def made(seed: int = 0) -> keras.Model:
    """A small model with a random layer, and an optimizer with slots, all built."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.layers.Dense(3), keras.layers.Dropout(0.5), keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.Adam(0.1), loss="mse", jit_compile=False)
    model.build((None, 2))
    model.optimizer.build(model.trainable_variables)
    return model


def train(model: keras.Model, steps: int) -> None:
    x = np.arange(8, dtype=np.float32).reshape(4, 2)
    for _ in range(steps):
        model.train_on_batch(x, x[:, :1])


def state(model: keras.Model) -> list[bytes]:
    return [np.asarray(variable).tobytes() for variable in [*model.variables, *model.optimizer.variables]]


def held(folder: Path) -> list[str]:
    return sorted(file.stem for file in folder.glob("*.index"))


def test_another_model_object_gets_weights_optimizer_and_random_state_back(tmp_path: Path) -> None:
    first, other = made(seed=1), made(seed=2)
    train(first, 3)
    Checkpoints(str(tmp_path), first, None, every=1).save_if_due(3)
    assert state(other) != state(first)
    assert Checkpoints(str(tmp_path), other, None, every=1).restore() == 3
    assert state(other) == state(first)
    train(first, 2)
    train(other, 2)
    assert state(other) == state(first)


def test_early_stopping_is_part_of_the_state(tmp_path: Path) -> None:
    model, other = made(seed=1), made(seed=2)
    best = BestWeights(model, 3)
    for loss in (5.0, 4.0, 4.5):
        train(model, 1)
        assert not best.is_enough(loss, model)
    Checkpoints(str(tmp_path), model, best, every=1).save_if_due(3)
    restored = BestWeights(other, 3)
    Checkpoints(str(tmp_path), other, restored, every=1).restore()
    assert not restored.is_enough(4.1, other)
    assert restored.is_enough(4.2, other)
    for patient in (best, restored):
        patient.give_to(model)
        assert [weight.numpy().tobytes() for weight in patient.weights] == [w.tobytes() for w in model.get_weights()]
    assert [w.numpy().tobytes() for w in restored.weights] == [w.numpy().tobytes() for w in best.weights]


def test_one_checkpoint_is_kept_and_written_when_its_steps_have_passed(tmp_path: Path) -> None:
    checkpoints = Checkpoints(str(tmp_path), made(), None, every=3)
    found = []
    for trained in (1, 2, 3, 4, 7, 8, 9):  # an epoch may end beside a multiple of 3
        checkpoints.save_if_due(trained)
        found.append(held(tmp_path))
    assert found == [[], [], ["ckpt-3"], ["ckpt-3"], ["ckpt-7"], ["ckpt-7"], ["ckpt-9"]]


def test_a_checkpoint_that_was_not_finished_does_not_count(tmp_path: Path) -> None:
    model = made()
    train(model, 1)
    checkpoints = Checkpoints(str(tmp_path), model, None, every=1)
    checkpoints.save_if_due(1)
    # A process that died while it wrote the next one: complete files that nothing names yet, and an incomplete one.
    for file in list(tmp_path.glob("ckpt-1.*")):
        (tmp_path / file.name.replace("ckpt-1", "ckpt-2")).write_bytes(file.read_bytes()[:100])
    before = state(model)
    train(model, 1)
    assert Checkpoints(str(tmp_path), model, None, every=1).restore() == 1
    assert state(model) == before


def test_a_process_that_dies_before_the_last_step_of_writing_leaves_the_former_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def dies(self: Any, *_: Any, **__: Any) -> None:
        raise Killed

    checkpoints = Checkpoints(str(tmp_path), made(), None, every=1)
    checkpoints.save_if_due(1)
    monkeypatch.setattr(tf.train.CheckpointManager, "_record_state", dies)
    with pytest.raises(Killed):
        checkpoints.save_if_due(2)
    assert held(tmp_path) == ["ckpt-1", "ckpt-2"]
    assert Checkpoints(str(tmp_path), made(), None, every=1).restore() == 1


def test_workers_that_do_not_write_restore_all_the_same(tmp_path: Path) -> None:
    model = made()
    writer, reader = (Checkpoints(str(tmp_path), model, None, every=1, writes=writes) for writes in (True, False))
    reader.save_if_due(1)
    assert list(tmp_path.iterdir()) == []
    writer.save_if_due(2)
    assert reader.restore() == 2


def test_without_a_folder_nothing_is_kept() -> None:
    checkpoints = Checkpoints("", made(), None, every=1)
    checkpoints.save_if_due(1)
    assert checkpoints.restore() == 0
    remove("")


def test_a_finished_training_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "key"
    Checkpoints(str(folder), made(), None, every=1).save_if_due(1)
    remove(str(folder))
    remove(str(folder))
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    for name, size in (("a-0", 3), ("a-1", 4), ("b-0", 5)):
        (tmp_path / name).write_bytes(b"." * size)
    return [f"{tmp_path}/a-*", f"{tmp_path}/b-*"]


@pytest.mark.parametrize(
    "change",
    [
        {"constants_digest": "other"},
        {"custom_config": {**CODE, "code_digest": "other"}},
        {"custom_config": {**CODE, "model_digest": "other"}},
        {"options": dataclasses.replace(OPTIONS, seed=2)},
        {"options": dataclasses.replace(OPTIONS, hidden_units=(4, 8))},
        {"options": dataclasses.replace(OPTIONS, early_stopping=1)},
    ],
)
def test_no_checkpoint_meets_other_constants_code_or_options(files: list[str], change: dict[str, Any]) -> None:
    same: dict[str, Any] = {"options": OPTIONS, "constants_digest": "d", "custom_config": CODE, "files": files}
    assert folder_of(**same).startswith("/checkpoints/")
    assert folder_of(**{**same, **change}) != folder_of(**same)


def test_no_checkpoint_meets_other_examples(files: list[str], tmp_path: Path) -> None:
    before = folder_of(OPTIONS, "d", CODE, files)
    (tmp_path / "a-1").write_bytes(b"one more")
    assert folder_of(OPTIONS, "d", CODE, files) != before


def test_where_things_lie_and_how_often_they_are_written_is_the_same_training(files: list[str], tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for file in tmp_path.glob("*-*"):
        (moved / file.name).write_bytes(file.read_bytes())
    options = dataclasses.replace(OPTIONS, checkpoint_dir="gs://b/c/", checkpoint_steps=9, keras_export=True)
    there = folder_of(options, "d", CODE, [f"{moved}/a-*", f"{moved}/b-*"])
    assert there == folder_of(OPTIONS, "d", CODE, files).replace("/checkpoints/", "gs://b/c/")


def test_no_checkpoint_dir_is_no_folder(files: list[str]) -> None:
    assert folder_of(dataclasses.replace(OPTIONS, checkpoint_dir=""), "d", CODE, files) == ""
