"""Two processes on this machine as the workers of one training."""

import socket
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from training_process import ended, start, weights, write_table

from components import FrozenTransform
from components.trainer.digest_agreement import require_same_constants, require_same_position
from components.trainer.strategies import strategy_of

# Without dropout, because the two workers' masks are not that of one process.
OPTIONS: dict[str, Any] = {"strategy": "multi_worker", "dropout": 0.0}
# The gradients of the workers' halves are added in float32, 80 steps of Adam long.
FLOAT32_ROUNDING = 1e-5


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_table(tmp_path_factory.mktemp("table"))


def addresses(n: int = 2) -> list[str]:
    """Free ports of this machine."""
    sockets = [socket.create_server(("localhost", 0)) for _ in range(n)]
    found = [f"localhost:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return found


def both(tables: list[Path], out: Path, **options: Any) -> list[tuple[int, str]]:
    """Status and log of each worker."""
    workers = addresses(len(tables))
    started = [start(table, out, workers=workers, worker=worker, **options) for worker, table in enumerate(tables)]
    return [ended(training) for training in started]


def test_one_process_agrees_with_itself() -> None:
    require_same_constants(strategy_of("single"), "00" * 32)
    require_same_position(strategy_of("single"), 7)


@pytest.mark.slow
def test_two_workers_end_with_the_same_weights_which_are_those_of_one_process(table: Path, tmp_path: Path) -> None:
    for status, log in both([table, table], tmp_path / "two", options=OPTIONS):
        assert status == 0, log[-3000:]
    status, log = ended(start(table, tmp_path / "one", options={**OPTIONS, "strategy": "single"}))
    assert status == 0, log[-3000:]
    first, second = (weights(tmp_path / "two", worker) for worker in (0, 1))
    for here, there, alone in zip(first, second, weights(tmp_path / "one"), strict=True):
        assert here.tobytes() == there.tobytes()
        np.testing.assert_allclose(here, alone, atol=FLOAT32_ROUNDING)
    # One chief writes what there is to be only one of.
    assert {file.name for file in (tmp_path / "two").iterdir()} == {"weights-0.npz", "weights-1.npz", "logs", "model"}
    assert len(list((tmp_path / "two" / "logs" / "train").glob("events*"))) == 1
    import tensorflow as tf

    served = tf.saved_model.load(str(tmp_path / "two" / "model"))
    assert len(served.signatures["serving_default"].structured_outputs) == 2


@pytest.mark.slow
def test_two_killed_workers_go_on_to_the_same_weights(table: Path, tmp_path: Path) -> None:
    options = {**OPTIONS, "dropout": 0.3, "epochs": 2}
    for status, log in both([table, table], tmp_path / "undisturbed", options=options):
        assert status == 0, log[-3000:]
    options = {**options, "checkpoint_dir": str(tmp_path / "checkpoints")}
    killed = both([table, table], tmp_path / "killed", options=options, killed_at=31)
    assert [status for status, _ in killed] == [-9, -9]
    (state,) = (tmp_path / "checkpoints").rglob("*.index")
    assert state.name == "ckpt-30.index"
    for status, log in both([table, table], tmp_path / "killed", options=options):
        assert status == 0, log[-3000:]
        assert "Resuming at step 30 of 40" in log
    for there, here in zip(weights(tmp_path / "undisturbed"), weights(tmp_path / "killed"), strict=True):
        assert there.tobytes() == here.tobytes()
    assert list((tmp_path / "checkpoints").iterdir()) == []


@pytest.mark.slow
def test_a_worker_with_other_constants_stops_all_before_the_first_step(
    table: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = write_table(tmp_path_factory.mktemp("other"), train_seed=9)
    digests = [FrozenTransform.load(folder).digest[:12] for folder in (table, other)]
    begun = time.monotonic()
    found = both([table, other], tmp_path, options=OPTIONS)
    expected = (
        "ConfigError: other_constants: Workers of one training must agree, but worker 1 has constants "
        f"{digests[1]} and worker 0 has constants {digests[0]}. Give every worker the same transform graph."
    )
    for status, log in found:
        assert status == 1
        assert expected in log
        assert "Epoch 1 of" not in log
    assert time.monotonic() - begun < 200  # neither waits for the other for ever
    assert not list(tmp_path.rglob("*.npz"))


@pytest.mark.slow
def test_a_worker_that_does_not_see_the_checkpoint_stops_all(table: Path, tmp_path: Path) -> None:
    options = {**OPTIONS, "checkpoint_dir": str(tmp_path / "shared")}
    both([table, table], tmp_path, options=options, killed_at=10)
    workers = addresses()
    blind = {**options, "checkpoint_dir": str(tmp_path / "own")}
    started = [
        start(table, tmp_path, options=each, workers=workers, worker=worker)
        for worker, each in enumerate((options, blind))
    ]
    for status, log in map(ended, started):
        assert status == 1
        assert "worker 1 starts after step 0 and worker 0 starts after step 9. Give every worker the same" in log
