"""A training that is killed by signal 9 and started again ends as one that nobody disturbed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from training_process import ended, start, weights, write_table

from components import FrozenTransform, NormalizationConstants

# The rate is so high that soon a validation is no better than the one before.
PATIENCE = 2
OPTIONS = {"learning_rate": 0.2, "epochs": 20, "early_stopping": PATIENCE}
STEPS_IN_EPOCH = 20


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_table(tmp_path_factory.mktemp("table"))


def finish(*arguments: Any, **options: Any) -> str:
    """Runs a training to its end; its log."""
    status, log = ended(start(*arguments, **options))
    assert status == 0, log[-3000:]
    return log


def validation_losses(out: Path) -> list[float]:
    """What TensorBoard shows, by epoch."""
    files = sorted((out / "logs" / "validation").iterdir())
    events = [event for file in files for event in tf.compat.v1.train.summary_iterator(str(file))]
    values = [value for event in events for value in event.summary.value if value.tag == "epoch_loss"]
    return [float(tf.make_ndarray(value.tensor)) for value in values]


def checkpoints_below(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.rglob("ckpt-*.index"))


@pytest.mark.parametrize(("strategy", "devices"), [("single", 1), pytest.param("mirrored", 2, marks=pytest.mark.slow)])
def test_a_killed_training_goes_on_to_the_same_weights(
    table: Path, tmp_path: Path, strategy: str, devices: int
) -> None:
    options = {**OPTIONS, "strategy": strategy}
    finish(table, tmp_path / "undisturbed", options=options, devices=devices)
    losses = validation_losses(tmp_path / "undisturbed")
    assert len(losses) < OPTIONS["epochs"]
    assert np.argmin(losses) == len(losses) - 1 - PATIENCE

    folder = tmp_path / "checkpoints"
    options = {**options, "checkpoint_dir": str(folder)}
    # In the first epoch; then in the last one, when the lowest loss and its weights are two validations old.
    last_epoch = STEPS_IN_EPOCH * (len(losses) - 1)
    for kill in (11, last_epoch + 9):
        status, log = ended(start(table, tmp_path / "killed", options=options, devices=devices, killed_at=kill))
        assert status == -9, log[-3000:]
        saved = kill // 3 * 3
        assert checkpoints_below(folder) == [f"ckpt-{saved}.index"]
    (key,) = folder.iterdir()
    log = finish(table, tmp_path / "killed", options=options, devices=devices)
    assert f"Resuming at step {saved} of {STEPS_IN_EPOCH * 20} from {key}." in log

    # The shuffle, the dropout, the optimizer and the best weights all go on: the very same bits.
    for there, here in zip(weights(tmp_path / "undisturbed"), weights(tmp_path / "killed"), strict=True):
        assert there.tobytes() == here.tobytes()
    assert validation_losses(tmp_path / "killed")[-1] == losses[-1]
    constants = NormalizationConstants.load(tmp_path / "killed" / "model" / "assets")
    assert constants.digest == FrozenTransform.load(table).digest
    # The same training, asked for again, has nothing to go on from.
    assert list(folder.iterdir()) == []
