"""Sessions, tracks, observations and crops go in and come out."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reid import ModelInfo
from storage import Gallery, GalleryDamaged, ObservationRow, StorageError, TrackUpdate
from storage.database import REVISIONS

from .conftest import SIZES, a_jpeg, a_model, a_row, of_session
from .places import Place


def fill(gallery: Gallery, rng: np.random.Generator, camera: str = "near") -> int:
    """Ten frames of two tracks; only every other box is embedded; returns the session's id."""
    session = gallery.begin_session(camera, f"{camera}.mp4", f"hash of {camera}", 1000.0, 10.0)
    for start in (0, 5):
        rows = [a_row(rng, frame, crop=frame % 5 == 0) for frame in range(start, start + 5)]
        thin = [replace(r, vector=None) if r.frame % 2 else r for r in rows]
        gallery.append(session.id, start + 5, 0, [TrackUpdate(1, thin), TrackUpdate(4, rows)])
    return session.id


def test_what_goes_in_comes_out(gallery: Gallery, model: ModelInfo) -> None:
    rng = np.random.default_rng(0)
    session = gallery.begin_session("near", "near.mp4", "abc", 1000.0, 10.0)
    rows = [a_row(rng, frame, crop=True) for frame in range(20)]
    gallery.append(session.id, 20, 3, [TrackUpdate(7, rows)], "done")

    (track,) = gallery.tracks()
    assert (track.session, track.camera, track.number) == (session.id, "near", 7)
    assert (track.first, track.last, track.count) == (rows[0].time, rows[-1].time, 20)
    assert (track.identity, track.evidence) == (None, None)
    assert track.lowest == min(r.level for r in rows)
    assert track.highest == max(r.level for r in rows)
    assert track.times.tolist() == [r.time for r in rows]
    assert track.embeddings.levels.tolist() == [r.level for r in rows]
    expected = np.stack([r.vector for r in rows if r.vector is not None])
    assert np.array_equal(track.embeddings.vectors, expected.astype(np.float16).astype(np.float32))
    assert np.allclose(track.embeddings.quality, [r.quality for r in rows])

    for stored, row in zip(gallery.observations(track.id), rows, strict=True):
        assert (stored.frame, stored.time, stored.box) == (row.frame, row.time, row.box)
        assert (stored.score, stored.level, stored.quality) == (row.score, row.level, row.quality)
        assert stored.crop is not None
        assert gallery.crop(stored.crop) == row.crop
    after = gallery.begin_session("near", "near.mp4", "abc", 1000.0, 10.0)
    assert (after.position, after.frames_lost, after.state) == (20, 3, "done")
    assert gallery.check() == []


def test_numpy_numbers_are_stored_as_numbers(gallery: Gallery) -> None:
    session = gallery.begin_session("near", "near.mp4", "abc", np.float64(5), np.float32(25))  # type: ignore[arg-type]
    row = ObservationRow(
        np.int64(0),  # type: ignore[arg-type]
        np.float32(1.5),  # type: ignore[arg-type]
        np.float32([1, 2, 3, 4]),  # type: ignore[arg-type]
        np.float32(0.5),  # type: ignore[arg-type]
        np.int8(2),  # type: ignore[arg-type]
        np.float32(0.25),  # type: ignore[arg-type]
    )
    gallery.append(session.id, np.int64(1), 0, [TrackUpdate(np.int32(3), [row])])  # type: ignore[arg-type]
    (track,) = gallery.tracks()
    (seen,) = gallery.observations(track.id)
    assert (seen.frame, seen.time, seen.box) == (0, 1.5, (1, 2, 3, 4))
    assert (track.number, seen.score, seen.level, seen.quality) == (3, 0.5, 2, 0.25)
    assert len(track.embeddings) == 0


