"""Whether a gzip file is whole, which TensorFlow's reader does not tell: it takes one that was cut for complete."""

import zlib
from collections.abc import Iterator

import tensorflow as tf

PIECE_BYTES = 1 << 20
_SMALLEST = 20  # bytes of an empty gzip file
# What ``gzip -d`` passes over.
PADDED = "zeros follow the end of the gzip stream (padding, as of a block device)"
_GZIP = 31  # zlib's name for a stream with gzip's header and trailer


class BrokenStreamError(Exception):
    """A gzip file that was cut short or damaged: its stream does not end, or not with its checksum and its size."""


def stated_size(file: str, size: int) -> int:
    """Bytes of the decompressed file, as its last four state them; 0 where they cannot be that.

    They are those of the last stream alone, modulo 2**32, and of a file that was cut anything.
    """
    if size < _SMALLEST:
        return 0
    with tf.io.gfile.GFile(file, "rb") as source:
        source.seek(size - 4)
        stated = int.from_bytes(source.read(4), "little")
    return stated if stated >= size // 2 else 0


def check_whole(file: str, found: int) -> None:
    """Checks that a file from which ``found`` decompressed bytes were read is whole, and that they were all.

    Where the file's last bytes state that number, it is: zlib has compared it. Otherwise (several streams one after the
    other, very small files, damage) the file is decompressed once more.

    Raises:
      BrokenStreamError: it is not, or they were not.
      tf.errors.OpError: it cannot be read.
    """
    if found and stated_size(file, int(tf.io.gfile.stat(file).length)) == found % 2**32:
        return
    whole = sum(map(len, decompressed(file)))
    if whole != found:
        raise BrokenStreamError(f"its records end at byte {found}, not at byte {whole} of the decompressed file")


def decompressed(file: str) -> Iterator[bytes]:
    """The file's bytes in pieces of ``PIECE_BYTES`` at most; streams that follow each other are one.

    Raises:
      BrokenStreamError: a file that is not whole.
      tf.errors.OpError: one that cannot be opened or read.
    """
    stream, data = zlib.decompressobj(_GZIP), b""
    with tf.io.gfile.GFile(file, "rb") as source:
        while True:
            if stream.eof and (data := stream.unused_data or source.read(PIECE_BYTES)):
                if data[:1] == b"\0":
                    raise BrokenStreamError(f"{PADDED}, which TensorFlow does not read: gzip -dc FILE | gzip > NEW")
                stream = zlib.decompressobj(_GZIP)
            elif not stream.eof and not (data := stream.unconsumed_tail or source.read(PIECE_BYTES)):
                raise BrokenStreamError("the gzip stream does not end: the file was cut short")
            if not data:
                return
            try:
                piece = stream.decompress(data, PIECE_BYTES)
            except zlib.error as error:
                raise BrokenStreamError(f"the gzip stream is damaged ({error})") from error
            if piece:
                yield piece
