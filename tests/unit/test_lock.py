import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.errors import ConfigError
from pipeline import lock

HOLD = """
import sys
from pathlib import Path
from pipeline import lock
with lock.hold(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds tmp_path until its input is closed."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_second_process_is_told_who_holds_the_root(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    in_use = rf"{tmp_path} is in use by process {holder.pid} on \S+ since \d{{4}}-"
    with pytest.raises(ConfigError, match=in_use), lock.hold(tmp_path):
        pytest.fail("two processes hold one root")


def test_the_file_of_a_killed_process_does_not_block(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.wait()
    with lock.hold(tmp_path):
        assert str(os.getpid()) in (tmp_path / lock.LOCK_FILE).read_text()


def test_a_root_can_be_held_again_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), lock.hold(tmp_path):
        raise RuntimeError
    with lock.hold(tmp_path):
        pass


def test_a_root_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    root = tmp_path / "file" / "root"
    with pytest.raises(ConfigError, match=rf"No run can be written to {root}: Not a directory"), lock.hold(root):
        pytest.fail("held a root that is not there")
