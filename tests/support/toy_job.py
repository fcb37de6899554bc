"""The smallest job that has everything a submission looks at: two tasks, one nested, and parameters of each type."""

from typing import Any


def toy_spec() -> dict[str, Any]:
    """A PipelineSpec of version 2.1 with ``data_path`` and ``epochs`` (defaults), ``rate`` and ``region`` (none)."""
    container = {"image": "registry.invalid/tfx-norm:1", "command": ["true"]}
    return {
        "schemaVersion": "2.1.0",
        "sdkVersion": "tfx-1.21.0",
        "pipelineInfo": {"name": "toy"},
        "root": {
            "inputDefinitions": {
                "parameters": {
                    "data_path": {"parameterType": "STRING", "defaultValue": "gs://data/flights.csv"},
                    "epochs": {"parameterType": "NUMBER_INTEGER", "defaultValue": 5.0},
                    "rate": {"parameterType": "NUMBER_DOUBLE"},
                    "region": {"parameterType": "STRING"},
                }
            },
            "dag": {
                "tasks": {
                    "Outer": {
                        "taskInfo": {"name": "Outer"},
                        "componentRef": {"name": "Outer"},
                        "cachingOptions": {"enableCache": True},
                    }
                }
            },
        },
        "components": {
            "Outer": {
                "dag": {
                    "tasks": {
                        "Inner": {
                            "taskInfo": {"name": "Inner"},
                            "componentRef": {"name": "Inner"},
                            "cachingOptions": {"enableCache": True},
                        }
                    }
                }
            },
            "Inner": {"executorLabel": "Inner_executor"},
        },
        "deploymentSpec": {"executors": {"Inner_executor": {"container": container}}},
    }
