"""DriftGate's executor: where it reads both sides from, and what stops a run."""

from pathlib import Path
from typing import Any

import pytest
from graph_tables import constants_of, feature, plan_of
from tfx.types import Channel, standard_artifacts

from components import DriftGate, FrozenTransform
from components.artifacts import CheckBlessing, ConstantsArtifact, read_verdict, write_constants
from components.constants import NormalizationConstants
from components.drift.component import DriftExecutor
from components.transform.trace import frozen_graph
from components.verdict import CheckFailedError

PLAN = plan_of(feature("x", "FLOAT", "z_score"), feature("y", "FLOAT", "z_score"))


def constants(shift: float = 0.0) -> NormalizationConstants:
    return constants_of(PLAN, [{"x": row % 7 + shift, "y": float(row % 5)} for row in range(4_900)])


def judged(
    tmp_path: Path, after: NormalizationConstants, *, graph: bool = False, model: str = "", **options: Any
) -> Any:
    """The verdict that the executor writes; what it raises comes through."""
    mine = ConstantsArtifact()
    mine.uri = str(tmp_path / "after")
    write_constants(mine, after)
    inputs: dict[str, list[Any]] = {"constants": [mine]}
    channels: dict[str, Any] = {"constants": Channel(type=ConstantsArtifact)}
    if graph:
        written = standard_artifacts.TransformGraph()
        written.uri = str(tmp_path / "graph")
        FrozenTransform(frozen_graph(after)).save(written.uri)
        inputs, channels = {"transform_graph": [written]}, {"transform_graph": Channel(type=type(written))}
    if model:
        blessed = standard_artifacts.Model()
        blessed.uri = model
        inputs["baseline_model"] = [blessed]
        channels["baseline_model"] = Channel(type=type(blessed))
    node = DriftGate(**channels, **options)
    blessing = CheckBlessing()
    blessing.uri = str(tmp_path / "blessing")
    DriftExecutor().Do(inputs, {"blessing": [blessing]}, dict(node.spec.exec_properties))
    return read_verdict(blessing.uri)


@pytest.mark.parametrize("graph", [False, True], ids=["constants", "transform_graph"])
def test_without_a_baseline_a_run_is_blessed_and_the_verdict_says_so(tmp_path: Path, graph: bool) -> None:
    verdict = judged(tmp_path, constants(), graph=graph, action="block")
    assert verdict.blessed and verdict.figures["before"] is None
    assert verdict.figures["after"] == constants().digest


def test_drift_stops_a_run_only_where_it_must_and_names_the_feature(tmp_path: Path) -> None:
    constants().save(tmp_path / "before.json")
    baseline = str(tmp_path / "before.json")
    with pytest.raises(CheckFailedError, match=r"mean_shift: feature 'x': its mean moved by 0\.5 sigma"):
        judged(tmp_path, constants(shift=1.0), baseline=baseline, action="block")
    assert not read_verdict(str(tmp_path / "blessing")).blessed
    warned = judged(tmp_path, constants(shift=1.0), baseline=baseline, action="warn")
    assert [(each.fault, each.feature) for each in warned.warnings] == [("mean_shift", "x")]
    assert judged(tmp_path, constants(shift=1.0), baseline=baseline, action="off").warnings == ()
    assert judged(tmp_path, constants(), baseline=baseline, action="block").blessed


def test_the_constants_of_a_blessed_model_are_among_its_assets(tmp_path: Path) -> None:
    folder = tmp_path / "model/Format-Serving/assets"
    folder.mkdir(parents=True)
    constants().save(folder / "constants.json")
    verdict = judged(tmp_path, constants(shift=1.0), model=str(tmp_path / "model"))
    assert verdict.figures["before"] == constants().digest
    assert [each.fault for each in verdict.warnings] == ["mean_shift"]


@pytest.mark.parametrize("form", ["constants artifact", "transform graph", "Model artifact", "pushed model"])
def test_a_baseline_is_a_path_where_there_is_no_metadata(tmp_path: Path, form: str) -> None:
    inside = {"Model artifact": "Format-Serving/assets", "pushed model": "assets"}.get(form, "")
    folder = tmp_path / "baseline" / inside
    folder.mkdir(parents=True)
    if form == "constants artifact":
        constants().save(folder / "constants.json")
    else:
        FrozenTransform(frozen_graph(constants())).save(folder)
    verdict = judged(tmp_path, constants(shift=1.0), baseline=str(tmp_path / "baseline"))
    assert verdict.figures["before"] == constants().digest
    assert [each.fault for each in verdict.warnings] == ["mean_shift"]


def test_wrong_wiring_is_refused() -> None:
    channel = Channel(type=ConstantsArtifact)
    with pytest.raises(ValueError, match="exactly one of them"):
        DriftGate()
    with pytest.raises(ValueError, match="but got both"):
        DriftGate(channel, baseline_model=Channel(type=standard_artifacts.Model), baseline="x.json")
    with pytest.raises(ValueError, match="action must be"):
        DriftGate(channel, action="stop")
