"""The driver of ArrowExampleGen: TFX's, but where there is a window, the window's files alone make the fingerprint.

Kubeflow runs TFX's own driver, which takes the fingerprint of all files that fit; there the executor alone knows the
window.
"""

from typing import Any

import tensorflow as tf
from tfx.components.example_gen import driver, utils
from tfx.types import standard_component_specs

from components.cache.envelope import key_of
from components.example_gen.custom_options import options_of
from components.example_gen.window import WindowOptions


class Driver(driver.FileBasedDriver):  # type: ignore[misc]
    """Resolves the newest span of a window, and what its files look like, as parts of TFX's cache key."""

    def resolve_exec_properties(
        self, exec_properties: dict[str, Any], pipeline_info: Any, component_info: Any
    ) -> dict[str, Any]:
        """The properties with ``span`` and ``input_fingerprint``; a window's patterns stay as they are."""
        base = exec_properties[standard_component_specs.INPUT_BASE_KEY]
        window = WindowOptions.of(options_of(exec_properties), base)
        if window is None:
            resolved: dict[str, Any] = super().resolve_exec_properties(exec_properties, pipeline_info, component_info)
            return resolved
        files = window.files()
        seen = []
        for span, listed in files.items():
            stats = [(index, path, tf.io.gfile.stat(path)) for index, path in listed]
            # Seconds, as TFX's: a copy may round what is finer.
            seen.append([span, [[i, path, int(s.length), int(s.mtime_nsec / 1e9)] for i, path, s in stats]])
        return {
            **exec_properties,
            utils.SPAN_PROPERTY_NAME: max(files),
            utils.VERSION_PROPERTY_NAME: None,
            utils.FINGERPRINT_PROPERTY_NAME: key_of(seen),
        }
