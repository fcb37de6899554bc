"""A file behind ``tf.io.gfile`` (``gs://``, ``s3://``, ``ram://``...) as an ordinary Python file."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def gfile() -> Any:
    """``tf.io.gfile``. TensorFlow takes seconds to import, and only paths with a scheme need it."""
    import tensorflow as tf

    return tf.io.gfile


def open_remote(path: str) -> io.BufferedReader:
    """The bytes of ``path``, seekable; TensorFlow's errors come as OSError and its kinds."""
    return io.BufferedReader(_RemoteFile(path), buffer_size=1 << 20)


class _RemoteFile(io.RawIOBase):
    def __init__(self, path: str) -> None:
        super().__init__()
        self._file = gfile().GFile(path, "rb")
        with _os_errors(path):
            self._size = int(self._file.size())
        self._path = path

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with _os_errors(self._path):
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self.tell(), io.SEEK_END: self._size}[whence]
        with _os_errors(self._path):
            self._file.seek(start + offset)
        return start + offset

    def tell(self) -> int:
        with _os_errors(self._path):
            return int(self._file.tell())

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


@contextmanager
def _os_errors(path: str) -> Iterator[None]:
    import tensorflow as tf

    try:
        yield
    except tf.errors.NotFoundError as error:
        raise FileNotFoundError(path) from error
    except (tf.errors.PermissionDeniedError, tf.errors.UnauthenticatedError) as error:
        raise PermissionError(path) from error
    except tf.errors.OpError as error:
        raise OSError(error.message) from error
