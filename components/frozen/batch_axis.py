"""Where the batch axis of a tensor is after an operation."""

import tensorflow as tf

from components.frozen.operations import constant_value


def axes_of(indices: tf.Tensor, rank: int | None) -> list[int] | None:
    """The axes, counted from the front where the rank is known; None stands for all."""
    found = constant_value(indices)
    if found is None:
        return None
    flat = [int(axis) for axis in found.reshape(-1)]
    return [axis + rank if axis < 0 and rank is not None else axis for axis in flat]


def axis_after(operation: tf.Operation, output: tf.Tensor, axis: int) -> int | None:
    """The position of the batch axis in ``output``, where it is ``axis`` in the data read; None if it is gone."""
    kind = operation.type
    if kind == "TensorListGetItem":
        return None
    if kind == "Transpose":
        order = tf.get_static_value(operation.inputs[1])
        return axis if order is None else [int(x) for x in order].index(axis)
    if kind == "StridedSlice":
        removed = operation.get_attr("shrink_axis_mask") >> axis & 1
        return None if removed else axis + (operation.get_attr("new_axis_mask") & 1)
    if kind == "ExpandDims":
        at = tf.get_static_value(operation.inputs[1])
        rank = output.shape.rank
        return axis + (at is not None and (int(at) if at >= 0 or rank is None else int(at) + rank) in range(axis + 1))
    if kind == "Squeeze":
        removed_axes = operation.get_attr("squeeze_dims")
        return None if axis in removed_axes else axis - sum(0 <= at < axis for at in removed_axes)
    if kind in ("Pack", "Unpack"):
        at = operation.get_attr("axis")
        if kind == "Pack":
            return axis + (0 <= at <= axis)
        return None if at == axis else axis - (0 <= at < axis)
    if kind == "Reshape":
        return 1 if output.shape.rank not in (None, 0) and output.shape[0] == 1 and axis == 0 else 0
    return axis
