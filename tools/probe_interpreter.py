"""Prints what the Python that runs this can carry, as one tab-separated line for tools/setup.sh.

Fields: minor version ("3.11"), full version, platform ("Linux-x86_64"), glibc ("2.36", "-" elsewhere), newest
CXXABI_1.3.x of the libstdc++ that this interpreter would load (0 where there is none), "headers" or "no-headers",
the interpreter behind a shim or a virtual environment. Runs on any Python 3, so that an old one can say what it is.
"""

import platform
import re
import sys
import sysconfig
from pathlib import Path


def newest_cxxabi():  # type: () -> int
    """The N of the newest symbol version CXXABI_1.3.N, of the library that extension modules would get."""
    try:
        import ctypes

        ctypes.CDLL("libstdc++.so.6")
        maps = Path("/proc/self/maps").read_text().splitlines()
        path = next(line.split(None, 5)[-1] for line in maps if "libstdc++.so" in line)
        found = re.findall(rb"CXXABI_1\.3\.(\d+)", Path(path).read_bytes())
    except (ImportError, OSError, StopIteration):
        return 0
    return max([int(number) for number in found] or [0])


def real_interpreter():  # type: () -> str
    """The interpreter that a virtual environment was made from, else the running one."""
    base = Path(sys.base_prefix) / "bin" / "python{}.{}".format(*sys.version_info[:2])
    return str(base) if sys.prefix != sys.base_prefix and base.exists() else sys.executable


def main():  # type: () -> None
    """Prints the line."""
    libc, libc_version = platform.libc_ver()
    header = Path(sysconfig.get_paths()["include"]) / "Python.h"
    fields = [
        "{}.{}".format(*sys.version_info[:2]),
        platform.python_version(),
        platform.system() + "-" + platform.machine(),
        libc_version if libc == "glibc" else "-",
        str(newest_cxxabi()),
        "headers" if header.exists() else "no-headers",
        real_interpreter(),
    ]
    print("\t".join(fields))


if __name__ == "__main__":
    main()
