"""Run as a program: loads a SavedModel with TensorFlow alone and serves raw records; prints what came back as JSON.

usage: served_model.py MODEL LABEL RECORDS.gz...
"""

import json
import sys
from importlib.abc import MetaPathFinder

FORBIDDEN = ("components", "pipeline", "schemas", "tfx", "tfx_bsl", "tensorflow_transform", "apache_beam")


class Refuse(MetaPathFinder):
    """Lets nothing of ours, and nothing of TFX, be imported."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        if fullname.partition(".")[0] in FORBIDDEN:
            raise ImportError(f"{fullname} must not be needed to serve the model")


def main(model: str, label: str, files: list[str]) -> dict[str, object]:
    """Scores, classes and true labels of every record, and which forbidden modules were loaded all the same."""
    import tensorflow as tf

    serve = tf.saved_model.load(model).signatures["serving_default"]
    requests, labels = [], []
    for record in tf.data.TFRecordDataset(files, compression_type="GZIP").as_numpy_iterator():
        example = tf.train.Example.FromString(record)
        labels.append(example.features.feature[label].int64_list.value[0])
        del example.features.feature[label]
        requests.append(example.SerializeToString())
    answer = serve(examples=tf.constant(requests))
    return {
        "labels": labels,
        "scores": answer["scores"].numpy().tolist(),
        "classes": answer["classes"].numpy().tolist(),
        "ours": sorted(name for name in sys.modules if name.partition(".")[0] in FORBIDDEN),
    }


if __name__ == "__main__":
    sys.meta_path.insert(0, Refuse())
    print(json.dumps(main(sys.argv[1], sys.argv[2], sys.argv[3:])))
