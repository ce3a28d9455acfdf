"""The command `nearfar`, with a detector that finds the drawn figures."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from pipeline.cli import main
from pipeline.detect import Detector
from tests.pipeline.conftest import RedFigures

Detector.load = lambda *_, **__: Detector(RedFigures())  # type: ignore[method-assign]

if __name__ == "__main__":
    main()
