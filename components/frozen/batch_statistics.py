"""Statistics of the batch at hand that reach a map's output: a data flow over its operations.

A reduction over the batch axis makes a *statistic*; arithmetic of a statistic with rows of the same data makes *mixed*
rows, which may not come out of a map. A mean over the other axes, as image standardization takes it, is no statistic of
the batch; and where nothing is batched, axis 0 is no batch axis.
"""

import dataclasses
import re
from collections.abc import Sequence

import tensorflow as tf

from components.frozen.batch_axis import axes_of, axis_after
from components.frozen.bodies import Body, Library
from components.frozen.operations import arguments, callees, captured, is_dataset_op

_REDUCES = re.compile("Mean|Sum|Max|Min|Prod|EuclideanNorm")
_MIX = (
    "Add|AddV2|AddN|Sub|SquaredDifference|Mul|MulNoNan|Div|RealDiv|DivNoNan|Xdivy|Maximum|Minimum|Select|SelectV2"
    "|ClipByValue"
)
_MIXES = re.compile(_MIX)
# What leaves a statistic a statistic; a comparison, a range or a shape that is made of it is none.
_CARRIES = re.compile(
    f"{_MIX}|Identity|IdentityN|Cast|Reshape|ExpandDims|Squeeze|BroadcastTo|Tile|Fill|Transpose|Pack|ConcatV2"
    "|StridedSlice|GatherV2|Sqrt|Rsqrt|Square|Pow|Abs|Neg|Exp|Log|Log1p|Inv|Reciprocal|StopGradient|PreventGradient"
    "|Snapshot|CheckNumerics|CheckNumericsV2|EnsureShape|TensorListReserve|TensorListSetItem|TensorListStack"
)
_HAS_NO_DATA = re.compile("Shape|ShapeN|Size|Rank|ZerosLike")
_AS_THEIR_FUNCTION = ("FlatMap", "Interleave", "GroupByWindow")
_MAPS, _FILTERS = ("Map", "ParallelMap"), ("Filter", "TakeWhile")
_ROUNDS = 8


@dataclasses.dataclass(frozen=True)
class Value:
    """What is known of a tensor; of a dataset, whether its elements are batches.

    Attributes:
      data: the arguments whose rows it depends on.
      axis: where its batch axis is; None without one.
      statistics: the reductions over the batch axis that it is made of, if it is a statistic.
      mixed: the reductions whose statistics its rows were combined with.
      components: of a dataset that a map made, what is known of each component of an element.
    """

    data: frozenset[str] = frozenset()
    axis: int | None = None
    statistics: frozenset[str] = frozenset()
    mixed: frozenset[str] = frozenset()
    components: tuple["Value", ...] = ()


NOTHING = Value()
_BATCHES = Value(frozenset({"dataset"}), 0)


def statistics_in_dataset(library: Library, body: Body) -> dict[str, list[str]]:
    """By the name of a dataset operation, the reductions over the batch that reach what its functions return."""
    flow, found = _Flow(library), {}
    values: dict[object, Value] = {}
    for operation in body.in_order:
        flow.found.clear()
        results = flow.operation(body, operation, [values.get(tensor.ref(), NOTHING) for tensor in operation.inputs])
        values.update({tensor.ref(): value for tensor, value in zip(operation.outputs, results, strict=True)})
        found[body.name_of(operation)] = sorted(flow.found)
    return found


def statistics_in_function(library: Library, body: Body, captures: int) -> list[str]:
    """The reductions over axis 0 of an argument whose size is not fixed, where they reach what a function returns."""
    free = len(body.inputs) - captures
    values = [_argument(tensor, True) if _open_axis(tensor) else NOTHING for tensor in body.inputs[:free]]
    flow = _Flow(library)
    results = flow.run(body, [*values, *[NOTHING] * captures])
    return sorted(flow.found.union(*(result.mixed for result in results)))


def _open_axis(tensor: tf.Tensor) -> bool:
    rank = tensor.shape.rank
    return rank is None or (rank > 0 and tensor.shape[0] is None)


def _argument(tensor: tf.Tensor, batched: bool) -> Value:
    # A variant is a dataset, or a ragged or sparse tensor, of which it does not show the rank.
    has_axis = batched and (tensor.shape.rank != 0 or _is_variant(tensor))
    return Value(frozenset({tensor.name}), 0 if has_axis else None)


def _carried(component: Value, tensor: tf.Tensor, batched: bool) -> Value:
    """An argument that a map upstream returned; what was mixed there has been found there."""
    argument = _argument(tensor, batched)
    if component.statistics:
        return dataclasses.replace(component, mixed=frozenset())
    axis = argument.axis if component.axis is None else component.axis
    return Value(component.data or argument.data, axis)


def _is_variant(tensor: tf.Tensor) -> bool:
    return bool(tensor.dtype == tf.variant)


def _join(values: Sequence[Value]) -> Value:
    """What holds if any of these may be the value."""
    return Value(
        frozenset().union(*(value.data for value in values)),
        next((value.axis for value in values if value.axis is not None), None),
        frozenset().union(*(value.statistics for value in values)),
        frozenset().union(*(value.mixed for value in values)),
    )


