"""Facts of a folder of images -> schema.pbtxt and config.toml, every value with its reason."""

import math
from collections.abc import Sequence
from pathlib import Path

from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.init.config_text import quoted
from pipeline.init.images import LONGEST_SIDE, ImageFacts, few
from pipeline.init.roles import Proposal
from pipeline.init.schema_text import block, make_dense
from pipeline.init.task import FEW_ROWS_IN_CLASS

BATCH = 32  # images a step: enough steps from few images, and 25 MB of float32 at the largest size proposed
STEPS = 1_500  # the default network has settled on a small set by then
_HEAD = """\
# Proposed from {images:,} images of {source}: review it. The comments say why; the tags decide.
# Options of an image, as further tags: "channels=1", "size=64x64", "scale=1" (constants in units of 0 to 1),
# "layout=NCHW", "axis=all" (one mean for all channels), "corrupt=skip" (leave out what cannot be decoded).

default_environment: "TRAINING"
default_environment: "SERVING"
"""


def image_columns(facts: ImageFacts) -> tuple[Proposal, ...]:
    """The four columns with roles, options and reasons."""
    height, width = facts.size
    channels = 1 if set(facts.channels) <= {1, 2} else 3
    kinds = {1: "gray", 2: "gray with alpha", 3: "RGB", 4: "RGBA"}
    seen = ", ".join(f"{count:,} {kinds.get(n, 'of unknown colour')}" for n, count in sorted(facts.channels.items()))
    image = f"mean and variance of each channel over all pixels; {seen}; {_size_reason(facts)}"
    return (
        Proposal("image", "image", (f"channels={channels}", f"size={height}x{width}"), image),
        Proposal("label", "label", (), f"the folder: one of {len(facts.classes):,} classes, a vocabulary of texts."),
        Proposal("folder", "ignore", (), "where the file lies, for partition_feature."),
        Proposal("file", "ignore", (), "its name, for people."),
    )


def _size_reason(facts: ImageFacts) -> str:
    if len(facts.sizes) == 1:
        ((height, width),) = facts.sizes
        if (height, width) == facts.size:
            return "all of one size."
        return f"all of {height}x{width}, resized so that the longer side is {LONGEST_SIDE}."
    low, high = min(facts.sizes, key=math.prod), max(facts.sizes, key=math.prod)
    why = f"of {len(facts.sizes):,} sizes from {low[0]}x{low[1]} to {high[0]}x{high[1]}, and a batch needs one: the"
    shrunk = f", made smaller so that the longer side is {LONGEST_SIDE}" if max(facts.size) == LONGEST_SIDE else ""
    return f"{why} median height and width{shrunk}."


def image_notes(facts: ImageFacts) -> tuple[str, ...]:
    """What the user should know before running."""
    notes = []
    if rare := few(facts.classes, FEW_ROWS_IN_CLASS):
        notes.append(
            f"The class {rare[0]!r} has {facts.classes[rare[0]]:,} of {facts.images:,} images: if none of them falls "
            "into the training split, the run stops. Add images, or join the class with another."
        )
    alpha = facts.channels.get(2, 0) + facts.channels.get(4, 0)
    if alpha:
        notes.append(f"{alpha:,} images have an alpha channel, which is dropped; the tag channels=4 keeps it.")
    if 0 < facts.deep < facts.images:
        notes.append(f"{facts.deep:,} of {facts.images:,} images have 16 bits; those of 8 are widened to 16.")
    return tuple(notes)


def image_schema(facts: ImageFacts, source: str) -> str:
    """The schema as commented text proto."""
    blocks = [_HEAD.format(images=facts.images, source=Path(source).name)]
    for column in image_columns(facts):
        feature = schema_pb2.Feature(name=column.name, type=schema_pb2.BYTES)
        make_dense(feature, 1)
        if column.role != "image":
            feature.not_in_environment.append("SERVING")
        if column.role == "label":
            feature.string_domain.value.extend(facts.classes)
        feature.annotation.tag.extend([column.role, *column.options])
        blocks.append(block(f"{column.role}: {column.reason}", schema_pb2.Schema(feature=[feature])))
    return "\n".join(blocks)


def image_config(facts: ImageFacts, name: str, path: str) -> str:
    """The configuration as TOML; ``path`` as it shall stand there, the schema beside the file."""
    in_epoch = math.ceil(facts.images * 0.8 / BATCH)
    epochs = min(30, max(3, round(STEPS / in_epoch)))
    score = f"; the score is that of {list(facts.classes)[1]!r}" if facts.task == "binary" else ""
    if facts.grouped:
        together = 'partition_feature = "folder"  # images of one folder, which may be of one subject, stay together'
    else:
        together = 'partition_feature = "image"  # two files with the same bytes fall into the same split'
    return f"""\
# Proposed from {facts.images:,} images: review it, then run it. Relative paths are taken from this file's folder.

[pipeline]
name = {quoted(name)}  # names the run's folder
task = "{facts.task}"  # {_listed(list(facts.classes))}{score}

[data]
path = {quoted(path)}  # one folder a class
format = "images"  # columns image, label, folder (from the root on) and file
schema = "schema.pbtxt"  # roles of the columns, to be reviewed too
split = {{ train = 4, eval = 1 }}  # a fifth is kept for evaluation; never trained on or analysed
{together}

[trainer]
model = "components.trainer.cnn:build_model"  # three blocks of convolution and pooling
epochs = {epochs}  # about {epochs * in_epoch:,} steps
batch_size = {BATCH}  # few images a step, because each is a thousand values or more
learning_rate = 0.001  # Adam's usual rate
hidden_units = [64]  # one layer behind 64 channels
dropout = 0.1  # more of it for fewer images
seed = 13  # any fixed number: the same run twice gives the same model
early_stopping = 0  # validations without progress to stop after; 0 = never: the rows that stop it also evaluate it

[evaluation]
# No threshold: every model is accepted, because on few images a metric moves by chance.
# After a first run, to refuse models that are worse than you need:
# thresholds = [{{ metric = "accuracy", min = 0.8, max_drop = 0.02 }}]

[beam]
running_mode = "in_memory"  # workers of Beam in this process; TensorFlow reads and decodes on all cores by itself
"""


def _listed(classes: Sequence[str]) -> str:
    # A comment ends with its line, whatever a folder is called.
    shown = ", ".join(repr(label) for label in classes[:5])
    return f"{len(classes):,} classes: {shown}" + (" ..." if len(classes) > 5 else "")
