"""The lowest validation loss so far, the weights that had it, and when to wait no longer."""

import math

import keras
import tensorflow as tf


class BestWeights(tf.Module):
    """Early stopping as variables, so that it is part of every checkpoint."""

    def __init__(self, model: keras.Model, patience: int) -> None:
        """``model`` is built; ``patience`` counts validations without a lower loss."""
        super().__init__()
        self._patience = patience
        self.loss = tf.Variable(math.inf, dtype=tf.float64, trainable=False)
        self.waited = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.weights = [tf.Variable(weight, trainable=False) for weight in model.get_weights()]

    def is_enough(self, loss: float, model: keras.Model) -> bool:
        """Takes the loss of one validation; True when the last ``patience`` of them brought no lower one.

        A loss that is not a number is not lower.
        """
        if loss < float(self.loss.numpy()):
            self.loss.assign(loss)
            self.waited.assign(0)
            for kept, weight in zip(self.weights, model.get_weights(), strict=True):
                kept.assign(weight)
        else:
            self.waited.assign_add(1)
        return int(self.waited.numpy()) >= self._patience

    def give_to(self, model: keras.Model) -> None:
        """Sets the model's weights to the best ones, if any validation had a loss."""
        if math.isfinite(float(self.loss.numpy())):
            model.set_weights([weight.numpy() for weight in self.weights])