class _Flow:
    """Runs bodies on values; ``found`` are the reductions whose statistics came out of the functions of datasets."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.found: set[str] = set()

    def run(self, body: Body, given: Sequence[Value]) -> list[Value]:
        """The values of what a body returns."""
        values = {tensor.ref(): value for tensor, value in zip(body.inputs, given, strict=True)}
        for operation in body.in_order:
            if operation.outputs and operation.outputs[0].ref() in values:
                continue
            results = self.operation(body, operation, [values.get(x.ref(), NOTHING) for x in operation.inputs])
            values.update({tensor.ref(): value for tensor, value in zip(operation.outputs, results, strict=True)})
        return [values.get(tensor.ref(), NOTHING) for tensor in body.outputs]

    def _call(self, name: str, given: Sequence[Value]) -> list[Value]:
        return self.run(self.library.body(name), given)

    def operation(self, body: Body, operation: tf.Operation, inputs: list[Value]) -> list[Value]:
        """The values of what an operation returns."""
        if is_dataset_op(operation):
            return [self._dataset(operation, inputs)] * len(operation.outputs)
        called = [name for _, name in callees(operation) if name in self.library]
        if called and operation.type in ("PartitionedCall", "StatefulPartitionedCall"):
            return self._call(called[0], inputs)
        if called and operation.type in ("If", "StatelessIf", "Case", "StatelessCase"):
            branches = [self._call(name, inputs[1:]) for name in called]
            return [_join(values) for values in zip(*branches, strict=True)]
        if called and operation.type in ("While", "StatelessWhile"):
            return self._loop(dict(callees(operation))["body"], inputs)
        if _REDUCES.fullmatch(operation.type):
            return [_reduced(operation, inputs[0], body.name_of(operation))]
        return [_shifted(operation, output, _combined(operation, inputs)) for output in operation.outputs]

    def _loop(self, name: str, inputs: list[Value]) -> list[Value]:
        for _ in range(_ROUNDS):
            after = [_join(pair) for pair in zip(inputs, self._call(name, inputs), strict=True)]
            if after == inputs:
                break
            inputs = after
        return inputs

    def _dataset(self, operation: tf.Operation, inputs: list[Value]) -> Value:
        """Whether a dataset's elements are batches; runs its functions on them."""
        value_of = {tensor.ref(): value for tensor, value in zip(operation.inputs, inputs, strict=True)}
        given = arguments(operation)
        sources = [x for name, xs in given.items() if "other_arg" not in name for x in xs if _is_variant(x)]
        batched = any(value_of[source.ref()].axis is not None for source in sources)
        components = value_of[sources[0].ref()].components if len(sources) == 1 else ()
        inner, returned = None, components
        for attribute, name in callees(operation):
            if name not in self.library or operation.type == "GeneratorDataset":
                continue
            function = self.library.body(name)
            bound = [value_of[tensor.ref()] for tensor in captured(operation, attribute)]
            free = function.inputs[: len(function.inputs) - len(bound)]
            if len(components) == len(free):
                elements = [_carried(*pair, batched) for pair in zip(components, free, strict=True)]
            else:
                elements = [_argument(tensor, batched) for tensor in free]
            results = self._call(name, [*elements, *bound])
            self.found.update(*(result.mixed for result in results))
            if operation.type.startswith(_MAPS):
                returned = tuple(results)
            elif not operation.type.startswith(_FILTERS):
                returned = ()
            if len(results) == 1 and _is_variant(function.outputs[0]):
                inner = results[0].axis is not None
        kind = operation.type.lower()
        if kind == "tensordataset":
            batched = any(value.axis is not None for value in inputs)
        if "unbatch" in kind or "tensorslice" in kind:
            return NOTHING
        if "batch" in kind:
            return _BATCHES
        if inner is not None and any(word in operation.type for word in _AS_THEIR_FUNCTION):
            batched = inner
        return dataclasses.replace(_BATCHES if batched else NOTHING, components=returned)


def _reduced(operation: tf.Operation, value: Value, name: str) -> Value:
    tensor, keep = operation.inputs[0], operation.get_attr("keep_dims")
    axes = axes_of(operation.inputs[1], tensor.shape.rank)
    if value.axis is None or value.statistics:
        return value
    if axes is None or value.axis in axes:
        return Value(value.data, None, value.mixed | {f"{operation.type} {name!r}"})
    before = 0 if keep else sum(axis < value.axis for axis in axes)
    return dataclasses.replace(value, axis=value.axis - before)


def _combined(operation: tf.Operation, inputs: list[Value]) -> Value:
    if _HAS_NO_DATA.fullmatch(operation.type):
        return NOTHING
    rows = [value for value in inputs if value.data and not value.statistics]
    statistics = [value for value in inputs if value.statistics] if _CARRIES.fullmatch(operation.type) else []
    joined = _join(rows)
    mixed = joined.mixed.union(*(value.mixed for value in inputs))
    if statistics and not rows:
        found = _join(statistics)
        return Value(found.data, None, found.statistics, mixed)
    floating = any(tensor.dtype.is_floating for tensor in operation.outputs)
    if _MIXES.fullmatch(operation.type) and floating:
        mixed = mixed.union(*(value.statistics for value in statistics if value.data & joined.data))
    return Value(joined.data, joined.axis, frozenset(), mixed)


def _shifted(operation: tf.Operation, output: tf.Tensor, value: Value) -> Value:
    """The value with its batch axis where the operation moved it to."""
    if value.axis is None:
        stacked = operation.type == "TensorListStack" and value.data and not value.statistics
        return dataclasses.replace(value, axis=0) if stacked else value
    return dataclasses.replace(value, axis=axis_after(operation, output, value.axis))
