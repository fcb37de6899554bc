"""One item ahead: the next batch is read and parsed in another thread while this one is worked on."""

from collections.abc import Iterator
from concurrent.futures import Executor, wait
from typing import TypeVar

Item = TypeVar("Item")

_END = object()


def ahead(items: Iterator[Item], helper: Executor) -> Iterator[Item]:
    """The same items in the same order; an error is raised when its turn comes.

    Args:
      items: is asked for the next item in the helper's thread, and never twice at once.
      helper: lives as long as there is work: TensorFlow's state of a new thread costs 10 ms of CPU.
    """
    coming = helper.submit(next, items, _END)
    try:
        while (item := coming.result()) is not _END:
            coming = helper.submit(next, items, _END)
            yield item  # type: ignore[misc]
    finally:
        coming.cancel()
        wait([coming])
