"""Rows a second of several endless datasets in one process, measured in turns: each peer between two turns of ours."""

import dataclasses
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Way:
    """An endless dataset of batches, and what is done with each of them beyond the dataset."""

    dataset: Any
    step: Callable[[Any], Any] | None = None


@dataclasses.dataclass(frozen=True)
class Rate:
    """Of one turn: rows a second, and CPU microseconds a row, all threads together."""

    rows_per_second: float
    cpu_microseconds: float


@dataclasses.dataclass(frozen=True)
class Turns:
    """Settings of a measurement.

    Each turn has an iterator of its own, since one that waits fills its buffers meanwhile: seconds' worth of batches
    that cost the next turn nothing.

    Attributes:
      settling: seconds at a turn's start that do not count, while AUTOTUNE finds its settings.
      seconds: length of what counts.
    """

    batch_size: int
    rounds: int
    settling: float
    seconds: float

    def measure(self, ways: Mapping[str, Way], ours: str) -> dict[str, dict[str, float]]:
        """By way the medians of its turns; by peer those of ours / peer, each a turn between two of ours."""
        for way in ways.values():
            self._turn(way)
        turns: dict[str, list[Rate]] = {name: [] for name in ways}
        peers = [name for name in ways if name != ours]
        pairs: dict[str, list[tuple[float, float]]] = {name: [] for name in peers}
        before = self._turn(ways[ours])
        for at in range(self.rounds):
            for name in peers if at % 2 == 0 else peers[::-1]:
                peer, after = self._turn(ways[name]), self._turn(ways[ours])
                speed = (before.rows_per_second + after.rows_per_second) / 2 / peer.rows_per_second
                cpu = (before.cpu_microseconds + after.cpu_microseconds) / 2 / peer.cpu_microseconds
                pairs[name].append((speed, 1 / cpu))
                turns[name].append(peer)
                turns[ours].append(after)
                before = after
        figures = {name: _medians(found) for name, found in turns.items()}
        for name, found in pairs.items():
            speeds, cpus = zip(*found, strict=True)
            figures[name] |= {"ratio": statistics.median(speeds), "cpu_ratio": statistics.median(cpus)}
        return figures

    def _turn(self, way: Way) -> Rate:
        batches = iter(way.dataset)
        self._run(batches, way, self.settling)
        return self._run(batches, way, self.seconds)

    def _run(self, batches: Iterator[Any], way: Way, seconds: float) -> Rate:
        rows, cpu, start = 0, time.process_time(), time.perf_counter()
        while time.perf_counter() - start < seconds or not rows:
            batch = next(batches)
            if way.step is not None:
                way.step(batch)
            rows += self.batch_size
        wall = time.perf_counter() - start
        return Rate(rows / wall, (time.process_time() - cpu) * 1e6 / rows)


def _medians(turns: list[Rate]) -> dict[str, float]:
    return {
        "rows_per_second": statistics.median(turn.rows_per_second for turn in turns),
        "cpu_microseconds_per_row": statistics.median(turn.cpu_microseconds for turn in turns),
    }
