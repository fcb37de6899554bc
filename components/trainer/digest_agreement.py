"""Workers of one training compare what they must have in common, before the first step."""

from collections.abc import Sequence

import tensorflow as tf

from components.errors import ConfigError
from components.trainer.strategies import is_multi_worker

_SHOWN = 12  # digits of a digest that a person compares


def require_same_constants(strategy: tf.distribute.Strategy, digest: str) -> None:
    """Returns where all workers have the constants of this digest (hex); one process always agrees with itself.

    Raises:
      ConfigError: on every worker, if one has others; the message begins with the fault, ``other_constants``.
    """
    rows = gathered(strategy, list(bytes.fromhex(digest)))
    found = [bytes(row).hex()[:_SHOWN] for row in rows]
    _require_equal(found, "has constants", "Give every worker the same transform graph", "other_constants: ")


def require_same_position(strategy: tf.distribute.Strategy, trained: int) -> None:
    """Returns where all workers have come equally far.

    Raises:
      ConfigError: on every worker, if one found another checkpoint.
    """
    found = [str(row[0]) for row in gathered(strategy, [trained])]
    _require_equal(found, "starts after step", "Give every worker the same trainer.checkpoint_dir, which all can read")


def gathered(strategy: tf.distribute.Strategy, row: Sequence[int]) -> list[list[int]]:
    """Each worker's row of int32 numbers, by worker; a collective operation: all workers must call it."""
    if not is_multi_worker(strategy):
        return [list(row)]
    mine = strategy.run(tf.function(lambda: tf.constant([row], tf.int32), autograph=False))
    replicas = strategy.gather(mine, axis=0).numpy().tolist()
    return [list(replica) for replica in replicas[:: len(strategy.extended.worker_devices)]]


def _require_equal(found: Sequence[str], verb: str, advice: str, fault: str = "") -> None:
    other = next((worker for worker, value in enumerate(found) if value != found[0]), None)
    if other is not None:
        raise ConfigError(
            f"{fault}Workers of one training must agree, but worker {other} {verb} {found[other]} and worker 0 {verb} "
            f"{found[0]}. {advice}."
        )
