"""photos and digits, run as a user runs them: what they reach, and that their models serve raw encoded bytes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.e2e
pytest.importorskip("sklearn", reason="the images come from scikit-learn (extra 'samples')")

REPOSITORY = Path(__file__).resolve().parents[2]
SERVE = Path(__file__).with_name("served_images.py")
LIMIT_SECONDS = 1200  # a run takes about one minute; this is for a machine that is busy with something else
# Both stacks give these; another one is another analysis, or other data.
DIGESTS = {
    "photos": "1e2e46904190a75a752538e0993fa41e3a5889ef79197076590a61f95f8360af",
    "digits": "49558b571648c000d5824d74075816942ddc33b95a43228df28c2faf0bfb123c",
}
LOWEST_ACCURACY = {"photos": 0.9, "digits": 0.95}
ROWS = {"photos": 816, "digits": 1440}


@pytest.mark.parametrize("name", ["photos", pytest.param("digits", marks=pytest.mark.slow)])
def test_a_run_learns_passes_its_checks_and_serves_encoded_bytes(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pipeline", "run", f"pipeline/{name}.toml", "--root", str(tmp_path), "--json"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=LIMIT_SECONDS)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["constants_digest"], result["rows"]) == (DIGESTS[name], ROWS[name])
    assert result["metrics"]["accuracy"] >= LOWEST_ACCURACY[name] > result["metrics"]["baseline_accuracy"]
    for check in verdicts(tmp_path):
        assert check["blessed"], check
        assert check["warnings"] == []
    page = Path(result["report"]).read_text(encoding="utf-8")
    assert page.count('alt="Normalized"') == 6

    files = sorted((REPOSITORY / "data" / name).rglob("*.png"))[::23]
    served = subprocess.run(
        [sys.executable, str(SERVE), result["model"], *map(str, files)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin"},
        timeout=LIMIT_SECONDS,
    )
    assert served.returncode == 0, served.stderr
    answer = json.loads(served.stdout)
    labels = [file.relative_to(REPOSITORY / "data" / name).parts[0] for file in files]
    right = sum(one == other for one, other in zip(answer["classes"], labels, strict=True))
    assert right >= LOWEST_ACCURACY[name] * len(files)
    assert (answer["same"], answer["damaged"], answer["ours"]) == (True, "InvalidArgumentError", [])


def verdicts(root: Path) -> list[dict[str, Any]]:
    """Of audit, drift gate, parity check and of what was fed."""
    files = [*root.rglob("verdict.json"), *root.rglob("fed.json")]
    assert len(files) == 4
    return [json.loads(file.read_text()) for file in files]
