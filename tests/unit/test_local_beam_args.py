import pytest

from pipeline.beam_args import local_beam_args


@pytest.mark.parametrize(
    "asked",
    [
        ["--runner=DirectRunner"],
        ["--runner=directrunner"],
        ["--runner", "DIRECTRUNNER"],
        ["--runner=BundleBasedDirectRunner"],
        ["--runner=apache_beam.runners.direct.direct_runner.DirectRunner"],
        ["--runner=FnApiRunner", "--runner=DirectRunner"],
    ],
)
def test_every_spelling_of_direct_runner_is_replaced_with_a_notice(asked: list[str]) -> None:
    args, notice = local_beam_args(asked)
    assert args == ("--runner=FnApiRunner",)
    assert notice is not None and "FnApiRunner" in notice


def test_without_a_runner_it_is_fn_api_runner_without_a_notice() -> None:
    assert local_beam_args(["--direct_num_workers=2"]) == (("--runner=FnApiRunner", "--direct_num_workers=2"), None)


def test_another_runner_is_left_alone_and_the_last_one_wins() -> None:
    args, notice = local_beam_args(["--runner=FnApiRunner", "--x=1", "--runner=PortableRunner"])
    assert (args, notice) == (("--runner=PortableRunner", "--x=1"), None)
