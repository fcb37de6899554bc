"""``python -m pipeline VERB``: the same commands as ``tfx-norm VERB``."""

import sys

from pipeline.cli import main

if __name__ == "__main__":
    sys.exit(main())
