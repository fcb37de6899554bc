"""Ctrl-C and termination: the first asks the run to stop, the second ends the process at once."""

import contextlib
import dataclasses
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

from pipeline.processes import descendants, end_descendants

STOPPED_LINE = "tfx-norm: stopped; the same command continues with the finished components."
# Beam, TFX and TensorFlow unwind in a second or two once their workers are gone; longer is a deadlock of theirs.
UNWIND_SECONDS = 15.0
_ROUND_SECONDS = 0.2
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


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
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    spare = frozenset(descendants(os.getpid()))
    unwound = threading.Event()
    # The interpreter writes each signal's number here at once; a handler waits until the main thread leaves C++.
    listening, speaking = socket.socketpair()
    speaking.setblocking(False)
    listening.settimeout(_ROUND_SECONDS)

    def leave(number: int) -> None:
        end_descendants(spare)
        stop.last_words()
        os._exit(128 + number)

    def watch() -> None:
        limit, first = float("inf"), 0
        while not unwound.is_set():
            with contextlib.suppress(TimeoutError):
                for number in (n for n in listening.recv(16) if n in _SIGNALS):
                    if first:
                        leave(number)
                    first, limit = number, time.monotonic() + UNWIND_SECONDS
                    stop.asked = True
            if first:
                end_descendants(spare)
            if time.monotonic() > limit:
                leave(first)

    def handle(number: int, frame: FrameType | None) -> None:
        stop.asked = True
        raise KeyboardInterrupt

    wakeup = signal.set_wakeup_fd(speaking.fileno(), warn_on_full_buffer=False)
    before = {number: signal.signal(number, handle) for number in _SIGNALS}
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield stop
    finally:
        end_descendants(spare)
        unwound.set()
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(wakeup)
        watcher.join()
        listening.close()
        speaking.close()
