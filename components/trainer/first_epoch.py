"""The callback that looks at what the first epoch was fed, before more time is spent."""

from typing import Any

import keras
import tensorflow as tf
from absl import logging

from components.constants import NormalizationConstants
from components.trainer.fed import Observer
from components.trainer.fed_check import FILE_NAME, FedLimits, judge
from components.trainer.options import TrainingOptions
from components.verdict import line, stop_unless_blessed


class FedCheck(keras.callbacks.Callback):
    """Watches the training stream, and judges it behind the first epoch; the verdict is ``fed.json`` in a folder."""

    def __init__(self, constants: NormalizationConstants, options: TrainingOptions, folder: str) -> None:
        """Of a training that begins with the first row; ``folder`` is the logs'."""
        super().__init__()
        self._constants, self._folder, self._blocks = constants, folder, options.fed_check == "block"
        self._limits = FedLimits(options.fed_far, options.fed_clipped)
        # Rows whose image is left out pass by neither the analysis nor the training. Of several such images it is not
        # known which rows lack both.
        skipping = [f for f in constants.plan.images if f.image is not None and f.image.corrupt == "skip"]
        left_out = max((int(constants[feature.name].missing.max()) for feature in skipping), default=0)
        self._is_exact = len(skipping) < 2
        self._observer: Observer | None = Observer(constants, constants.rows - left_out)

    def watch(self, dataset: tf.data.Dataset) -> tf.data.Dataset:
        """The same batches, which are counted on their way."""
        assert self._observer is not None
        return self._observer.watch(dataset)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Writes and judges, once.

        Raises:
          CheckFailedError: what was fed is not what the constants promise.
        """
        if self._observer is None:
            return
        own_data = not self._constants.provenance.source and self._is_exact
        verdict = judge(self._constants, self._observer.seen(), own_data=own_data, limits=self._limits)
        self._observer = None
        tf.io.gfile.makedirs(self._folder)
        with tf.io.gfile.GFile(f"{self._folder}/{FILE_NAME}", "w") as file:
            file.write(verdict.to_json())
        for finding in (*verdict.findings, *verdict.warnings):
            logging.warning("What was fed:%s", line(finding))
        if self._blocks:
            stop_unless_blessed(verdict)
