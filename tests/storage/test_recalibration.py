"""A calibration that was fitted here is used by all, and can be taken back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reid import Calibration, ModelInfo
from storage import Gallery, GalleryDamaged, GalleryReadOnly, StorageError, TrackUpdate

from .conftest import a_row
from .places import Place, ask
from .test_identities import tracks_of


def other(calibration: Calibration) -> Calibration:
    return replace(calibration, intercept=calibration.intercept + np.float32(0.75))


def test_searches_go_by_what_was_kept(
    gallery: Gallery, place: Place, model: ModelInfo, rng: np.random.Generator
) -> None:
    session = gallery.begin_session("gate", "gate.mp4", "content", 1000.0, 10.0)
    tracks = [TrackUpdate(n, [a_row(rng, n)]) for n in range(4)]
    gallery.append(session.id, 4, 0, tracks)
    query = gallery.tracks()[0].embeddings
    before = gallery.search(query)
    with Gallery.open(place, model=model) as beside:
        beside.recalibration.keep(other(model.calibration), {"decisions": 40})
    assert np.allclose(gallery.calibration.intercept, model.calibration.intercept + 0.75)
    bound = model.calibration.bound
    for one, was in zip(gallery.search(query), before, strict=True):
        assert one.log_odds > was.log_odds or was.log_odds >= bound - 0.01
    with Gallery.open(place) as again:
        assert again.model is not None
        assert np.allclose(again.model.calibration.intercept, model.calibration.intercept)
        assert np.allclose(again.calibration.intercept, model.calibration.intercept + 0.75)
        assert again.recalibration.reset()
        assert not again.recalibration.reset()
    assert [h.log_odds for h in gallery.search(query)] == [h.log_odds for h in before]
    noted = [dict(e.details) for e in gallery.audit.entries("calibrate")]
    assert noted == [{"decisions": 40}, {"reset": True}]
    assert gallery.check() == []


def test_it_is_of_one_model(gallery: Gallery, place: Place, model: ModelInfo) -> None:
    gallery.recalibration.keep(other(model.calibration), {})
    small = Calibration(np.ones((2, 2), np.float32), -np.ones((2, 2), np.float32))
    with pytest.raises(StorageError, match="no model"):
        gallery.recalibration.keep(small, {})
    ask(place, "UPDATE setting SET value = replace(value, '0123456789abcdef', 'feedfeedfeedfeed')")
    assert gallery.calibration.to_json() == model.calibration.to_json()
    ask(place, "UPDATE setting SET value = '{' WHERE name = 'calibration'")
    with pytest.raises(GalleryDamaged, match="calibrate --reset"):
        _ = gallery.calibration


def test_what_it_takes(path: Path, model: ModelInfo) -> None:
    with Gallery.open(path, create=True) as empty, pytest.raises(StorageError, match="no model"):
        _ = empty.calibration
    with (
        Gallery.open(path, model=model, read_only=True) as opened,
        pytest.raises(GalleryReadOnly),
    ):
        opened.recalibration.keep(model.calibration, {})


def test_links_of_the_machine_are_what_counts(gallery: Gallery) -> None:
    a, b, c, d, e, f = tracks_of(gallery, 6)
    groups = {a: 0, b: 0, c: 0, d: 1, e: 1, f: 2}
    gallery.save_identities(groups, dict.fromkeys(groups, 3.0) | {f: 0.0})

    def said() -> set[tuple[int, int, bool, tuple[int, ...]]]:
        found = gallery.recalibration.decisions()
        return {(one.track, one.identity, one.same, one.others) for one in found}

    assert said() == set()
    gallery.people.confirm(a)
    gallery.people.reject(c)
    assert said() == {(a, 1, True, (b,)), (c, 1, False, (a, b))}
    gallery.people.withdraw(a)
    gallery.people.confirm(f)  # alone: nothing is said of any pair
    assert said() == {(c, 1, False, (a, b))}
    gallery.people.assign(f, 2)  # a person's own idea
    gallery.people.confirm(d)
    assert said() == {(c, 1, False, (a, b)), (d, 2, True, (e,))}
    gallery.people.split(2, [e])
    assert (e, 2, False, (d,)) in said()
    assert all(one[1] in (1, 2) for one in said())
