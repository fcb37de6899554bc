from collections.abc import Callable

from components.errors import DataError
from pipeline.failure import own_error


def raised(work: Callable[[], None]) -> Exception:
    try:
        work()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def test_beams_copy_of_an_exception_leads_to_the_one_that_was_raised() -> None:
    def work() -> None:
        try:
            raise DataError("row 3: no number")
        except DataError as error:
            raise RuntimeError("row 3: no number [while running 'Read/Parse']") from error

    assert own_error(raised(work)) == "DataError: row 3: no number"


def test_tf_transforms_wrapping_leads_to_the_error_inside() -> None:
    def work() -> None:
        try:
            raise TypeError("a list is needed")
        except TypeError as error:
            raise RuntimeError("Failed to apply: CreateTensorBinding[x]") from error

    assert own_error(raised(work)) == "TypeError: a list is needed"


def test_beams_suffix_is_cut_where_there_is_no_cause() -> None:
    assert own_error(ValueError("no number [while running 'Read']\nmore")) == "ValueError: no number"


def test_a_traceback_as_text_gives_its_last_error() -> None:
    text = (
        "Traceback (most recent call last):\n"
        '  File "worker.py", line 3, in process\n'
        "    raise ValueError('x')\n"
        "tensorflow.errors.InvalidArgumentError: shapes differ\n"
    )
    assert own_error(RuntimeError(text)) == "InvalidArgumentError: shapes differ"


def test_an_error_raised_on_purpose_from_another_is_kept() -> None:
    def work() -> None:
        try:
            dict[str, int]()["a"]
        except KeyError as error:
            raise ValueError("the column 'a' is required") from error

    assert own_error(raised(work)) == "ValueError: the column 'a' is required"


def test_a_long_message_is_cut_to_its_first_lines() -> None:
    shown = own_error(ValueError("\n".join(f"line {i}" for i in range(100))))
    assert shown.splitlines() == ["ValueError: line 0", "line 1", "line 2", "line 3", "line 4 ..."]


def test_an_error_without_a_message_is_its_name() -> None:
    assert own_error(ValueError()) == "ValueError"
