"""The two streams of a training, from wherever it goes on and for whichever worker."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from components.frozen import FrozenTransform
from components.trainer.augment_options import Augmentation
from components.trainer.augmentation import augmented
from components.trainer.input_data import normalized_dataset


@dataclasses.dataclass(frozen=True)
class Streams:
    """Where rows come from; a worker's share is ``(index, count)``: every count-th batch from the index-th on.

    Attributes:
      train_files, eval_files: TFRecord files or globs.
      frozen: the transform.
      batch_size: rows of one batch.
      seed: of the shuffle, and of the augmentation; with it the training stream is the same in every process.
      augmentation: of the training stream's images.
    """

    train_files: Sequence[str]
    eval_files: Sequence[str]
    frozen: FrozenTransform
    batch_size: int
    seed: int
    augmentation: Augmentation | None = None

    def training(
        self,
        skipped: int = 0,
        share: tuple[int, int] = (0, 1),
        watch: Callable[[tf.data.Dataset], tf.data.Dataset] = lambda dataset: dataset,
    ) -> tf.data.Dataset:
        """The endless, shuffled stream without its first ``skipped`` batches; ``watch`` sees it before augmentation.

        Because the shares interleave, n workers of batch size b see together, in each step, the rows that one process
        of batch size n * b sees in that step.
        """
        batches = self._batches(
            self.train_files, share, shuffle=True, seed=self.seed, repeat=True, skip_batches=skipped
        )
        batches = watch(batches)
        if self.augmentation is None:
            return batches
        index, count = share
        return augmented(batches, self.frozen.plan, self.augmentation, self.seed, first=skipped + index, step=count)

    def evaluation(self, share: tuple[int, int] = (0, 1)) -> tf.data.Dataset:
        """One pass over the evaluation split, in the files' order."""
        return self._batches(self.eval_files, share)

    def _batches(self, files: Sequence[str], share: tuple[int, int], **options: Any) -> tf.data.Dataset:
        return normalized_dataset(
            files, self.frozen, batch_size=self.batch_size, shard=share, shard_by="batch", **options
        )
