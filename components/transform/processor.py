"""tf.Transform's own passes over the data, for materialized examples or analyzers of one's own, by our reader."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

from absl import logging
from tfx.components.transform import executor as stock
from tfx.proto import example_gen_pb2
from tfx_bsl.public.tfxio import TFXIO

from components.transform.record_reader import BATCH_BYTES
from components.transform.record_tfxio import ParsedTFRecords
from components.transform.work_units import UNIT_BYTES, FalseBoundaryError


def run(do: Callable[[], None], batch_bytes: int = BATCH_BYTES) -> None:
    """Calls ``do``, which runs TFX's Transform executor, with ``ParsedTFRecords`` in the place of its reader.

    ``do`` is called again where records hold other records, so that files have to be read as a whole.

    Args:
      do: such as ``super().Do`` of an executor.
      batch_bytes: bound on what is decoded at once, per reader.
    """
    try:
        with _reading(UNIT_BYTES, batch_bytes):
            do()
    except Exception as error:
        # From another process the error comes as the text of a RuntimeError.
        if FalseBoundaryError.__name__ not in repr(error):
            raise
        logging.warning("Records hold other records: the files are read again, each as a whole. %s", error)
        with _reading(0, batch_bytes):
            do()


@contextlib.contextmanager
def _reading(unit_bytes: int, batch_bytes: int) -> Iterator[None]:
    class Processor(stock.TransformProcessor):
        def _CreateTFXIO(self, dataset: Any, schema: Any) -> TFXIO:
            is_raw = self._ShouldDecodeAsRawExample(dataset.data_format, dataset.data_view_uri, schema)
            if dataset.data_format != example_gen_pb2.FORMAT_TF_EXAMPLE or is_raw:
                return super()._CreateTFXIO(dataset, schema)
            return ParsedTFRecords(
                dataset.file_pattern,
                schema,
                telemetry_descriptors=stock._TELEMETRY_DESCRIPTORS,
                batch_bytes=batch_bytes,
                unit_bytes=unit_bytes,
            )

    # The executor names its processor's class and takes no other; this step runs alone in its process.
    with mock.patch.object(stock, "TransformProcessor", Processor):
        yield
