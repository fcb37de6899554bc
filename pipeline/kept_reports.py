"""The reports of a run's folder: the newest on top, and those of the runs before it."""

import os
import shutil
from pathlib import Path

from components.report.render import FILE_NAME

FOLDER = "reports"
# A page has some 5 MB, most of it the chart library. Further back than this one compares constants, not pages.
MOST_KEPT = 10


def keep(page: str, root: Path, run_id: str) -> Path:
    """Writes ``<root>/report.html``, whole or not at all, and keeps it as ``<root>/reports/<run>.html``.

    Of the latter the newest ``MOST_KEPT`` stay; files of other names are left alone.

    Args:
      page: the report.
      root: the run's folder.
      run_id: TFX's, which begins with the time.
    """
    folder = root / FOLDER
    folder.mkdir(exist_ok=True)
    path, kept = root / FILE_NAME, folder / f"{run_id.replace(':', '')}.html"
    temporary = path.with_name(f".{FILE_NAME}.{os.getpid()}")
    try:
        temporary.write_text(page, encoding="utf-8", errors="backslashreplace")
        temporary.replace(kept)
        try:
            os.link(kept, temporary)
        except OSError:  # a file system without hard links
            shutil.copyfile(kept, temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    for old in sorted(folder.glob("????-??-??T*.html"))[:-MOST_KEPT]:
        old.unlink()
    return path
