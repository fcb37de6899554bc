"""The state of a training on disk, in a folder that only the very same training finds again."""

import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from components.frozen.record_files import matching_files
from components.trainer.early_stopping import BestWeights
from components.trainer.options import TrainingOptions

# Of custom_config: what tells whether the code that trains is the same.
_CODE = ("code_digest", "model_digest")


def folder_of(
    options: TrainingOptions, constants_digest: str, custom_config: Mapping[str, Any], files: Sequence[str]
) -> str:
    """The folder of a training's checkpoints, below ``checkpoint_dir``; empty, as that one, for none.

    Its name is a SHA-256 of all that a checkpoint depends on: constants, options, code, and the files by name and size.
    The files' folders are not part of it: the same examples may lie under another execution's number.
    """
    if not options.checkpoint_dir:
        return ""
    parts = {
        "constants": constants_digest,
        "options": dict(options.deciding),
        "code": {name: custom_config.get(name) for name in _CODE},
        "files": [(file.rpartition("/")[2], tf.io.gfile.stat(file).length) for file in matching_files(files)],
    }
    key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    return f"{options.checkpoint_dir.rstrip('/')}/{key}"


class Checkpoints:
    """Weights, optimizer, random seeds, early stopping and the number of batches trained on, in one folder.

    A checkpoint counts once TensorFlow's file ``checkpoint`` names it, which is replaced at once and last: a process
    that is killed while it writes leaves the former one.
    """

    def __init__(
        self, folder: str, model: keras.Model, best: BestWeights | None, *, every: int, writes: bool = True
    ) -> None:
        """``model`` and its optimizer are built. An empty ``folder`` keeps nothing.

        Args:
          folder: to restore from and, where ``writes``, to write to.
          model: compiled.
          best: the state of early stopping, if there is one.
          every: batches from one checkpoint to the next.
          writes: False for all workers but one: saving may be a collective operation, so they write for nothing.
        """
        self._folder = folder
        self._every = every
        self._trained = tf.Variable(0, dtype=tf.int64, trainable=False)
        # Keras names a variable anew in each process; its order in these lists is that of the code.
        state = {
            "trained": self._trained,
            "model": [variable.value for variable in model.variables],
            "optimizer": [variable.value for variable in model.optimizer.variables],
        }
        self._checkpoint = tf.train.Checkpoint(**state, **({} if best is None else {"best": best}))
        self._scratch = None if writes else tempfile.TemporaryDirectory()
        target = self._scratch.name if self._scratch else folder
        self._manager = tf.train.CheckpointManager(self._checkpoint, target, max_to_keep=1) if folder else None

    def restore(self) -> int:
        """Brings the state back; the number of batches trained on so far, 0 where there is no checkpoint."""
        latest = tf.train.latest_checkpoint(self._folder) if self._folder else None
        if latest is None:
            return 0
        self._checkpoint.restore(latest).assert_consumed()
        return int(self._trained.numpy())

    def save_if_due(self, trained: int) -> None:
        """Writes a checkpoint if ``every`` batches, or more, have been trained on since the last one was due."""
        if self._manager is None or trained // self._every == int(self._trained.numpy()) // self._every:
            return
        self._trained.assign(trained)
        self._manager.save(checkpoint_number=trained)


def remove(folder: str) -> None:
    """Removes the checkpoints of a finished training: a later one, asked for anew, starts from the beginning."""
    if folder and tf.io.gfile.exists(folder):
        tf.io.gfile.rmtree(folder)
