"""assert_frozen: maps and functions hold constants and nothing else, or an error names the rest."""

from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf

from components.errors import NotFrozenError
from components.frozen import FrozenTransform
from components.frozen.batch_statistics import statistics_in_dataset, statistics_in_function
from components.frozen.bodies import Body, Library, dataset_body, function_body, reached
from components.frozen.captures import captured_offences, names_held
from components.frozen.held import held_by, is_tf_datas_own, name_of
from components.frozen.layers import is_batch_normalization, unusable_layers
from components.frozen.offences import Kind, Offence, message, operations_with_state
from components.frozen.operations import callees, captured, is_dataset_op
from components.frozen.tensorflow_internals import MapFunction, map_functions, traces


def assert_frozen(dataset_or_function: Any) -> None:
    """Passes if all that the maps of a dataset, or a function, hold are constants.

    The functions of map, filter, interleave, flat_map, scan and all others are looked at, with the functions that they
    call, and the datasets that a dataset is made of. What tf.data itself does (files, shuffling, batches, caches,
    ``from_generator``) has its own state, and may have it.

    Statistics of a batch are found where a reduction (mean, sum, max, ...) over the batch axis is combined with rows of
    the same data, in the same map or in a later one. Not seen are those by matrix products, cumulative sums, segments
    or sorting, those of ``scan`` and ``reduce``, and those that a ``batch`` or ``zip`` separates from their data.

    Args:
      dataset_or_function: a ``tf.data.Dataset``; or a FrozenTransform, a ConcreteFunction, or a ``tf.function`` that
        has an ``input_signature`` or was called; or another callable with ``captured_inputs``.

    Raises:
      NotFrozenError: there are variables, captured tensors, Python calls, lookup tables, random or stateful
        operations, Normalization layers that were never adapted or are built inside a map, BatchNormalization in
        training mode, or statistics of the batch at hand that the data are normalized by. The message names each with
        its map and says what to do instead. Of a dataset, axis 0 is the batch axis after ``batch``; of a function (and
        of a dataset that holds more than 2 GiB in memory), where its size is not fixed.
      TypeError: something else was given.
      ValueError: a ``tf.function`` without a trace to look at.
    """
    given = dataset_or_function
    if isinstance(given, tf.data.Dataset):
        found = list(dict.fromkeys(_in_dataset(given)))
    else:
        found = list(dict.fromkeys(_in_function(given)))
    if found:
        raise NotFrozenError(message(found))


def _in_dataset(dataset: tf.data.Dataset) -> Iterator[Offence]:
    functions = {function.name: function for function in _functions(dataset)}
    written = dataset_body(dataset)
    if written is None:
        for function in functions.values():
            if not is_tf_datas_own(function.python):
                yield from _in_trace(function.traced, f"map function {name_of(function.python)}", function.python)
        return
    library, body = written
    statistics = statistics_in_dataset(library, body)
    steps = (operation for operation in body.in_order if is_dataset_op(operation))
    for number, operation in enumerate(steps, 1):
        for attribute, name in callees(operation):
            known = functions.get(name)
            if known is None or not is_tf_datas_own(known.python):
                called = name if known is None else name_of(known.python)
                place = f"{operation.type} #{number} ({called})"
                yield from _in_map(library, library.body(name), place, captured(operation, attribute), known)
                yield from _batch(statistics[body.name_of(operation)], place)


def _batch(reductions: Sequence[str], place: str) -> Iterator[Offence]:
    for reduction in reductions:
        yield Offence(Kind.BATCH, place, f"{reduction} over the batch axis is combined with the data of that batch")


def _functions(dataset: tf.data.Dataset) -> Iterator[MapFunction]:
    """The functions of a dataset, and of the datasets that those hold."""
    seen: set[str] = set()
    waiting = [dataset]
    while waiting:
        for function in map_functions(waiting.pop()):
            if function.name not in seen:
                seen.add(function.name)
                yield function
                waiting += [held for _, held in held_by(function.python) if isinstance(held, tf.data.Dataset)]


def _in_map(
    library: Library, body: Body, place: str, handed: Sequence[tf.Tensor], known: MapFunction | None
) -> Iterator[Offence]:
    given: Sequence[Any] = handed
    names: dict[int, str] = {}
    variables: Sequence[Any] = ()
    if known is not None:
        names, variables = names_held(known.python), known.traced.graph.variables
        given = known.traced.captured_inputs if len(known.traced.captured_inputs) == len(handed) else handed
    yield from captured_offences(body, place, given, names, variables)
    yield from _in_bodies(library, body, place)
    if known is not None:
        yield from unusable_layers(known.python, place)
        yield from _training(library, body, place, known.python)


def _in_bodies(library: Library, body: Body, place: str) -> Iterator[Offence]:
    for inner in reached(library, body):
        within = place if inner is body else f"{place}, in {inner.name}"
        yield from operations_with_state(inner, within)


def _training(library: Library, body: Body, place: str, function: Any) -> Iterator[Offence]:
    """Layers that move their averages in a map; the fused operation says itself that it trains."""
    assigns = any(op.type.startswith("Assign") for inner in reached(library, body) for op in inner.operations)
    if assigns:
        for name, held in held_by(function):
            if is_batch_normalization(held):
                yield Offence(Kind.TRAINING, place, f"Keras BatchNormalization {held.name!r} ({name}) is trained")


def _in_function(given: Any) -> Iterator[Offence]:
    if isinstance(given, FrozenTransform):
        yield from _in_trace(given.concrete_function(), "FrozenTransform", None)
    elif isinstance(given, tf.types.experimental.ConcreteFunction):
        yield from _in_trace(given, f"function {given.graph.name}", None)
    elif isinstance(given, tf.types.experimental.PolymorphicFunction):
        found = traces(given)
        name = name_of(given.python_function)
        if not found:
            raise ValueError(
                f"assert_frozen looks at what a tf.function was traced to, and {name} was never called: give it an "
                "input_signature, or give assert_frozen its get_concrete_function(...)."
            )
        for trace in found:
            yield from _in_trace(trace, f"function {name}", given.python_function)
    elif callable(given) and hasattr(given, "captured_inputs"):
        for value in given.captured_inputs:
            yield Offence(Kind.CAPTURED, f"object of {type(given).__qualname__}", f"captured input {value!r}")
    else:
        raise TypeError(
            "assert_frozen takes a tf.data.Dataset, a FrozenTransform, a ConcreteFunction or a traced tf.function, not "
            f"{type(given).__qualname__}: wrap a Python function by tf.function(f, input_signature=[...])."
        )


def _in_trace(trace: Any, place: str, python: Any) -> Iterator[Offence]:
    library, body = function_body(trace)
    given = list(trace.captured_inputs)
    names = {} if python is None else names_held(python)
    yield from captured_offences(body, place, given, names, trace.graph.variables)
    yield from _in_bodies(library, body, place)
    if python is not None:
        yield from unusable_layers(python, place)
        yield from _training(library, body, place, python)
    yield from _batch(statistics_in_function(library, body, len(given)), place)
