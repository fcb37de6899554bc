"""Parameters of a compiled job are checked before anything is sent."""

import pytest
from toy_job import toy_spec

from components.errors import ConfigError
from pipeline.kubeflow.submission.parameter_values import parameter_values

GIVEN = ("rate=0.5", "region=eu")


def test_values_have_the_declared_types() -> None:
    values = parameter_values(toy_spec(), ("epochs=7", "rate=1", "region=eu=west"))

    assert values == {"epochs": 7, "rate": 1.0, "region": "eu=west"}
    assert [type(value) for value in values.values()] == [int, float, str]


def test_what_has_a_default_may_be_left_out() -> None:
    assert parameter_values(toy_spec(), GIVEN) == {"rate": 0.5, "region": "eu"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((), r"without a default must be given: rate, region\. Add --param rate=VALUE --param region=VALUE\."),
        (("rate=1",), "must be given: region"),
        ((*GIVEN, "epoch=7"), r"no parameter 'epoch'\. Its parameters: data_path, epochs, rate, region\."),
        ((*GIVEN, "epochs=many"), "'epochs' must be a whole number but is 'many'"),
        ((*GIVEN, "rate=1"), "'rate' is given twice"),
        ((*GIVEN, "epochs"), "must look like NAME=VALUE but is 'epochs'"),
    ],
)
def test_what_the_service_would_only_find_later_is_an_error_now(given: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parameter_values(toy_spec(), given)


def test_a_job_without_parameters_takes_none() -> None:
    spec = {"root": {"dag": {}}}

    assert parameter_values(spec, ()) == {}
    with pytest.raises(ConfigError, match="Its parameters: none"):
        parameter_values(spec, ("a=1",))
