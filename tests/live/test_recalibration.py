"""A running watch goes by a calibration that is kept while it runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.live import links as links_module
from pipeline.live.links import Links
from pipeline.site import Site
from storage import Gallery

from .test_alerts import MODEL


def test_it_is_learnt_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links_module, "SAID_SECONDS", 0.0)
    with Gallery.open(tmp_path / "g.db", model=MODEL, create=True) as gallery:
        links = Links(gallery, MODEL, Site(), print)
        links._round(1000.0)
        assert links._alarm.calibration.to_json() == MODEL.calibration.to_json()
        own = MODEL.calibration
        fitted = replace(own, intercept=own.intercept - np.float32(1))
        gallery.recalibration.keep(fitted, {})
        links._round(1001.0)
        for found in (links._alarm.calibration, links._linker._linker._evidence._calibration):
            assert found.to_json() == fitted.to_json()
