"""What an analysis read and what it took from the cache, as properties of the constants that it made."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from components.provenance import Provenance


@dataclasses.dataclass(frozen=True)
class SpanCounters:
    """Counts of one analysis; of data without spans the bytes alone.

    Attributes:
      measured: spans whose records were read.
      reused: spans whose statistics came from the cache.
      bytes_measured, bytes_reused: of the files behind each, as they are stored.
      entries_evicted: cache entries that were taken away in the end, to keep the cache within its bound; of a whole run
        those of its ingestion, too.
    """

    measured: tuple[str, ...]
    reused: tuple[str, ...]
    bytes_measured: int
    bytes_reused: int
    entries_evicted: int

    def write(self, artifact: Any) -> None:
        """States them in the artifact's custom properties; spans as a JSON list."""
        for name, value in dataclasses.asdict(self).items():
            if isinstance(value, int):
                artifact.set_int_custom_property(name, value)
            else:
                artifact.set_string_custom_property(f"spans_{name}", json.dumps(value))

    @classmethod
    def of(cls, properties: Mapping[str, Any]) -> "SpanCounters | None":
        """What ``write`` stated, from properties by name; None for constants that no analysis of ours made."""
        if "bytes_measured" not in properties:
            return None
        measured, reused = (tuple(json.loads(properties[name])) for name in ("spans_measured", "spans_reused"))
        counts = (int(properties[name]) for name in ("bytes_measured", "bytes_reused", "entries_evicted"))
        return cls(measured, reused, *counts)

    def after(self, ingestion: Mapping[str, Any]) -> "SpanCounters":
        """With the entries that left before, at ingestion, by the properties of its examples."""
        return dataclasses.replace(
            self, entries_evicted=self.entries_evicted + int(ingestion.get("entries_evicted", 0))
        )

    def sentence(self, made: Provenance) -> str:
        """For a person, such as ``28, 2013-01-03 to 2013-01-30: 1 read (57,123 bytes), 27 from the cache (...)``."""
        spans = made.spans
        parts = [f"{len(self.measured)} read ({self.bytes_measured:,} bytes)"]
        if self.reused:
            parts.append(f"{len(self.reused)} from the cache ({self.bytes_reused:,} bytes)")
        if self.entries_evicted:
            parts.append(f"{self.entries_evicted} cache entries evicted")
        return f"{len(spans)}, {spans[0]} to {spans[-1]}: {', '.join(parts)}"
