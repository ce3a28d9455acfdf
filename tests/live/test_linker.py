"""Linking as it goes: identities come with evidence, merge, keep to people, survive a restart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.live import linker as module
from pipeline.live.linker import LiveLinker, LiveTrack
from reid import Calibration, LevelSet, ModelInfo
from storage import Gallery, ObservationRow, StorageError, TrackUpdate
from tracker import Constraints, LinkSettings, Observation

from ..storage.places import KINDS, new_place

SIZES = (16, 16, 16)
TABLE = np.ones((3, 3), np.float32)
MODEL = ModelInfo(
    "toy", "0123456789abcdef", LevelSet((32, 64, 128)), SIZES, (32, 16),
    Calibration(5 * TABLE, -8 * TABLE),
)  # fmt: skip
RNG = np.random.default_rng(5)
PEOPLE = RNG.normal(size=(12, 48))
BOX = (1.0, 1.0, 20.0, 40.0)


class Site:
    """A gallery with a live linker; people are seen as a test says."""

    def __init__(self, gallery: Gallery) -> None:
        self.gallery, self.constraints = gallery, Constraints()
        self.restart(0.0)

    def restart(self, now: float) -> None:
        self.linker = LiveLinker(
            self.gallery, MODEL.calibration, SIZES, self.constraints, LinkSettings(), now
        )

    def see(self, person: int, camera: str, number: int, times: list[float], level: int = 3) -> int:
        """Stores looks of a person and hands them over; the track's id."""
        session = self.gallery.begin_session(camera, "x", camera, 1, 10)
        rows, seen = [], []
        for i, time in enumerate(times):
            vector = np.zeros(48, np.float32)
            vector[: 16 * level] = (PEOPLE[person] + RNG.normal(size=48) * 0.1)[: 16 * level]
            frame = session.position + i
            rows.append(ObservationRow(frame, time, BOX, 0.9, level, 0.9, vector))
            seen.append(Observation(frame, time, BOX, 0.9, 40.0, level, 0.9, vector))
        position = session.position + len(times)
        ids = self.gallery.append(session.id, position, 0, [TrackUpdate(number, rows)])
        self.linker.see(ids[number], camera, seen)
        return ids[number]

    def who(self) -> dict[int, int | None]:
        """The identity of each track, as the gallery has it."""
        return {t.id: t.identity for t in self.gallery.tracks(looks=0)}


@pytest.fixture(params=KINDS)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    with (
        new_place(request.param, tmp_path) as place,
        Gallery.open(place, model=MODEL, create=True) as gallery,
    ):
        yield Site(gallery)


def test_what_nobody_handed_over_is_taken_from_the_gallery(site: Site) -> None:
    a = site.see(0, "near", 1, [10.0, 10.4])
    site.linker.link(10.5)
    see, site.linker.see = site.linker.see, lambda *_: None  # type: ignore[method-assign]
    site.see(0, "near", 1, [10.8])
    b, c = site.see(0, "far", 1, [20.0, 20.4]), site.see(1, "hall", 1, [20.0, 20.4])
    site.linker.see = see  # type: ignore[method-assign]
    assert site.linker.recall("far", 15.0) == {b}
    assert site.linker.recall("near", 5.0) == {a}
    assert site.linker.recall("hall", 30.0) == set()
    assert site.linker.tracks[a].times == [10.0, 10.4, 10.8]
    assert site.linker.recall("far", 15.0) == set(), "what is known is not taken twice"
    site.linker.link(20.5)
    assert site.who() == {a: site.who()[a], b: site.who()[a], c: None}
    assert site.who()[a] is not None


def test_identities_come_with_the_second_look(site: Site) -> None:
    a = site.see(0, "near", 1, [10.0])
    assert not site.linker.link(10.1)
    assert site.who() == {a: None}
    site.see(0, "near", 1, [10.4])
    assert site.linker.link(10.5)
    assert site.who()[a] is not None
    assert not site.linker.link(10.9)
    b, c = site.see(0, "far", 1, [20.0, 20.4], level=1), site.see(1, "far", 2, [20.0, 20.4])
    site.linker.link(20.5)
    who = site.who()
    assert who[a] == who[b] != who[c] is not None


def test_one_look_is_enough_once_the_person_is_gone(site: Site) -> None:
    a = site.see(0, "near", 1, [10.0])
    assert not site.linker.link(12.0)
    assert site.linker.link(14.0)
    assert site.who()[a] is not None


