"""Statistics, and the account of the rows behind them, which travels with them."""

import dataclasses
from collections.abc import Mapping

from components.moments.codec import Reader, Writer
from components.moments.table_statistics import TableStatistics
from components.rows_read import UnitRows


@dataclasses.dataclass(frozen=True)
class Measured:
    """The statistics of files, and what was read for them; units in no order that means anything."""

    statistics: TableStatistics
    units: tuple[UnitRows, ...] = ()

    def renamed(self, names: Mapping[str, str]) -> "Measured":
        """The same, of files with other names."""
        units = (dataclasses.replace(unit, file=names[unit.file]) for unit in self.units)
        return dataclasses.replace(self, units=tuple(units))

    def to_bytes(self) -> bytes:
        """A byte form; ``from_bytes`` gives the same back."""
        writer = Writer()
        writer.text(self.statistics.to_bytes())
        writer.size(len(self.units))
        for unit in sorted(self.units, key=lambda unit: (unit.file, unit.offset)):
            writer.text(unit.file.encode())
            for number in (unit.offset, unit.end, unit.rows, unit.bytes):
                writer.number(number)
        return writer.bytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Measured":
        """Reads what ``to_bytes`` wrote.

        Raises:
          ValueError: another version, or bytes that are damaged.
        """
        reader = Reader(data)
        statistics = TableStatistics.from_bytes(reader.text())
        units = [
            UnitRows(reader.text().decode(), *(reader.number() for _ in range(4)))  # type: ignore[arg-type]
            for _ in range(reader.size())
        ]
        reader.finish()
        return cls(statistics, tuple(units))
