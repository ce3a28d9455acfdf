"""`nearfar calibrate`: from decisions in a gallery to probabilities that all use."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.calibrating import judged
from reid import Calibration, LevelSet, ModelInfo
from storage import Gallery, ObservationRow, TrackUpdate
from tracker import LinkSettings

from ..storage.places import KINDS, Place, new_place
from .conftest import Call, one_line

SIZES = (2, 2)
SHIPPED = Calibration(np.full((2, 2), 5.0, np.float32), np.full((2, 2), -6.0, np.float32))
MODEL = ModelInfo("toy", "0123456789abcdef", LevelSet((32, 64)), SIZES, (32, 16), SHIPPED)
OFFSET, FACTOR = -1.0, 0.6
PRIOR = LinkSettings().prior


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with new_place(request.param, tmp_path) as made:
        yield made


def fill(place: Place, persons: int) -> None:
    """Pairs of tracks that the machine linked; people judged each second track of them as the
    evidence says that is `OFFSET` plus `FACTOR` times what the model says."""
    rng = np.random.default_rng(4)
    with Gallery.open(place, model=MODEL, create=True) as gallery:
        sessions = [gallery.begin_session(c, c, c, 0.0, 10.0).id for c in ("near", "far")]
        said = []
        pairs: list[list[TrackUpdate]] = [[], []]
        for who in range(persons):
            distance = rng.uniform(0.05, 0.6)
            said.append(5 - 6 * distance)
            for side, angle in enumerate((0.0, np.arccos(1 - distance / 2))):
                part = np.array([np.cos(angle), np.sin(angle)], np.float32)
                vector = np.concatenate([part, part])
                row = ObservationRow(who, float(who), (0, 0, 20, 60), 0.9, 2, 0.9, vector)
                pairs[side].append(TrackUpdate(who + 1, [row]))
        for session, updates in zip(sessions, pairs, strict=True):
            gallery.append(session, persons, 0, updates, "done")
        number = {(t.camera, t.number): t.id for t in gallery.tracks(looks=0)}
        groups = {track: who for (_, who), track in number.items()}
        gallery.save_identities(groups, {t: said[who - 1] for t, who in groups.items()})
        for who in range(1, persons + 1):
            right = PRIOR + OFFSET + FACTOR * said[who - 1]
            same = rng.random() < 1 / (1 + np.exp(-right))
            (gallery.people.confirm if same else gallery.people.reject)(number["far", who])


def test_what_people_decided_is_used_from_then_on(
    nearfar: Call, place: Place, tmp_path: Path
) -> None:
    fill(place, 600)
    with Gallery.open(place) as gallery:
        query = gallery.tracks(["near"])[0].embeddings
        before = gallery.search(query)
        assert sum(one.weight for one in judged(gallery)) == 600
    looked = json.loads(nearfar("calibrate", "--gallery", place, "--dry-run", "--json").out)
    assert not looked["kept"]
    (level,) = looked["levels"]
    assert level["levels"] == [2, 2]
    assert level["same"] + level["different"] == pytest.approx(600)
    assert abs(level["offset"] + 3.5 * level["factor"] - (OFFSET + 3.5 * FACTOR)) < 0.4
    assert looked["after"]["error"] < looked["before"]["error"]
    assert looked["after"]["loss"] < looked["before"]["loss"]
    with Gallery.open(place) as gallery:
        assert gallery.calibration.to_json() == SHIPPED.to_json()
    site = tmp_path / "site.yaml"
    site.write_text("linking: {prior: -3}\n")
    rarer = json.loads(
        nearfar("calibrate", "--gallery", place, "--site", site, "--dry-run", "--json").out
    )
    assert rarer["levels"][0]["offset"] > level["offset"]
    said = nearfar("calibrate", "--gallery", place)
    assert said.status == 0, said
    assert "64 with   64 px" in said.out
    assert f"kept in {place}" in said.out
    with Gallery.open(place, model=MODEL) as gallery:
        assert gallery.calibration.to_json() == looked["calibration"]
        after = gallery.search(query)
        assert after[0].log_odds != before[0].log_odds
        (entry,) = gallery.audit.entries("calibrate")
        assert entry.details["after"] == looked["after"]
    again = nearfar("calibrate", "--gallery", place, "--json")
    assert json.loads(again.out)["calibration"] == looked["calibration"], "from the model's own"
    assert "own calibration" in nearfar("calibrate", "--gallery", place, "--reset").out
    assert json.loads(nearfar("calibrate", "--gallery", place, "--reset", "--json").out) == {
        "reset": False
    }
    with Gallery.open(place) as gallery:
        assert gallery.calibration.to_json() == SHIPPED.to_json()
        assert [h.log_odds for h in gallery.search(query)] == [h.log_odds for h in before]


def test_too_few_decisions_are_refused(nearfar: Call, place: Place) -> None:
    fill(place, 20)
    one_line(nearfar("calibrate", "--gallery", place), 1, "too few decisions", "30 are needed")
    with Gallery.open(place) as gallery:
        assert gallery.audit.entries("calibrate") == []


def test_what_foretells_no_better_is_not_kept(
    nearfar: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "OFFSET", 0.0)
    monkeypatch.setitem(globals(), "FACTOR", 1.0)
    fill(tmp_path / "g.db", 60)
    one_line(nearfar("calibrate", "--gallery", tmp_path / "g.db"), 1, "nothing is kept")
    with Gallery.open(tmp_path / "g.db") as gallery:
        assert gallery.calibration.to_json() == SHIPPED.to_json()


def test_an_empty_gallery(nearfar: Call, tmp_path: Path) -> None:
    Gallery.open(tmp_path / "g.db", create=True).close()
    one_line(nearfar("calibrate", "--gallery", tmp_path / "g.db"), 2, "nothing to calibrate")
