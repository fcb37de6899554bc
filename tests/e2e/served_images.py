"""Run as a program: loads a SavedModel with TensorFlow alone and serves image files; prints what came back as JSON.

usage: served_images.py MODEL FILE...
"""

import json
import sys
from pathlib import Path

from served_model import FORBIDDEN, Refuse


def main(model: str, files: list[str]) -> dict[str, object]:
    """Classes of every file, by encoded bytes in a tf.Example and by name; which forbidden modules were loaded."""
    import tensorflow as tf

    signatures = tf.saved_model.load(model).signatures
    contents = [Path(file).read_bytes() for file in files]
    examples = []
    for content in contents:
        example = tf.train.Example()
        example.features.feature["image"].bytes_list.value.append(content)
        examples.append(example.SerializeToString())
    answer = signatures["serving_default"](examples=tf.constant(examples))
    by_name = signatures["serving_raw"](image=tf.constant(contents))
    try:
        signatures["serving_raw"](image=tf.constant([contents[0][:-40]]))
        damaged = ""
    except tf.errors.InvalidArgumentError as error:
        damaged = type(error).__name__
    return {
        "classes": [text.decode() for text in answer["classes"].numpy()],
        "same": bool(tf.reduce_all(answer["scores"] == by_name["scores"])),
        "damaged": damaged,
        "ours": sorted(name for name in sys.modules if name.partition(".")[0] in FORBIDDEN),
    }


if __name__ == "__main__":
    sys.meta_path.insert(0, Refuse())
    print(json.dumps(main(sys.argv[1], sys.argv[2:])))