def test_later_evidence_merges_and_the_history_is_kept(site: Site) -> None:
    site.linker.change(Constraints(), LinkSettings(prior=-30))
    a, b = site.see(0, "near", 1, [1.0, 1.4]), site.see(0, "far", 1, [9.0, 9.4])
    site.linker.link(9.5)
    assert len(set(site.who().values())) == 2
    site.restart(9.6)
    site.see(0, "far", 1, [9.8, 10.2])
    site.linker.link(10.3)
    assert site.who()[a] == site.who()[b]
    assert [c.kind for c in site.gallery.people.history()] == ["merge"]


def test_later_evidence_splits_and_the_history_is_kept(site: Site) -> None:
    """A track that looked like one person at first, and turns out to show another."""
    a = site.see(0, "near", 1, [1.0, 1.4])
    b = site.see(0, "far", 1, [9.0, 9.4], level=1)
    site.linker.link(9.5)
    who = site.who()
    assert who[a] == who[b]
    site.see(1, "far", 1, [9.8 + 0.4 * n for n in range(14)])
    site.linker.link(16.0)
    later = site.who()
    assert later[a] == who[a] != later[b]
    assert [c.kind for c in site.gallery.people.history()] == ["split"]


def test_a_restart_goes_on_with_the_identities(site: Site) -> None:
    a, b = site.see(0, "near", 1, [1.0, 1.4]), site.see(1, "near", 2, [1.0, 1.4])
    site.linker.link(1.5)
    before = site.who()
    site.restart(100.0)
    c = site.see(0, "far", 1, [100.0, 100.4])
    site.linker.link(100.5)
    after = site.who()
    assert {k: after[k] for k in before} == before
    assert after[c] == before[a] != before[b]


def test_what_people_say_while_it_runs(site: Site) -> None:
    a, b = site.see(0, "near", 1, [1.0, 1.4]), site.see(0, "far", 1, [9.0, 9.4])
    site.linker.link(9.5)
    one = site.who()[a]
    assert one is not None
    assert site.who()[b] == one
    other = site.gallery.people.split(one, [b]).identity
    site.see(0, "far", 1, [10.0, 10.4])
    site.linker.link(50.0)
    assert site.who() == {a: one, b: other}


def test_constraints_may_change(site: Site) -> None:
    travel = {frozenset(("near", "far")): 60.0}
    site.linker.change(Constraints(travel=travel), LinkSettings())
    a, b = site.see(0, "near", 1, [1.0, 1.4]), site.see(0, "far", 1, [9.0, 9.4])
    site.linker.link(9.5)
    assert site.who()[a] != site.who()[b]


def test_a_failure_to_store_is_made_good(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    a = site.see(0, "near", 1, [1.0, 1.4])
    with monkeypatch.context() as patch:
        patch.setattr(Gallery, "save_identities", lambda *_: (_ for _ in ()).throw(StorageError()))
        with pytest.raises(StorageError):
            site.linker.link(1.5)
    assert site.linker.link(2.0)
    assert site.who()[a] is not None


def test_what_is_erased_is_forgotten(site: Site) -> None:
    a, b = site.see(0, "near", 1, [1.0, 1.4]), site.see(1, "near", 2, [1.0, 1.4])
    site.linker.link(1.5)
    erased = site.who()[a]
    assert erased is not None
    site.gallery.life.erase(erased, vacuum=False)
    site.linker.link(40.0)
    assert set(site.linker.tracks) == {b}
    c = site.see(0, "far", 1, [41.0, 41.4])
    site.linker.link(42.0)
    assert site.who()[c] not in (None, erased)
    site.gallery.life.purge(before=1e9)
    d = site.see(1, "far", 2, [43.0, 43.4])
    site.linker.see(b, "near", [])
    site.linker._grown |= {b, c}
    assert site.linker.link(44.0)
    assert set(site.who()) == set(site.linker.tracks) == {d}
    assert site.who()[d] is not None


def test_memory_is_bounded(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_TRACKS", 5)
    for number in range(12):
        site.see(number, "near", number + 1, [10.0 * number, 10.0 * number + 0.4])
        site.linker.link(10.0 * number + 0.5)
    assert len(site.linker.tracks) == 5
    assert len(set(site.who().values())) == 12
    site.linker.link(module.MEMORY_SECONDS + 1000)
    assert site.linker.tracks == {}


def test_a_long_track_keeps_looks_of_all_its_time() -> None:
    track = LiveTrack(1, "near", 0.0, 0.0)
    for i in range(500):
        vector = np.full(48, float(i), np.float32)
        track.see([Observation(i, float(i), BOX, 0.9, 40.0, 3, 0.5, vector)])
        looks = track.looks(SIZES, 8)
        assert len(looks) <= 8
        assert len(track.times) <= 16
    assert track.times[0] < 100
    assert track.times == sorted(track.times)
    assert track.last == 499
