"""How often each key was seen: what a vocabulary is made of."""

import dataclasses
from collections import Counter

from components.moments.codec import Reader, Writer


@dataclasses.dataclass(frozen=True)
class KeyCounts:
    """Counts by key of a category or of a text label; keys are bytes (an int64 as decimal text).

    Laws: ``merge`` is associative and commutative, an empty one is neutral.
    """

    counts: Counter[bytes]
    missing: int = 0

    def merge(self, other: "KeyCounts") -> "KeyCounts":
        """Both, added."""
        return KeyCounts(self.counts + other.counts, self.missing + other.missing)

    def write(self, writer: Writer) -> None:
        """Keys in byte order, so that equal counts give equal bytes."""
        writer.size(self.missing)
        writer.size(len(self.counts))
        for key, count in sorted(self.counts.items()):
            writer.text(key)
            writer.size(count)

    @classmethod
    def read(cls, reader: Reader) -> "KeyCounts":
        """What ``write`` wrote."""
        missing = reader.size()
        return cls(Counter({reader.text(): reader.size() for _ in range(reader.size())}), missing)
