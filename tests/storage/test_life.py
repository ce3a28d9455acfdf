"""What is erased or purged is gone from everywhere; what is held stays."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reid import ModelInfo
from storage import (
    Gallery,
    GalleryHeld,
    GalleryReadOnly,
    ObservationRow,
    Removed,
    StorageError,
    TrackUpdate,
)

from . import places
from .conftest import a_jpeg, a_row, of_session
from .places import Place, ask
from .test_search import a_query

MARK = b"nobody-writes-this-by-chance"


def marked(frame: int, seed: int) -> ObservationRow:
    """An observation whose vector and picture can be told from any other."""
    rng = np.random.default_rng([frame, seed])
    row = a_row(rng, frame)
    return ObservationRow(
        **{**row.__dict__, "crop": a_jpeg(rng) + MARK + bytes(str((frame, seed)), "ascii")}
    )


def fill(gallery: Gallery, cameras: tuple[str, ...] = ("near", "far")) -> None:
    """Two tracks on each camera; the first of each is identity 1, the second identity 2."""
    for place, camera in enumerate(cameras):
        session = gallery.begin_session(camera, f"{camera}.mp4", camera, 1000.0, 10.0)
        for number in (1, 2):
            rows = [
                marked(frame, 10 * place + number) for frame in range(100 * place, 100 * place + 30)
            ]
            gallery.append(session.id, 100 * place + 30, 0, [TrackUpdate(number, rows)])
    tracks = gallery.tracks(looks=0)
    gallery.save_identities({t.id: t.number for t in tracks}, {})


@pytest.fixture
def filled(gallery: Gallery) -> Gallery:
    fill(gallery)
    return gallery


def secrets(gallery: Gallery, identity: int) -> list[bytes]:
    """Bytes that are there because of one person and of nobody else: vectors, pictures, hashes."""
    found = []
    for track in gallery.tracks():
        if track.identity == identity:
            for seen in gallery.observations(track.id):
                assert seen.crop is not None
                found += [gallery.crop(seen.crop)[-60:], seen.crop.encode()]
            vectors = track.embeddings.vectors.astype("<f2")
            lengths = (vectors != 0).sum(1)
            found += [v[:n].tobytes() for v, n in zip(vectors, lengths, strict=True)]
    return found


def contents(folder: Path) -> bytes:
    """All bytes of all files, and their names."""
    files = [p for p in folder.rglob("*") if p.is_file()]
    return b"\n".join(p.read_bytes() + str(p).encode() for p in files)


@pytest.mark.parametrize("crops", ["folder", "inside"])
def test_nothing_of_an_erased_person_is_left_in_the_files(
    path: Path, model: ModelInfo, crops: str
) -> None:
    with Gallery.open(path, model=model, create=True, crops=crops) as gallery:  # type: ignore[arg-type]
        fill(gallery)
        gallery.search(a_query(0, 1))
        gone, kept = secrets(gallery, 1), secrets(gallery, 2)
        before = contents(path.parent)
        assert all(secret in before for secret in [*gone, *kept])
        removed = gallery.life.erase(1)
        assert (removed.tracks, removed.observations, removed.crops) == (2, 60, 60)
        assert gallery.check() == []
        after = contents(path.parent)  # with the log, while the gallery is open
        assert [secret for secret in gone if secret in after] == []
        assert all(secret in after for secret in kept)
        assert {hit.identity for hit in gallery.search(a_query(0, 1))} == {2}
    after = contents(path.parent)
    assert not any(secret in after for secret in gone)


def test_nothing_of_an_erased_person_is_left_in_the_tables_of_a_server(
    tmp_path: Path, model: ModelInfo
) -> None:
    if os.environ.get("NEARFAR_POSTGRES"):
        pytest.skip("the files of that server are not ours to read")
    with places.new_place("postgres", tmp_path) as place:
        folder = Path(ask(place, "SHOW data_directory")[0][0])
        base = (
            folder
            / "base"
            / str(
                ask(place, "SELECT oid FROM pg_database WHERE datname = current_database()")[0][0]
            )
        )
        with Gallery.open(place, model=model, create=True) as gallery:
            fill(gallery)
            gone, kept = secrets(gallery, 1), secrets(gallery, 2)
            ask(place, "CHECKPOINT")
            before = contents(base)
            assert all(secret in before for secret in [*gone, *kept])
            gallery.life.erase(1)
            after = contents(base)
            assert [secret for secret in gone if secret in after] == []
            assert all(secret in after for secret in kept)


def test_the_vectors_in_memory_follow(filled: Gallery, place: Place, model: ModelInfo) -> None:
    query = a_query(0, 1)
    with Gallery.open(place, model=model, read_only=True) as other:
        assert {hit.identity for hit in other.search(query)} == {1, 2}
        filled.search(query)
        filled.life.erase(2, vacuum=False)
        for gallery in (filled, other):
            mirror = gallery._searcher.mirror
            assert mirror is not None
            assert {hit.identity for hit in gallery.search(query)} == {1}
            rows = sum(part.count for part in mirror.segments.filled())
            assert rows == 60


def test_a_number_is_not_used_again(filled: Gallery) -> None:
    tracks = {t.id for t in filled.tracks(looks=0)}
    filled.life.erase(2, vacuum=False)
    with pytest.raises(StorageError, match="no identity 2"):
        filled.life.erase(2)
    with pytest.raises(StorageError, match="no identity 99"):
        filled.life.erase(99)
    session = filled.begin_session("near", "new", "new", 0.0, 10.0)
    filled.append(session.id, 1, 0, [TrackUpdate(1, [marked(0, 99)])])
    (new,) = of_session(filled, session.id)
    assert new.id not in tracks
    assert filled.save_identities({new.id: "new"}, {}) == {"new": 3}
    assert filled.check() == []


def test_a_picture_that_another_person_has_too_stays(filed: Gallery) -> None:
    session = filed.begin_session("near", "near", "near", 1000.0, 10.0)
    same = marked(0, 0)
    filed.append(session.id, 1, 0, [TrackUpdate(1, [same]), TrackUpdate(2, [same])])
    filed.save_identities({1: 1, 2: 2}, {})
    assert filed.life.erase(1).crops == 0
    assert filed.check() == []
    assert filed.life.erase(2).crops == 1
    assert filed.info().crops == 0


def test_a_hold_stops_erasing_and_purging_until_it_is_lifted(filled: Gallery) -> None:
    life = filled.life
    for cover in ({"identity": 1}, {"camera": "near"}, {}):
        hold = life.hold("case 7", **cover)  # type: ignore[arg-type]
        with pytest.raises(GalleryHeld, match=f"legal hold {hold.id}"):
            life.erase(1)
        assert filled.info().tracks == 4
        life.lift(hold.id)
        with pytest.raises(StorageError, match="could be lifted"):
            life.lift(hold.id)
    hold = life.hold("case 8", camera="near")
    removed = life.purge(before=1e12)
    assert (removed.tracks, removed.held) == (2, 2)
    assert {t.camera for t in filled.tracks(looks=0)} == {"near"}
    life.lift(hold.id)
    assert life.purge(before=1e12).tracks == 2
    assert [h.reason for h in life.holds()] == ["case 7"] * 3 + ["case 8"]
    for wrong in ({"identity": 99}, {"camera": "roof"}, {"identity": 1, "camera": "near"}):
        with pytest.raises(StorageError):
            life.hold("why", **wrong)  # type: ignore[arg-type]
    with pytest.raises(StorageError, match="needs a reason"):
        life.hold(" ")


def test_what_is_too_old_goes_camera_by_camera(filled: Gallery) -> None:
    life = filled.life
    middle = 1005.0  # near is seen before, far after
    assert life.purge(camera="far", before=middle).tracks == 0
    counted = life.purge(before=middle, dry_run=True)
    assert (counted.tracks, counted.observations, counted.crops) == (2, 60, 60)
    assert filled.info().tracks == 4
    assert life.purge(camera="near", before=middle).observations == 60
    assert {t.camera for t in filled.tracks(looks=0)} == {"far"}
    assert [i.id for i in filled.identities()] == [1, 2]
    assert life.purge(before=1e12).tracks == 2
    assert filled.identities() == []
    assert filled.search(a_query(0, 1)) == []
    assert filled.check() == []
    assert filled.begin_session("near", "near", "near", 0.0, 10.0).position == 30
    with pytest.raises(StorageError, match="no camera 'roof'"):
        life.purge(camera="roof", before=0)
    with pytest.raises(StorageError, match="what may go"):
        life.purge()


def test_a_recording_without_a_date_is_as_old_as_its_session(filled: Gallery) -> None:
    session = filled.begin_session("old tape", "tape", "tape", 0.0, 10.0)
    filled.append(session.id, 1, 0, [TrackUpdate(1, [replace(marked(0, 0), time=0.5)])])
    life, now = filled.life, time.time()
    assert life.purge(before=now - 3600).tracks == 4
    assert {t.camera for t in filled.tracks(looks=0)} == {"old tape"}
    life.keep(seconds=3600)
    assert life.expire(now).tracks == 0
    assert life.expire(now + 7200).tracks == 1


def test_what_would_go_is_counted_with_its_pictures(filed: Gallery) -> None:
    session = filed.begin_session("near", "near", "near", 1000.0, 10.0)
    same = marked(0, 0)
    filed.append(session.id, 2, 0, [TrackUpdate(1, [same]), TrackUpdate(2, [marked(1, 1), same])])
    session = filed.begin_session("far", "far", "far", 9000.0, 10.0)
    filed.append(session.id, 1, 0, [TrackUpdate(1, [replace(same, time=9000.0)])])
    for before in (5000.0, 1e12):
        counted = filed.life.purge(before=before, dry_run=True)
        assert counted == filed.life.purge(before=before)
        assert counted.crops == 1


def test_what_is_too_much_goes_oldest_first(filled: Gallery) -> None:
    assert filled.life.purge(keep_bytes=10**9).tracks == 0
    assert filled.life.purge(keep_bytes=60 * 1100).tracks in (2, 3)
    assert {t.camera for t in filled.tracks(looks=0)} == {"far"}
    assert filled.life.purge(keep_bytes=0).tracks in (1, 2)
    assert filled.info().crops == 0


def test_a_purged_file_gets_smaller(path: Path, model: ModelInfo) -> None:
    with Gallery.open(path, model=model, create=True, crops="inside") as gallery:
        fill(gallery)
        gallery.life.vacuum()
        before = gallery.info().database_bytes
        gallery.life.purge(before=1e12)
        gallery.life.vacuum()
        assert gallery.info().database_bytes < 0.6 * before


def test_only_a_writer_removes(filled: Gallery, place: Place) -> None:
    with Gallery.open(place, read_only=True) as reader:
        for call in (
            lambda: reader.life.erase(1),
            lambda: reader.life.purge(before=1e12),
            lambda: reader.life.vacuum(),
            lambda: reader.life.hold("why"),
            lambda: reader.people.merge(1, [2]),
        ):
            with pytest.raises(GalleryReadOnly):
                call()
        assert reader.info().tracks == 4


@pytest.fixture
def log(filled: Gallery) -> Gallery:
    hold = filled.life.hold("case 7", identity=2)
    filled.life.erase(1, vacuum=False)
    filled.life.lift(hold.id)
    filled.audit.note("search", {"picture": "0" * 64, "results": [2]})
    filled.life.purge(before=0)
    return filled


def test_what_was_done_stands_in_the_log(log: Gallery, place: Place) -> None:
    entries = log.audit.entries()
    assert [e.action for e in entries] == ["hold", "erase", "lift", "search", "purge"]
    assert entries[1].details == {"identity": 1, "tracks": 2, "observations": 60, "crops": 60}
    assert [e.action for e in log.audit.entries("erase")] == ["erase"]
    with Gallery.open(place, actor="anna") as other:
        other.audit.note_searches(True)
        assert other.audit.notes_searches
    assert log.audit.entries()[-1].actor == "anna"
    proof = log.audit.verify()
    assert (proof.rows, proof.last, proof.broken) == (6, log.audit.entries()[-1].hash, None)
    assert log.audit.verify(entries[2].hash).broken is None
    assert log.audit.verify("f" * 64).broken == f"no row has the hash {'f' * 64}"


def change_within(gallery: Gallery, change: str) -> None:
    with gallery._database.write() as connection:
        connection.exec_driver_sql(change)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit SET details = '{}' WHERE id = 2",
        "UPDATE audit SET time = 5 WHERE id = 4",
        "UPDATE audit SET actor = 'somebody' WHERE id = 1",
        "DELETE FROM audit WHERE id = 3",
        "DELETE FROM audit WHERE id = 1",
        "UPDATE audit SET id = 100 WHERE id = 2",
    ],
)
def test_the_log_can_not_be_changed_unseen(log: Gallery, place: Place, change: str) -> None:
    with pytest.raises(StorageError, match="only added to"):
        change_within(log, change)
    assert log.audit.verify().broken is None
    if isinstance(place, Path):
        ask(place, "DROP TRIGGER audit_no_update", "DROP TRIGGER audit_no_delete", change)
    else:
        ask(place, change)  # its triggers are off
    assert "changed or removed" in str(log.audit.verify().broken)


def test_rules_of_retention_are_kept_and_the_strictest_counts(filled: Gallery) -> None:
    life = filled.life
    assert life.rules() == ()
    assert life.expire(1e12) == Removed(0, 0, 0, 0)
    life.keep(seconds=1000.0)
    life.keep(camera="far", seconds=5.0)
    life.keep(camera="near", keep_bytes=10**9)
    assert [(r.camera, r.seconds, r.bytes) for r in life.rules()] == [
        (None, 1000.0, None),
        ("far", 5.0, None),
        ("near", None, 10**9),
    ]
    end = max(seen.time for t in filled.tracks(["far"]) for seen in filled.observations(t.id))
    counted = life.expire(end + 6, dry_run=True)
    assert counted.tracks == 2
    assert {t.camera for t in filled.tracks(looks=0)} == {"near", "far"}
    removed = life.expire(end + 6)
    assert (removed.tracks, removed.crops) == (2, 60)
    assert {t.camera for t in filled.tracks(looks=0)} == {"near"}
    life.keep(camera="far", seconds=7.0)
    life.keep(camera="near")
    assert [(r.camera, r.seconds) for r in life.rules()] == [(None, 1000.0), ("far", 7.0)]
    assert life.expire(end + 1001).tracks == 2
    assert [entry.action for entry in filled.audit.entries()].count("keep") == 5


def test_rules_that_make_no_sense(filled: Gallery) -> None:
    with pytest.raises(StorageError, match="no camera 'door'"):
        filled.life.keep(camera="door", seconds=1.0)
    with pytest.raises(StorageError, match="below zero"):
        filled.life.keep(seconds=-1.0)


def test_a_hold_spares_from_rules(filled: Gallery) -> None:
    filled.life.hold("case", identity=1)
    filled.life.keep(seconds=1.0)
    removed = filled.life.expire(1e12)
    assert (removed.tracks, removed.held) == (2, 2)
    assert {t.identity for t in filled.tracks(looks=0)} == {1}
