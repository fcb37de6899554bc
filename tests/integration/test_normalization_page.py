"""docs/normalization-in-a-map.md: every block of code runs, in order, and gives what the page says that it gives."""

import contextlib
import io
import re
import sys
import types
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import pytest

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "docs" / "normalization-in-a-map.md"
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Stated(NamedTuple):
    """What the comments of a block say: the lines it prints, and the error that ends it."""

    prints: list[str]
    raises: tuple[str, str] | None


def stated_in(code: str) -> Stated:
    """``# prints: <line>`` and at most one ``# raises: <type>: <fragment of the message>``."""
    errors = re.findall(r"# raises: (\w+): (.+)$", code, re.MULTILINE)
    assert len(errors) < 2, code
    return Stated(re.findall(r"# prints: (.*)$", code, re.MULTILINE), errors[0] if errors else None)


def differences(code: str, file: Path, namespace: dict[str, Any]) -> list[str]:
    """Runs a block; what came otherwise than it states, and how."""
    stated, output, error = stated_in(code), io.StringIO(), None
    file.write_text(code, encoding="utf-8")  # AutoGraph reads the source of what it traces.
    with contextlib.redirect_stdout(output), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            exec(compile(code, str(file), "exec"), namespace)
        except Exception as caught:
            error = caught
    came = output.getvalue().splitlines()
    wrong = [] if came == stated.prints else [f"prints {came}, not {stated.prints}"]
    name, fragment = stated.raises or ("nothing", "")
    if type(error).__name__ != (name if stated.raises else "NoneType") or fragment not in str(error):
        wrong.append(f"raises {error!r}, not {name} with {fragment!r}")
    return wrong


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def test_every_block_gives_what_the_page_says(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", module)  # AutoGraph looks a function's module up.
    blocks = _BLOCK.findall(page)
    assert len(blocks) > 10
    wrong = []
    for at, (language, code) in enumerate(blocks):
        assert language == "python", f"block {at} is of {language!r}: nothing would check it"
        found = differences(code, tmp_path / f"block_{at}.py", vars(module))
        wrong += [f"\n{code}{difference}" for difference in found]
    assert not wrong, "".join(wrong)


def test_the_page_shows_each_way_to_fail_and_each_way_out(page: str) -> None:
    errors = [stated.raises[0] for _, code in _BLOCK.findall(page) if (stated := stated_in(code)).raises]
    assert {"ValueError", "AttributeError", "NotFrozenError"} <= set(errors)
    for name in ("normalized_dataset", "keras_normalization", "assert_frozen", "keras.layers.Normalization"):
        assert f"{name}(" in page


def test_its_links_lead_somewhere(page: str) -> None:
    targets = [target.split("#")[0] for target in re.findall(r"\]\(([^)]+)\)", page) if not target.startswith("http")]
    assert targets
    assert [target for target in targets if not (PAGE.parent / target).exists()] == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("print(1)\n# prints: 1\n", []),
        ("print(1)\n# prints: 2\n", ["prints ['1'], not ['2']"]),
        ("print(1)\n", ["prints ['1'], not []"]),
        ("raise KeyError('a b')\n# raises: KeyError: a b\n", []),
        ("raise KeyError('a b')\n# raises: KeyError: b c\n", ["raises KeyError('a b'), not KeyError with 'b c'"]),
        ("raise KeyError('a b')\n# raises: ValueError: a b\n", ["raises KeyError('a b'), not ValueError with 'a b'"]),
        ("raise KeyError('a b')\n", ["raises KeyError('a b'), not nothing with ''"]),
        ("# raises: KeyError: a\n", ["raises None, not KeyError with 'a'"]),
    ],
)
def test_a_page_that_says_something_else_is_seen(code: str, found: list[str], tmp_path: Path) -> None:
    assert differences(code, tmp_path / "block.py", {}) == found