def test_a_session_is_continued_and_not_repeated(
    gallery: Gallery, rng: np.random.Generator
) -> None:
    first = fill(gallery, rng)
    again = gallery.begin_session("near", "moved/near.mp4", "hash of near", 1000.0, 10.0)
    assert (again.id, again.position, again.next_number) == (first, 10, 5)
    other = gallery.begin_session("near", "near.mp4", "other content", 2000.0, 10.0)
    elsewhere = gallery.begin_session("far", "near.mp4", "hash of near", 1000.0, 10.0)
    assert len({first, other.id, elsewhere.id}) == 3
    assert (other.position, other.next_number, other.state) == (0, 1, "running")
    assert [s.id for s in gallery.sessions(["near"])] == [first, other.id]


def test_tracks_of_cameras(gallery: Gallery, rng: np.random.Generator) -> None:
    near = fill(gallery, rng, "near")
    fill(gallery, rng, "far")
    assert [t.camera for t in gallery.tracks()] == ["near", "near", "far", "far"]
    assert [t.camera for t in gallery.tracks(["far"])] == ["far", "far"]
    assert gallery.tracks([]) == []
    own = of_session(gallery, near)
    assert [(t.number, t.count, len(t.embeddings)) for t in own] == [(1, 10, 5), (4, 10, 10)]
    assert own[0].embeddings.sizes == SIZES


def test_boxes_come_by_frame_with_the_identity_of_now(
    gallery: Gallery, rng: np.random.Generator
) -> None:
    session = fill(gallery, rng)
    one, two = (t.id for t in of_session(gallery, session))
    who = gallery.save_identities({one: "a", two: None}, {})["a"]
    rows = gallery.boxes(session)
    assert [r.frame for r in rows] == sorted(2 * list(range(10)))
    assert {(r.track, r.identity) for r in rows} == {(one, who), (two, None)}


def test_one_append_is_all_or_nothing(gallery: Gallery, rng: np.random.Generator) -> None:
    session = fill(gallery, rng)
    before = gallery.info()
    twice = [TrackUpdate(9, [a_row(rng, 10)]), TrackUpdate(1, [a_row(rng, 3)])]
    with pytest.raises(StorageError, match=r"(?i)unique"):
        gallery.append(session, 11, 0, twice)
    after = gallery.info()
    assert (after.tracks, after.observations) == (before.tracks, before.observations)
    assert gallery.sessions()[0].position == 10
    assert gallery.check() == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frame": 11}, "frame 11"),
        ({"level": 4}, "level 4"),
        ({"level": 0}, "level 0"),
        ({"vector": np.zeros(5, np.float32)}, "18 numbers"),
        ({"vector": np.full(18, np.nan, np.float32)}, "not finite"),
        ({"time": float("nan")}, "not a number"),
        ({"box": (0.0, 0.0, float("inf"), 9.0)}, "not a number"),
    ],
)
def test_bad_rows_are_refused(
    gallery: Gallery, rng: np.random.Generator, change: dict[str, object], message: str
) -> None:
    session = fill(gallery, rng)
    row = replace(a_row(rng, 10), **change)  # type: ignore[arg-type]
    with pytest.raises(StorageError, match=message):
        gallery.append(session, 11, 0, [TrackUpdate(1, [row])])
    assert gallery.check() == []


def test_bad_positions_are_refused(gallery: Gallery, rng: np.random.Generator) -> None:
    session = fill(gallery, rng)
    with pytest.raises(StorageError, match="can't go back"):
        gallery.append(session, 9, 0, [])
    with pytest.raises(StorageError, match="no session 99"):
        gallery.append(99, 9, 0, [])
    with pytest.raises(StorageError, match="'paused'"):
        gallery.append(session, 10, 0, [], "paused")


def test_vectors_need_a_model(place: Place, rng: np.random.Generator) -> None:
    with Gallery.open(place, create=True) as gallery:
        session = gallery.begin_session("near", "near.mp4", "abc", 0.0, 10.0)
        with pytest.raises(StorageError, match="no model yet"):
            gallery.append(session.id, 1, 0, [TrackUpdate(1, [a_row(rng, 0)])])
        gallery.append(session.id, 1, 0, [TrackUpdate(1, [replace(a_row(rng, 0), vector=None)])])
        assert gallery.model is None
        assert len(gallery.tracks()[0].embeddings) == 0
    with Gallery.open(place, model=a_model()) as gallery:
        gallery.append(session.id, 2, 0, [TrackUpdate(1, [a_row(rng, 1)])])
    with Gallery.open(place, read_only=True) as gallery:
        assert gallery.model is not None
        assert gallery.model.to_json() == a_model().to_json()


