"""A Beam job service and a worker pool in processes of their own, as a portable runner needs them."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc

import components

_START_SECONDS = 60  # importing Beam on a loaded machine takes 10 to 20
_STOP_SECONDS = 15


class NotStartedError(RuntimeError):
    """A service does not listen; the message says why."""


def worker_environment() -> dict[str, str]:
    """The environment in which Beam's worker processes find this interpreter, this checkout and the test modules."""
    root, support = Path(components.__file__).parents[1], Path(__file__).parent
    path = os.pathsep.join([str(root), str(support)])
    return {**os.environ, "PYTHONPATH": path, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


@contextlib.contextmanager
def portable_runner(logs: Path) -> Iterator[list[str]]:
    """Starts both services and stops them at the end.

    Args:
      logs: a folder for what they print.

    Yields:
      The arguments of Beam that send a pipeline there.

    Raises:
      NotStartedError: a service did not listen in time.
    """
    job, pool = free_port(), free_port()
    with (
        _service("runners.portability.local_job_service_main", f"--port={job}", job, logs),
        _service("runners.worker.worker_pool_main", f"--service_port={pool}", pool, logs),
    ):
        yield [
            "--runner=PortableRunner",
            f"--job_endpoint=localhost:{job}",
            "--environment_type=EXTERNAL",
            f"--environment_config=localhost:{pool}",
        ]


@contextlib.contextmanager
def _service(module: str, option: str, port: int, logs: Path) -> Iterator[None]:
    log = logs / f"{module}.log"
    with log.open("wb") as output:
        # A session of its own, so that the workers that it starts end with it.
        process = subprocess.Popen(
            [sys.executable, "-m", f"apache_beam.{module}", option],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=worker_environment(),
            start_new_session=True,
        )
    try:
        with grpc.insecure_channel(f"localhost:{port}") as channel:
            try:
                grpc.channel_ready_future(channel).result(timeout=_START_SECONDS)
            except grpc.FutureTimeoutError as error:
                tail = log.read_text(errors="replace")[-500:]
                raise NotStartedError(
                    f"apache_beam.{module} does not listen on port {port} after {_START_SECONDS} s "
                    f"(exit code {process.poll()}): {tail}"
                ) from error
        yield
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # its group is its pid: a session of its own
    process.wait()


def free_port() -> int:
    """A TCP port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return int(free.getsockname()[1])
