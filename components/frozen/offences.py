"""What may not stand inside a map: one kind of offence for each reason, with what to do instead."""

import dataclasses
import enum
import re
from collections.abc import Iterator, Sequence

import tensorflow as tf

from components.frozen.bodies import Body
from components.frozen.operations import callees, is_dataset_op


class Kind(enum.Enum):
    """Why something is no constant; the value says what to do instead."""

    VARIABLE = (
        "variables: measure once before training (analyze, or the pipeline's Transform) and map with FrozenTransform, "
        "whose statistics are constants; layers that train belong into the model, not into a map"
    )
    CAPTURED = (
        "captured tensors: bind the value as a constant: close over its NumPy array (tensor.numpy()) instead, or map "
        "with FrozenTransform, which captures nothing"
    )
    PYTHON = "Python calls: write it in TensorFlow operations; Python in a map is not parallel, saved or served"
    TABLE = (
        "lookup tables: give the column the role category, which FrozenTransform looks up among constants, or leave "
        "the lookup layer to the model"
    )
    RANDOM = (
        "random operations: use tf.random.stateless_* or tf.image.stateless_random_* with a seed that is part of the "
        "element, as from tf.data.Dataset.zip((dataset, tf.data.Dataset.counter()))"
    )
    STATE = "operations with state: leave them out of the map; Assert and CheckNumerics alone may stand there"
    LAYER = (
        "Normalization layers: adapt sees what it is given and no more, and a layer first used in a map is built "
        "there: use FrozenTransform (or keras_normalization, made of its constants), or put the layer, adapted or "
        "with mean and variance given, into the model"
    )
    TRAINING = (
        "BatchNormalization in training mode: it normalizes by the batch at hand: put the layer into the model and "
        "map with FrozenTransform"
    )
    BATCH = (
        "statistics of a batch: they differ from batch to batch, and from training to serving: use those of the whole "
        "training split, which FrozenTransform holds as constants"
    )


@dataclasses.dataclass(frozen=True)
class Offence:
    """One thing that is no constant.

    Attributes:
      kind: why.
      place: the map and, in it, the function.
      what: the operation or the object, by name.
    """

    kind: Kind
    place: str
    what: str


_ALLOWED = re.compile(
    # Checks; seeds and caches of datasets that a function makes; what a function is given.
    "Assert|CheckNumerics|CheckNumericsV2|DummySeedGenerator|AnonymousSeedGenerator|AnonymousRandomSeedGenerator"
    "|DummyMemoryCache|AnonymousMemoryCache|DummyIterationCounter|DatasetToSingleElement|Placeholder|Empty"
    # The loops of tf.compat.v1.
    "|TensorArray.*|Stack.*"
)
_PYTHON = re.compile("PyFunc")
_VARIABLE = re.compile("^VarHandle|Variable(?!Quality)|^Resource|^Assign|^VarIs")
_TABLE = re.compile("HashTable|LookupTable|InitializeTable")
_RANDOM = re.compile("Random|^Rng|Multinomial|Sampler|NonDeterministicInts|^Stateful|TruncatedNormal|Distorted")
_DOES = {"Assign": "assigns to a variable", "Read": "reads a variable"}


def operations_with_state(body: Body, place: str) -> Iterator[Offence]:
    """The offending operations of one function body; those of the functions that it calls are left out."""
    for operation in body.operations:
        kind = kind_of(operation)
        if kind is not None:
            does = next((f", which {does}" for word, does in _DOES.items() if operation.type.startswith(word)), "")
            yield Offence(kind, place, f"{operation.type} {body.name_of(operation)!r}{does}")


def kind_of(operation: tf.Operation) -> Kind | None:
    """Why an operation may not stand in a map; None for one that may, and for one that only calls functions."""
    name = operation.type
    if name.startswith("FusedBatchNorm") and "Grad" not in name and operation.get_attr("is_training"):
        return Kind.TRAINING
    if _PYTHON.search(name):
        return Kind.PYTHON
    if _VARIABLE.search(name):
        return Kind.VARIABLE
    if _TABLE.search(name):
        return Kind.TABLE
    has_own_state = operation.op_def.is_stateful and not _ALLOWED.fullmatch(name)
    if not has_own_state or is_dataset_op(operation) or any(callees(operation)):
        return None
    return Kind.RANDOM if _RANDOM.search(name) else Kind.STATE


def message(found: Sequence[Offence]) -> str:
    """What a NotFrozenError says: all offences by place, and what to do instead."""
    count = "1 thing is none" if len(found) == 1 else f"{len(found)} things are none"
    lines = [f"Maps must hold constants and nothing else, but {count}:"]
    for place in dict.fromkeys(offence.place for offence in found):
        lines.append(f"  {place}:")
        lines += [f"    {offence.what}" for offence in found if offence.place == place]
    kinds = [kind for kind in Kind if any(offence.kind is kind for offence in found)]
    return "\n".join([*lines, "What to do instead:", *(f"  {kind.value}." for kind in kinds)])
