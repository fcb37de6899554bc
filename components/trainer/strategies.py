"""Which devices and machines train: a tf.distribute strategy by its name in the configuration."""

import tensorflow as tf

from components.errors import ConfigError
from components.trainer.options import Strategy


def strategy_of(name: Strategy) -> tf.distribute.Strategy:
    """The strategy of that name; to be called before any other TensorFlow operation of the process.

    ``single`` is TensorFlow's own default, ``mirrored`` all GPUs of this machine, ``multi_worker`` the processes that
    TF_CONFIG names.

    Raises:
      ConfigError: ``multi_worker`` without workers in TF_CONFIG.
    """
    if name == "single":
        return tf.distribute.get_strategy()
    if name == "mirrored":
        return tf.distribute.MirroredStrategy()
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    if not resolver.cluster_spec():
        raise ConfigError(
            "trainer.strategy = 'multi_worker' needs the workers' addresses in the environment variable TF_CONFIG, but "
            "it has no cluster. Start each worker with its TF_CONFIG, or use the strategy 'single' or 'mirrored'."
        )
    return tf.distribute.MultiWorkerMirroredStrategy(resolver)


def is_multi_worker(strategy: tf.distribute.Strategy) -> bool:
    """Whether other processes take part."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process writes what only one may write: checkpoints, logs, the model."""
    if not is_multi_worker(strategy):
        return True
    resolver = strategy.cluster_resolver
    has_chief = "chief" in resolver.cluster_spec().as_dict()
    return bool(resolver.task_type == "chief" or (not has_chief and resolver.task_id == 0))


def require_even_batches(strategy: tf.distribute.Strategy, batch_size: int) -> None:
    """Returns where each replica gets as many rows of a batch as the others.

    Raises:
      ConfigError: ``batch_size`` is no multiple of the replicas: rows of a smaller part would weigh more.
    """
    replicas = strategy.num_replicas_in_sync
    if batch_size % replicas:
        raise ConfigError(
            f"trainer.batch_size must be a multiple of the {replicas} replicas that share a batch but is {batch_size}."
        )
