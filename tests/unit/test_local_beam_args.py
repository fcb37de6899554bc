from pathlib import Path

import pytest

from components.errors import ConfigError
from pipeline.beam_args import local_beam_args

# The name that every Beam version takes; test_local_run.py asks Beam.
FN_API = "--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner"
# Any image's name keeps TFX from building a package of itself for workers that share this environment.
NO_PACKAGE = "--sdk_container_image=unused"
ONE = ("--direct_running_mode=in_memory", "--direct_num_workers=1")


@pytest.mark.parametrize(
    "asked",
    [
        ["--runner=DirectRunner"],
        ["--runner=directrunner"],
        ["--runner", "DIRECTRUNNER"],
        ["--runner=SwitchingDirectRunner"],
        ["--runner=BundleBasedDirectRunner"],
        ["--runner=apache_beam.runners.direct.direct_runner.DirectRunner"],
        ["--runner=FnApiRunner", "--runner=DirectRunner"],
    ],
)
def test_every_spelling_of_direct_runner_is_replaced_with_a_notice(asked: list[str]) -> None:
    args, notice = local_beam_args(asked)
    assert args == (FN_API, NO_PACKAGE, *ONE)
    assert notice is not None and "FnApiRunner" in notice


def test_without_a_runner_it_is_fn_api_runner_without_a_notice() -> None:
    assert local_beam_args(["--direct_num_workers=2"]) == ((FN_API, NO_PACKAGE, *ONE, "--direct_num_workers=2"), None)
    assert local_beam_args(["--runner=fnapirunner"]) == ((FN_API, NO_PACKAGE, *ONE), None)


def test_an_image_that_was_asked_for_is_kept() -> None:
    assert local_beam_args(["--sdk_container_image=mine:1"]) == ((FN_API, *ONE, "--sdk_container_image=mine:1"), None)


def test_another_runner_is_left_alone_and_the_last_one_wins() -> None:
    args, notice = local_beam_args(["--runner=FnApiRunner", "--x=1", "--runner=PortableRunner"])
    assert (args, notice) == (("--runner=PortableRunner", "--x=1"), None)


@pytest.mark.parametrize(
    "runner", ["PrismRunner", "prismrunner", "apache_beam.runners.portability.prism_runner.PrismRunner"]
)
@pytest.mark.parametrize(
    "program", [[], ["--prism_location=https://github.com/apache/beam"], ["--prism_location", "/no"]]
)
def test_a_runner_whose_program_would_be_downloaded_is_refused(runner: str, program: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"would download its program\..*--prism_location=FILE") as caught:
        local_beam_args([*program, "--runner", runner])
    assert "\n" not in str(caught.value)


def test_a_program_on_this_machine_is_taken(tmp_path: Path) -> None:
    (tmp_path / "prism").write_bytes(b"")
    for program in ([f"--prism_location={tmp_path}/prism"], ["--prism_location", f"{tmp_path}/prism"]):
        assert local_beam_args(["--runner=PrismRunner", *program]) == (("--runner=PrismRunner", *program), None)


def test_mode_and_workers_are_the_local_runner_s_only() -> None:
    args, _ = local_beam_args(["--direct_num_workers=3"], "multi_processing", 2)
    assert args == (
        FN_API,
        NO_PACKAGE,
        "--direct_running_mode=multi_processing",
        "--direct_num_workers=2",
        "--direct_num_workers=3",  # Beam's parser takes the last
    )
    assert local_beam_args(["--runner=PortableRunner"], "multi_processing", 2)[0] == ("--runner=PortableRunner",)
