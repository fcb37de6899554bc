"""``rows_read.json``: what the record reader read for an analysis, unit by unit; it lies beside ``constants.json``.

A unit is a whole file, or a range of bytes of a large uncompressed one. The file is JSON::

    {"format_version": 1,
     "splits": ["train"],               # the analysed ones, sorted
     "rows": 1500,                      # of all units
     "units": [                         # sorted by split, file, offset
      {"split": "train",
       "span": null,                    # a number, where the file's name carries one
       "file": "data_tfrecord-00000-of-00002",
       "offset": 0, "end": 67108912,    # where its first record begins, and where its last one ends; end is null for a
                                        # compressed file, which is one unit
       "rows": 1000,                    # records that were read
       "bytes": 67108912},              # of these records, decompressed, with 16 bytes of framing each
      ...]}

``file`` is relative to the folder that all analysed files have in common: its own name, where that is one split.

The counts travel with the statistics that they belong to, on Beam and in the cache of spans: what a runner repeats
without using it is not in here, and a unit that went into the statistics twice is in here twice. In a sound account the
units of each uncompressed file follow each other from 0 to the file's size, and a compressed file is there once. Where
nothing was read (pinned constants, the stock Transform), there is no such file.
"""

import dataclasses
import json
import os
import posixpath
from collections.abc import Iterable, Mapping, Sequence

import tensorflow as tf

from components.errors import DataError
from components.span_files import span_of

FORMAT_VERSION = 1
FILE_NAME = "rows_read.json"


@dataclasses.dataclass(frozen=True)
class UnitRows:
    """What was read of one unit: see the module."""

    file: str
    offset: int
    end: int | None
    rows: int
    bytes: int
    split: str = ""
    span: int | None = None


@dataclasses.dataclass(frozen=True)
class RowsRead:
    """What was read for an analysis; units as in the file, by their names there."""

    splits: tuple[str, ...]
    units: tuple[UnitRows, ...]

    @classmethod
    def of(cls, units: Iterable[UnitRows], files: Mapping[str, Sequence[str]]) -> "RowsRead":
        """Of units that name files as they were opened; ``files`` are the analysed ones by split."""
        split_of = {file: split for split, names in files.items() for file in names}
        folder = posixpath.commonpath([posixpath.dirname(file) for file in split_of])
        placed = [
            dataclasses.replace(
                unit, file=posixpath.relpath(unit.file, folder), split=split_of[unit.file], span=span_of(unit.file)
            )
            for unit in units
        ]
        placed.sort(key=lambda unit: (unit.split, unit.file, unit.offset, unit.bytes))
        return cls(tuple(sorted(files)), tuple(placed))

    @property
    def rows(self) -> int:
        """Of all units."""
        return sum(unit.rows for unit in self.units)

    def rows_of(self, split: str) -> int:
        """Of a split's units."""
        return sum(unit.rows for unit in self.units if unit.split == split)

    def check(self, stated: Mapping[str, int]) -> None:
        """Holds the rows against those that the examples state of their splits, where they do.

        Raises:
          DataError: they differ.
        """
        for split, rows in stated.items():
            if self.rows_of(split) != rows:
                raise DataError(
                    f"The examples state {rows} rows in the split {split!r}, but its files hold {self.rows_of(split)}: "
                    "one is missing, was added or was cut where a record ends. Write the examples again."
                )

    def save(self, folder: str) -> None:
        """Writes the file into the folder, a path or URI, whole or not at all."""
        units = [dataclasses.asdict(unit) for unit in self.units]
        table = {"format_version": FORMAT_VERSION, "splits": list(self.splits), "rows": self.rows, "units": units}
        path = f"{folder.rstrip('/')}/{FILE_NAME}"
        temporary = f"{path}.{os.getpid()}"
        with tf.io.gfile.GFile(temporary, "w") as file:
            file.write(json.dumps(table, indent=1))
        tf.io.gfile.rename(temporary, path, overwrite=True)

    @classmethod
    def load(cls, folder: str) -> "RowsRead | None":
        """What ``save`` wrote, or None where there is no such file.

        Raises:
          DataError: there is one, and it is not what ``save`` writes, or its rows do not add up.
        """
        path = f"{folder.rstrip('/')}/{FILE_NAME}"
        try:
            with tf.io.gfile.GFile(path) as file:
                table = json.loads(file.read())
            version = table["format_version"]
            if type(version) is not int or version != FORMAT_VERSION:  # to Python, True and 1.0 are 1
                raise ValueError(f"format_version {version!r}, not {FORMAT_VERSION}")
            read = cls(tuple(table["splits"]), tuple(UnitRows(**unit) for unit in table["units"]))
            for unit in read.units:
                counts = (unit.offset, unit.rows, unit.bytes, 0 if unit.end is None else unit.end)
                if not all(type(count) is int and count >= 0 for count in counts):
                    raise ValueError(f"{unit}, whose counts are not all whole and at least 0")
            if read.rows != table["rows"]:
                raise ValueError(f"units of {read.rows} rows, not of the stated {table['rows']}")
        except tf.errors.NotFoundError:
            return None
        except (tf.errors.OpError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path} holds no account of the rows read: {error}. Analyse again.") from error
        return read
