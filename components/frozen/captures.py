"""What the functions of a dataset, or a function, captured: variables, tables and tensors, by the user's names."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf

from components.frozen.bodies import Body
from components.frozen.held import held_by
from components.frozen.layers import is_normalization
from components.frozen.offences import Kind, Offence, kind_of
from components.frozen.operations import is_dataset_op


def captured_offences(
    body: Body, place: str, given: Sequence[Any], names: Mapping[int, str], variables: Sequence[Any]
) -> Iterator[Offence]:
    """One offence for each captured input of a function.

    Args:
      body: the function's.
      place: where it stands.
      given: what it captured, the tensors themselves where they are known; as many as its last arguments.
      names: what the user calls an object, by its id.
      variables: those that the function uses.
    """
    by_handle = {id(variable.handle): variable for variable in variables if hasattr(variable, "handle")}
    for argument, value in zip(body.inputs[len(body.inputs) - len(given) :], given, strict=True):
        if id(value) in by_handle:
            variable = by_handle[id(value)]
            yield Offence(Kind.VARIABLE, place, f"variable {variable.name!r} {_form(variable)} is captured")
        elif not _comes_from_dataset(value):
            own = body.name_of(argument.op)
            name = names.get(id(value), own)
            kind = _kind_of_resource(body, argument) if argument.dtype == tf.resource else Kind.CAPTURED
            what = "captured tensor" if kind is Kind.CAPTURED else "captured resource"
            yield Offence(kind, place, f"{what} {name!r} {_form(argument)}".rstrip())


def names_held(function: Any) -> dict[int, str]:
    """What the code of ``function`` calls the objects in its reach, by their ids; layers' statistics too."""
    names: dict[int, str] = {}
    for name, held in held_by(function):
        names.setdefault(id(held), name)
        if is_normalization(held):
            for part in ("mean", "variance"):
                names.setdefault(id(getattr(held, part, None)), f"{name}.{part}")
    names.pop(id(None), None)
    return names


def _form(held: Any) -> str:
    return "" if held.dtype in (tf.resource, tf.variant) else f"({held.dtype.name} {held.shape})"


def _comes_from_dataset(value: Any) -> bool:
    """A dataset that a flat_map makes its rows from; in its own graph its maps are looked at like all others."""
    if tf.is_symbolic_tensor(value):
        while value.op.type == "Identity":
            value = value.op.inputs[0]
        return is_dataset_op(value.op)
    return bool(value.dtype == tf.variant)


def _kind_of_resource(body: Body, argument: tf.Tensor) -> Kind:
    """By what the function does with it."""
    kinds = (kind_of(operation) for operation in body.operations if any(x is argument for x in operation.inputs))
    return next((kind for kind in kinds if kind is not None), Kind.STATE)
