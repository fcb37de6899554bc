"""What a model must beat: the answer that knows the labels of the training split and no feature."""

import collections
from collections.abc import Sequence

import numpy as np

Label = bytes | int | float


def majority_accuracy(train: Sequence[Label], evaluation: Sequence[Label]) -> float:
    """Share of the evaluation labels that are the training split's most frequent one.

    Equally frequent labels: the smallest counts. NaN without labels.
    """
    if not len(train) or not len(evaluation):
        return float("nan")
    counted = collections.Counter(train)
    majority = min(counted, key=lambda label: (-counted[label], label))
    return sum(label == majority for label in evaluation) / len(evaluation)


def mean_absolute_error(train: Sequence[float], evaluation: Sequence[float]) -> float:
    """Mean distance of the evaluation labels from the training split's mean, in the label's unit.

    NaN without labels.
    """
    if not len(train) or not len(evaluation):
        return float("nan")
    return float(np.abs(np.asarray(evaluation, np.float64) - np.mean(train, dtype=np.float64)).mean())


def baseline(task: str, train: Sequence[Label], evaluation: Sequence[Label]) -> dict[str, float]:
    """``baseline_mae`` for a regression, ``baseline_accuracy`` for classes."""
    if task == "regression":
        return {"baseline_mae": mean_absolute_error([float(x) for x in train], [float(x) for x in evaluation])}
    return {"baseline_accuracy": majority_accuracy(train, evaluation)}
