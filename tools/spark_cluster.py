"""A Spark standalone cluster on this machine: master and workers, each a process of its own, on the loopback interface.

    python tools/spark_cluster.py start DIR [--workers 2] [--cores 1] [--memory 2g]   returns once all are registered
    python tools/spark_cluster.py stop DIR                                            ends them, by process id
    python tools/spark_cluster.py settings DIR                                        an application's settings, as JSON

Every process needs the secret that lies in DIR/conf (``spark.authenticate``). Exit status 3: no Java, or no PySpark.
"""

import argparse
import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

START_SECONDS = 60
CANNOT = 3


def start(folder: Path, workers: int, cores: int, memory: str) -> None:
    """Starts master and workers, and waits until all are registered.

    Raises:
      RuntimeError: they did not within a minute; none is left running then.
    """
    if list(folder.glob("*.pid")):
        raise RuntimeError(f"{folder} holds a cluster already: stop it first.")
    conf = folder / "conf"
    conf.mkdir(parents=True, exist_ok=True)
    defaults = conf / "spark-defaults.conf"
    defaults.touch(mode=0o600)
    master_port, page = _free_port(), _free_port()
    url = f"spark://127.0.0.1:{master_port}"
    defaults.write_text(
        f"spark.authenticate true\nspark.authenticate.secret {secrets.token_hex(32)}\nspark.master {url}\n"
    )
    (folder / "master.json").write_text(json.dumps({"url": url, "page": page}))
    try:
        _spawn(folder, "master", "master.Master", "--port", master_port, "--webui-port", page)
        for number in range(1, workers + 1):
            add_worker(folder, number, cores, memory)
        _wait_for(folder, workers)
    except BaseException:
        stop(folder)
        raise


def add_worker(folder: Path, number: int, cores: int, memory: str) -> None:
    """Starts one worker more.

    Odd and even ones go by different names, so that Spark sees two hosts: speculation repeats a task on another one.
    """
    host = "127.0.0.1" if number % 2 else "localhost"
    url = json.loads((folder / "master.json").read_text())["url"]
    place = ("--work-dir", folder / f"worker{number}", "--webui-port", _free_port())
    _spawn(folder, f"worker{number}", "worker.Worker", "-c", cores, "-m", memory, *place, url, host=host)


def stop(folder: Path) -> None:
    """Ends the cluster's processes and their children, each by its process id, and forgets them."""
    for file in sorted(folder.glob("*.pid"), reverse=True):  # workers first
        processes = list(_tree(int(file.read_text())))
        for process in processes:
            _signal(process, signal.SIGTERM)
        end = time.monotonic() + 10
        while any(map(_alive, processes)) and time.monotonic() < end:
            time.sleep(0.1)
        for process in processes:
            _signal(process, signal.SIGKILL)
        file.unlink()


def settings(folder: Path) -> dict[str, str]:
    """``spark.*`` of an application on this cluster; the secret comes from ``SPARK_CONF_DIR``, DIR/conf."""
    return {
        "spark.master": json.loads((folder / "master.json").read_text())["url"],
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
    }


def alive_workers(folder: Path) -> int:
    """As the master sees it; 0 where it does not answer."""
    page = json.loads((folder / "master.json").read_text())["page"]
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{page}/json/", timeout=2) as answer:
            return int(json.load(answer)["aliveworkers"])
    except OSError:
        return 0


def _spawn(folder: Path, name: str, role: str, *options: Any, host: str = "127.0.0.1") -> None:
    import pyspark

    home = str(Path(pyspark.__file__).parent)
    environment = {
        **os.environ,
        "SPARK_HOME": home,
        "SPARK_CONF_DIR": str(folder / "conf"),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_DIRS": str(folder / "local"),
        "SPARK_DAEMON_MEMORY": "256m",
    }
    command = [f"{home}/bin/spark-class", f"org.apache.spark.deploy.{role}", "--host", host, *map(str, options)]
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    (folder / f"{name}.pid").write_text(str(process.pid))


def _wait_for(folder: Path, workers: int) -> None:
    end = time.monotonic() + START_SECONDS
    while alive_workers(folder) < workers:
        dead = [file.stem for file in folder.glob("*.pid") if not _alive(int(file.read_text()))]
        if dead or time.monotonic() > end:
            name = dead[0] if dead else "master"
            last = (folder / f"{name}.log").read_text(errors="replace").strip().splitlines()[-3:]
            what = f"{name} ended" if dead else f"{workers} workers were not registered within {START_SECONDS} s"
            raise RuntimeError(f"{what}: {' | '.join(last)}")
        time.sleep(0.2)


def _tree(process: int) -> Iterator[int]:
    """The process and all below it."""
    yield process
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        listed = subprocess.run(["pgrep", "-P", str(process)], capture_output=True, text=True, check=False)
        children = listed.stdout.split()
    for child in children:
        yield from _tree(int(child))


def _alive(process: int) -> bool:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(process, os.WNOHANG)  # a child of ours that has ended stays until somebody takes note of it
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def _signal(process: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def missing() -> str:
    """What this machine lacks for a cluster; empty where nothing."""
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        return "there is no Java on this machine"
    try:
        import pyspark  # noqa: F401
    except ImportError:
        return "PySpark is not installed: install tfx-norm[spark]"
    return ""


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=["start", "stop", "settings"])
    parser.add_argument("dir", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cores", type=int, default=1, help="of each worker")
    parser.add_argument("--memory", default="2g", help="of each worker")
    given = parser.parse_args()
    folder = given.dir.absolute()
    if given.verb == "start":
        if lack := missing():
            print(f"No Spark cluster: {lack}.", file=sys.stderr)
            return CANNOT
        try:
            start(folder, given.workers, given.cores, given.memory)
        except RuntimeError as error:
            print(error, file=sys.stderr)
            return 1
        print(f"{settings(folder)['spark.master']} with {given.workers} workers; SPARK_CONF_DIR={folder}/conf")
    elif given.verb == "stop":
        stop(folder)
    else:
        print(json.dumps(settings(folder), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
