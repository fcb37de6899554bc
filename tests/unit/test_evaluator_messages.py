"""TFMA's messages are taken from where every version has them."""

import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def test_no_message_is_taken_from_the_top_of_the_package() -> None:
    """From TFMA 0.52 on, EvalConfig and its like are there only if TFX was imported before."""
    named = re.compile(r"tfma\.[A-Z]\w+|from tensorflow_model_analysis import")
    files = [file for folder in ("components", "pipeline") for file in (REPOSITORY / folder).rglob("*.py")]
    found = {str(file.relative_to(REPOSITORY)): named.findall(file.read_text()) for file in files}
    assert {name: hits for name, hits in found.items() if hits} == {}