def test_a_new_calibration_of_the_same_model_is_taken_on(place: Place, model: ModelInfo) -> None:
    Gallery.open(place, model=model, create=True).close()
    sharper = replace(model, calibration=replace(model.calibration, bound=9.0))
    Gallery.open(place, model=sharper).close()
    with Gallery.open(place) as gallery:
        assert gallery.model is not None
        assert gallery.model.calibration.bound == 9.0


def test_a_crop_is_kept_once(filed: Gallery, path: Path, rng: np.random.Generator) -> None:
    session = filed.begin_session("near", "near.mp4", "abc", 0.0, 10.0)
    jpeg = a_jpeg(rng)
    rows = [replace(a_row(rng, frame), crop=jpeg) for frame in range(3)]
    filed.append(session.id, 3, 0, [TrackUpdate(1, rows)])
    sha = hashlib.sha256(jpeg).hexdigest()
    assert filed.crop_path(sha) == path.parent / "nearfar.crops" / sha[:2] / f"{sha}.jpg"
    assert [p.name for p in (path.parent / "nearfar.crops").rglob("*.*")] == [f"{sha}.jpg"]
    info = filed.info()
    assert (info.crops, info.crop_bytes) == (1, len(jpeg))


def test_check_names_broken_crops(filed: Gallery, rng: np.random.Generator) -> None:
    session = fill(filed, rng)
    crops = [o.crop for t in of_session(filed, session) for o in filed.observations(t.id)]
    one, two, *_ = sorted({c for c in crops if c})
    filed.crop_path(one).unlink()
    filed.crop_path(two).write_bytes(b"something else")
    assert len(filed.check()) == 2
    for sha in (one, two):
        with pytest.raises(GalleryDamaged, match=sha):
            filed.crop(sha)


def test_info(gallery: Gallery, rng: np.random.Generator, model: ModelInfo) -> None:
    empty = gallery.info()
    assert (empty.tracks, empty.crop_bytes, empty.first, empty.last) == (0, 0, None, None)
    fill(gallery, rng, "near")
    fill(gallery, rng, "far")
    gallery.save_identities({1: 1, 2: 2, 3: 1}, {})
    info = gallery.info()
    assert (info.cameras, info.sessions, info.tracks, info.observations) == (2, 2, 4, 40)
    assert (info.embeddings, info.identities, info.schema) == (30, 2, REVISIONS[-1])
    assert (info.first, info.last) == (1000.0, 1000.9)
    assert info.database_bytes > 4096
    assert info.model is not None
    assert info.model.fingerprint == model.fingerprint


def test_identities_show_their_best_picture_on_each_camera(
    gallery: Gallery, rng: np.random.Generator
) -> None:
    fill(gallery, rng, "near")
    fill(gallery, rng, "far")
    near, _, far, alone = (t.id for t in gallery.tracks())
    who = gallery.save_identities({near: "a", far: "a", alone: "b"}, {near: 4.5})
    first, second = gallery.identities()
    assert (first.id, first.tracks, second.tracks) == (who["a"], (near, far), (alone,))
    assert {a.camera for a in first.appearances} == {"near", "far"}
    assert (first.first, first.last) == (1000.0, 1000.9)
    for appearance, track in zip(first.appearances, (far, near), strict=True):
        seen = [o for o in gallery.observations(track) if o.crop]
        assert appearance.best == max(seen, key=lambda o: o.quality * o.box[3])
    evidence = {t.id: t.evidence for t in gallery.tracks()}
    assert (evidence[near], evidence[far]) == (4.5, 0.0)
