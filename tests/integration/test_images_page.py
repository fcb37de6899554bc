"""docs/images.md: every block of code runs, in order, and gives what the page says that it gives."""

import re
import sys
import types
from pathlib import Path

import pytest
from test_normalization_page import differences

PAGE = Path(__file__).parents[2] / "docs" / "images.md"
_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_every_block_gives_what_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("images_page")
    monkeypatch.setitem(sys.modules, "images_page", module)  # AutoGraph looks a function's module up.
    blocks = _BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert len(blocks) == 5
    wrong = {
        number: found
        for number, code in enumerate(blocks)
        if (found := differences(code, tmp_path / f"block_{number}.py", module.__dict__))
    }
    assert not wrong
