"""Ctrl-C and termination: the first asks the run to stop, the second ends the process at once."""

import contextlib
import dataclasses
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

from pipeline.processes import descendants, end_descendants

STOPPED_LINE = "tfx-norm: stopped; the same command continues with the finished components."
# Beam, TFX and TensorFlow unwind in a second or two once their workers are gone; longer is a deadlock of theirs.
UNWIND_SECONDS = 15.0
_ROUND_SECONDS = 0.2


def _nothing() -> None:
    """What is left to do before the end, where nobody has said."""


@dataclasses.dataclass
class Stop:
    """Whether a person has asked to stop, and what to do before an end without unwinding.

    Attributes:
      asked: true from the first signal on, even where a library swallows or wraps the KeyboardInterrupt.
      last_words: called before the process is ended by force.
    """

    asked: bool = False
    last_words: Callable[[], None] = _nothing


@contextlib.contextmanager
def interruptible() -> Iterator[Stop]:
    """Turns SIGINT and SIGTERM into KeyboardInterrupt, and ends worker processes that start within the block.

    They are ended at its end, and from a signal on: Beam's runner waits without limit for a worker that nobody has
    told to stop. A second signal, or ``UNWIND_SECONDS`` after the first, ends this process. Outside of the main
    thread signals stay as they are.
    """
    stop = Stop()
    spare = frozenset(descendants(os.getpid()))
    unwound = threading.Event()

    def leave(number: int) -> None:
        end_descendants(spare)
        stop.last_words()
        os._exit(128 + number)

    def watch(number: int) -> None:
        limit = time.monotonic() + UNWIND_SECONDS
        while not unwound.wait(_ROUND_SECONDS):
            end_descendants(spare)
            if time.monotonic() > limit:
                leave(number)

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.asked:
            leave(number)
        stop.asked = True
        threading.Thread(target=watch, args=(number,), daemon=True).start()
        raise KeyboardInterrupt

    is_main = threading.current_thread() is threading.main_thread()
    before = {n: signal.signal(n, handle) for n in (signal.SIGINT, signal.SIGTERM) if is_main}
    try:
        yield stop
    finally:
        end_descendants(spare)
        unwound.set()
        for number, handler in before.items():
            signal.signal(number, handler)
