import pytest

from components.errors import ConfigError, DataError, InputError, SchemaError, input_error_in


def raised_from(outer: Exception, inner: Exception) -> Exception:
    try:
        raise outer from inner
    except Exception as error:
        return error


def raised_during(outer: Exception, inner: Exception) -> Exception:
    try:
        try:
            raise inner
        except Exception:
            raise outer  # noqa: B904 the context alone must do
    except Exception as error:
        return error


@pytest.mark.parametrize("kind", [InputError, ConfigError, DataError, SchemaError])
def test_an_input_error_gives_its_own_message(kind: type[InputError]) -> None:
    assert input_error_in(kind("no such file: x. Give another.")) == "no such file: x. Give another."
    assert issubclass(kind, ValueError)


def test_an_input_error_is_found_behind_its_wrappers() -> None:
    cause = raised_from(RuntimeError("step"), DataError("row 3"))
    assert input_error_in(raised_from(RuntimeError("pipeline"), cause)) == "row 3"
    assert input_error_in(raised_during(KeyError("a"), SchemaError("feature 'a'"))) == "feature 'a'"


def test_another_error_is_none_of_the_users() -> None:
    for error in (ValueError("x"), RuntimeError("DataError: x"), KeyboardInterrupt()):
        assert input_error_in(error) is None
    assert input_error_in(raised_from(RuntimeError("a"), ValueError("b"))) is None


def test_the_step_that_beam_appends_is_cut_off() -> None:
    assert input_error_in(DataError("row 3 [while running 'Read/Map']")) == "row 3"


TRACEBACK = """Traceback (most recent call last):
  File "worker.py", line 9, in process
    raise ValueError("x")
{name}: t.csv, line 3: [x] is no number. Mend it.{suffix}
"""


@pytest.mark.parametrize(
    "name",
    [
        "components.errors.DataError",
        "components.errors.ConfigError",
        "schemas.errors.SchemaError",
        "schemas.errors.InputError",
        "RuntimeError: components.errors.DataError",
    ],
)
@pytest.mark.parametrize("suffix", ["", " [while running 'Read']", " [while running 'A/B'] more\n"])
def test_the_message_is_found_in_the_traceback_of_another_process(name: str, suffix: str) -> None:
    error = RuntimeError(TRACEBACK.format(name=name, suffix=suffix))
    assert input_error_in(error) == "t.csv, line 3: [x] is no number. Mend it."
    assert input_error_in(raised_from(ValueError("outer"), error)) == "t.csv, line 3: [x] is no number. Mend it."


@pytest.mark.parametrize("name", ["ValueError", "other.errors.DataError", "see components.errors.DataError"])
def test_other_names_in_a_traceback_are_not_taken_for_an_input_error(name: str) -> None:
    assert input_error_in(RuntimeError(TRACEBACK.format(name=name, suffix=""))) is None


def test_a_ring_of_causes_ends() -> None:
    first, second = RuntimeError("a"), RuntimeError("b")
    first.__cause__, second.__cause__ = second, first
    assert input_error_in(first) is None
