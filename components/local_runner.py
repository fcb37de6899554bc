"""Beam's runner of this process, named in full: Beam older than 2.68 knows no short name of it."""

LOCAL_RUNNER = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"
# Newer versions try a runner that they download first, where none is named; this one downloads nothing.
LOCAL_RUNNER_ARG = f"--runner={LOCAL_RUNNER}"
# TFX builds a package of itself for Beam's workers unless an image is named; here they run in this very environment.
NO_PACKAGE_ARG = "--sdk_container_image=unused"
