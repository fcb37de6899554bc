"""A project whose pipeline is ``tiny_pipeline``'s, and the real command line on it. Imports TFX only when it runs."""

import sys
import types
from pathlib import Path
from typing import Any


def definition() -> types.ModuleType:
    """Stands in for ``pipeline.definition``."""
    module = types.ModuleType("pipeline.definition")

    def build_pipeline(*arguments: Any) -> Any:
        import tiny_pipeline

        return tiny_pipeline.build_pipeline(*arguments)

    module.__dict__["build_pipeline"] = build_pipeline
    return module


def write_project(folder: Path, control: str = "") -> Path:
    """A configuration, a schema and data that pass all checks; returns the configuration's path."""
    (folder / "data.csv").write_text("x,y\n1.5,0\n2.5,1\n")
    (folder / "schema.pbtxt").write_text(
        'feature { name: "x" type: FLOAT value_count { min: 1 max: 1 } annotation { tag: "z_score" } }\n'
        'feature { name: "y" type: INT value_count { min: 1 max: 1 } annotation { tag: "label" } }\n'
    )
    (folder / "control").write_text(control)
    config = folder / "tiny.toml"
    config.write_text(
        '[pipeline]\nname = "tiny"\ntask = "binary"\n[data]\npath = "data.csv"\nschema = "schema.pbtxt"\n'
    )
    return config


if __name__ == "__main__":
    from pipeline import cli

    sys.modules["pipeline.definition"] = definition()
    sys.exit(cli.main(sys.argv[1:]))
