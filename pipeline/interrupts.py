"""Ctrl-C and termination: the first asks the run to stop, the second ends the process at once."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from pipeline.processes import end_descendants


@contextlib.contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Turns SIGINT and SIGTERM into KeyboardInterrupt and yields "has one come?".

    The answer outlives the exception: a library that swallows or wraps it does not keep a run from stopping.
    Outside of the main thread signals stay as they are.
    """
    received: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        received.append(number)
        if len(received) > 1:
            end_descendants()
            os._exit(128 + number)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
