"""One process of the matrix: the same records through a frozen transform, in the places where TensorFlow runs graphs.

Prints, by place, the digest of all model tensors of all rows in file order. Usage:
``everywhere.py WHERE KERAS ORDER FROZEN RECORDS [SHARD]``; WHERE is "eager", "graph" or "worker" (of two, by
TF_CONFIG), KERAS "keras" or "tf_keras", ORDER "keras first" or "components first".
"""

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Mapping
from typing import Any

BATCH = 32


def digest(batches: Iterable[Mapping[str, Any]]) -> str:
    """Of names, types and bits of the rows, however they are cut into batches."""
    import numpy as np

    columns: dict[str, list[Any]] = {}
    for batch in batches:
        for name, values in batch.items():
            columns.setdefault(name, []).append(np.asarray(values))
    found = hashlib.sha256()
    for name, parts in sorted(columns.items()):
        whole = np.concatenate(parts)
        bits = b"\0".join(whole.ravel().tolist()) if whole.dtype == object else whole.tobytes()
        found.update(f"{name} {whole.dtype} {whole.shape} ".encode() + bits)
    return found.hexdigest()


def eager(frozen: Any, records: str) -> dict[str, str]:
    """Everything that runs with eager execution."""
    import tensorflow as tf

    from components import normalized_dataset

    texts = list(tf.data.TFRecordDataset(records).batch(BATCH))
    dataset = normalized_dataset(records, frozen, batch_size=BATCH)
    second = normalized_dataset(records, frozen, batch_size=BATCH, deterministic=True, private_threads=2)
    service = tf.data.experimental.service
    dispatcher = service.DispatchServer()
    address = dispatcher.target.partition("://")[2]
    worker = service.WorkerServer(service.WorkerConfig(dispatcher_address=address))
    served = dataset.apply(service.distribute(service.ShardingPolicy.OFF, dispatcher.target))
    function = tf.function(lambda batch: frozen(frozen.parse(batch)))
    plain_map = tf.data.Dataset.from_tensor_slices(tf.concat(texts, 0)).batch(7)
    found = {
        "eager": digest(frozen(frozen.parse(batch)) for batch in texts),
        "tf.function": digest(map(function, texts)),
        "first map": digest(map(together, dataset)),
        "second map": digest(map(together, second)),
        "evaluation map": digest(plain_map.map(lambda batch: frozen(frozen.parse(batch)))),
        "tf.data service": digest(map(together, served)),
    }
    del worker
    return found


def graph(frozen: Any, records: str) -> dict[str, str]:
    """What runs where eager execution is disabled."""
    import tensorflow as tf

    from components import normalized_dataset

    assert not tf.executing_eagerly()
    found = {}
    for name, make in (
        ("one-shot iterator", tf.compat.v1.data.make_one_shot_iterator),
        ("initializable iterator", tf.compat.v1.data.make_initializable_iterator),
    ):
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            iterator = make(normalized_dataset(records, frozen, batch_size=BATCH))
            batch = together(iterator.get_next())
            if name.startswith("init"):
                session.run(iterator.initializer)
            found[name] = digest(until_the_end(session, batch))
    return found


def until_the_end(session: Any, batch: Any) -> Iterable[Any]:
    import tensorflow as tf

    while True:
        try:
            yield session.run(batch)
        except tf.errors.OutOfRangeError:
            return


def worker(frozen: Any, records: str, strategy: Any) -> dict[str, str]:
    """One of two workers of a MultiWorkerMirroredStrategy: its own half of the rows."""
    from components import normalized_dataset

    def of(context: Any) -> Any:
        shard = (context.input_pipeline_id, context.num_input_pipelines)
        return normalized_dataset(records, frozen, batch_size=BATCH, shard=shard)

    batches = []
    for batch in strategy.distribute_datasets_from_function(of):
        (local,) = strategy.experimental_local_results(batch)
        batches.append(together(local))
    index = strategy.cluster_resolver.task_id
    return {f"worker {index} of MultiWorkerMirroredStrategy": digest(rows for rows in batches if len(rows["late"]))}


def together(batch: Any) -> dict[str, Any]:
    """Features and label as the transform gave them."""
    features, label = batch
    return {**features, "late": label}


def main(where: str, keras: str, order: str, folder: str, records: str) -> dict[str, str]:
    """See the module."""
    os.environ["TF_USE_LEGACY_KERAS"] = str(int(keras == "tf_keras"))
    if order == "keras first":
        __import__(keras)
    from components import FrozenTransform

    if order == "components first":
        FrozenTransform.load(folder)
        __import__(keras)
    import tensorflow as tf

    assert tf.keras.layers.Layer.__module__.partition(".")[0] == keras
    if where == "graph":
        tf.compat.v1.disable_eager_execution()
    if where == "worker":
        strategy = tf.distribute.MultiWorkerMirroredStrategy()  # must come before any other op
        return worker(FrozenTransform.load(folder), records, strategy)
    frozen = FrozenTransform.load(folder)
    return eager(frozen, records) if where == "eager" else graph(frozen, records)


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
