"""The SHA-256 of files, each file's bytes hashed once a process: what has not changed since is not read again.

A run looks at the same bytes several times: the pipeline's fingerprint and ExampleGen's, the check of a converted span
and the key of its statistics.
"""

import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from components.cache.envelope import Readable, digest_of

# A file that was written less than this ago could be written again without another time stamp.
_SETTLED_NANOSECONDS = 2_000_000_000

# Device, inode, size and modification time -> SHA-256; some 200 bytes a file.
_hashed: dict[tuple[int, int, int, int], str] = {}


def file_digest(path: str, opened: Callable[[], AbstractContextManager[Readable]]) -> str:
    """Hex SHA-256 of the file's bytes as they are stored.

    A local file is known by device, inode, size and modification time, so that a hard link to it, or the file under
    another name, is not hashed again.

    Args:
      path: of a local file; a URI with a scheme is read each time.
      opened: opens it for reading; its errors come through.
    """
    if "://" not in path and os.path.exists(path):
        found = os.stat(path)
        if time.time_ns() - found.st_mtime_ns > _SETTLED_NANOSECONDS:
            key = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
            if key not in _hashed:
                _hashed[key] = _read(opened)
            return _hashed[key]
    return _read(opened)


def _read(opened: Callable[[], AbstractContextManager[Readable]]) -> str:
    with opened() as stream:
        return digest_of(stream)
