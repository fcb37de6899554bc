"""When TFX's executor is run again: only for files that cannot be read in ranges."""

import pytest
from tfx.components.transform import executor as stock

from components.transform import processor
from components.transform.work_units import FalseBoundaryError


def test_records_within_records_are_read_again_as_whole_files() -> None:
    classes = []

    def do() -> None:
        classes.append(stock.TransformProcessor)
        if len(classes) == 1:
            raise RuntimeError("Traceback of a worker: FalseBoundaryError: a range began within a record")

    usual = stock.TransformProcessor
    processor.run(do)
    assert len(set(classes)) == 2 and usual not in classes
    assert stock.TransformProcessor is usual


@pytest.mark.parametrize("error", [ValueError("no"), KeyError("x")])
def test_any_other_error_is_not_repeated(error: Exception) -> None:
    calls = []

    def do() -> None:
        calls.append(1)
        raise error

    with pytest.raises(type(error)):
        processor.run(do)
    assert calls == [1]


def test_the_second_failure_is_the_caller_s() -> None:
    def do() -> None:
        raise FalseBoundaryError("again")

    with pytest.raises(FalseBoundaryError):
        processor.run(do)
