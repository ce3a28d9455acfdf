"""Galleries that are copied, exported, imported and moved to another model are the same after."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

import storage
from reid import LevelSet, ModelInfo
from storage import (
    Gallery,
    GalleryDamaged,
    GalleryModelMismatch,
    GalleryTooNew,
    NotAGallery,
    StorageError,
    TrackUpdate,
    reindexing,
)

from .conftest import SIZES, a_model, a_row, of_session
from .places import KINDS, Place, new_place
from .test_search import a_query, fill


@pytest.fixture
def source(gallery: Gallery) -> Gallery:
    """A gallery with all kinds of rows, and gaps where tracks and a person were removed."""
    fill(gallery, 1, tracks=12)
    gallery.life.purge(camera="middle", before=1e12)
    people = [i.id for i in gallery.identities()]
    gallery.people.merge(people[0], people[1:2])
    gallery.life.erase(people[-1], vacuum=False)
    last = max(t.id for t in gallery.tracks(looks=0))
    session = gallery.begin_session("near", 'ünï, "quoted"\nname', "", 0.1, 1 / 3)
    gallery.append(session.id, 1, 0, [TrackUpdate(1, [a_row(np.random.default_rng(0), 0)])])
    gallery.save_identities({last + 1: "last"}, {})
    gallery.life.erase(gallery.tracks(looks=0)[-1].identity or 0, vacuum=False)
    gallery.life.hold("case 7", camera="near")
    return gallery


@pytest.fixture(params=KINDS)
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    folder = tmp_path / "target"
    folder.mkdir()
    with new_place(request.param, folder) as place:
        yield place


def same(one: Gallery, other: Gallery) -> None:
    """The two answer alike, and no number is used again."""
    assert other.check() == []
    assert one.sessions() == other.sessions()
    assert one.identities() == other.identities()
    query = a_query(1, 2)
    assert one.search(query, top=100) == other.search(query, top=100)
    for track in one.tracks(looks=0):
        seen = one.observations(track.id)
        assert seen == other.observations(track.id)
        for crop in {o.crop for o in seen if o.crop}:
            assert one.crop(crop) == other.crop(crop)
    assert one.life.holds() == other.life.holds()
    assert one.people.history() == other.people.history()
    assert one.audit.entries() == other.audit.entries()[: len(one.audit.entries())]
    assert other.audit.verify().broken is None
    new = []
    for gallery in (one, other):
        session = gallery.begin_session("new", "new", "new", 0.0, 1.0)
        row = [TrackUpdate(1, [a_row(np.random.default_rng(1), 0)])]
        gallery.append(session.id, 1, 0, row)
        (track,) = of_session(gallery, session.id)
        seen = gallery.observations(track.id)
        who = gallery.save_identities({track.id: "new"}, {})
        new.append((track.id, [o.id for o in seen], who))
    assert new[0] == new[1]


def test_copy(source: Gallery, target: Place) -> None:
    with Gallery.open(target, create=True) as empty:
        found = storage.copy(source, empty)
    assert found["observation"].rows == source.info().observations
    with Gallery.open(target) as copied:
        same(source, copied)
        assert source.id == source.id != copied.id
        with pytest.raises(StorageError, match="not empty"):
            storage.copy(source, copied)


def test_a_copy_that_fails_leaves_the_target_empty(
    source: Gallery, target: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = "0" * 64
    digest = storage.rows.Digest(0, broken)
    with Gallery.open(target, create=True) as empty:
        monkeypatch.setattr(storage.rows, "digest", lambda *_: digest)
        with pytest.raises(StorageError, match="is not what was read"):
            storage.copy(source, empty)
        monkeypatch.undo()
        assert empty.info().tracks == empty.info().crops == 0
        storage.copy(source, empty)
        assert empty.check() == []


def test_export_and_import(source: Gallery, target: Place, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    found = storage.export(source, folder)
    with pytest.raises(StorageError, match="not empty"):
        storage.export(source, folder)
    with Gallery.open(target, create=True) as empty:
        assert storage.import_(folder, empty) == found
    with Gallery.open(target) as imported:
        same(source, imported)
        assert imported.audit.entries("import")
        with pytest.raises(StorageError, match="not empty"):
            storage.import_(folder, imported)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def a_picture(folder: Path) -> Path:
    return sorted((folder / "crops").rglob("*.jpg"))[0]


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        (lambda f: (f / "manifest.json").unlink(), NotAGallery),
        (lambda f: (f / "manifest.json").write_text("{}"), NotAGallery),
        (lambda f: cut(f / "manifest.json"), NotAGallery),
        (lambda f: cut(f / "embedding.csv"), GalleryDamaged),
        (lambda f: (f / "track.csv").unlink(), GalleryDamaged),
        (lambda f: (f / "track.csv").write_text("x,y\n"), GalleryDamaged),
        (lambda f: (f / "tombstone.csv").write_bytes(b"\xff\xfe"), GalleryDamaged),
        (lambda f: a_picture(f).unlink(), GalleryDamaged),
        (lambda f: a_picture(f).write_bytes(b"another"), GalleryDamaged),
    ],
)
def test_a_broken_export_is_refused(
    filed: Gallery, tmp_path: Path, damage: Callable[[Path], object], error: type[StorageError]
) -> None:
    fill(filed, 2, tracks=6)
    folder = tmp_path / "export"
    storage.export(filed, folder)
    damage(folder)
    with Gallery.open(tmp_path / "target.db", create=True) as empty:
        with pytest.raises(error):
            storage.import_(folder, empty)
        assert empty.info().tracks == 0
        assert empty.audit.entries() == []


def test_an_export_of_a_later_program_is_refused(filed: Gallery, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    storage.export(filed, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"schema": "0815"}))
    with (
        Gallery.open(tmp_path / "target.db", create=True) as empty,
        pytest.raises(GalleryTooNew, match="schema 0815"),
    ):
        storage.import_(folder, empty)


NEW = replace(a_model("fedcba9876543210"), name="new")


def embed(pictures: Sequence[bytes], levels: Sequence[int]) -> np.ndarray:
    """Vectors that depend on the picture and its level alone."""
    out = np.zeros((len(pictures), sum(SIZES)), np.float32)
    for row, jpeg, level in zip(out, pictures, levels, strict=True):
        image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        length = sum(SIZES[:level])
        row[:length] = np.resize(image, length)
    return out


def test_reindex(gallery: Gallery, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(gallery, 3)
    monkeypatch.setattr(reindexing, "BATCH", 16)
    session = gallery.begin_session("near", "bare", "bare", 0.0, 10.0)
    gallery.append(session.id, 1, 0, [TrackUpdate(1, [a_row(np.random.default_rng(0), 0)])])
    total = gallery.info().embeddings
    query = a_query(1, 1)
    before = gallery.search(query)
    calls = 0

    def failing(pictures: Sequence[bytes], levels: Sequence[int]) -> np.ndarray:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return embed(pictures, levels)

    with Gallery.open(place) as other:
        with pytest.raises(KeyboardInterrupt):
            storage.reindex(other, NEW, failing)
        assert other.search(query) == before, "the old vectors serve"
        told: list[tuple[int, int]] = []
        done = storage.reindex(other, NEW, embed, lambda *now: told.append(now))
    assert (done.vectors, done.lost) == (total - 1, 1)
    assert told[0][0] == 3 * 16, "what was done is not done again"
    assert told[-1] == (total - 1, total - 1)
    for call in (
        lambda: gallery.search(query),
        lambda: gallery.append(session.id, 2, 0, []),
        lambda: Gallery.open(place, model=a_model()),
    ):
        with pytest.raises(GalleryModelMismatch):
            call()
    with Gallery.open(place, model=NEW) as moved:
        assert moved.check() == []
        assert moved.info().embeddings == total - 1
        track = next(t for t in moved.tracks() if len(t.embeddings))
        seen = next(o for o in moved.observations(track.id) if o.crop)
        assert seen.crop is not None
        expected = embed([moved.crop(seen.crop)], [seen.level])[0]
        assert np.array_equal(track.embeddings.vectors[0], expected)
        assert moved.search(track.embeddings[:1])[0].distance < 1e-5


def test_rows_that_come_while_reindexing_are_taken_along(gallery: Gallery, place: Place) -> None:
    fill(gallery, 4)
    late = gallery.begin_session("near", "late", "late", 0.0, 10.0)

    def adding(pictures: Sequence[bytes], levels: Sequence[int]) -> np.ndarray:
        position = gallery.sessions()[-1].position
        if position < 3:
            row = a_row(np.random.default_rng(position), position, crop=True)
            gallery.append(late.id, position + 1, 0, [TrackUpdate(1, [row])])
        return embed(pictures, levels)

    with Gallery.open(place) as other:
        done = storage.reindex(other, NEW, adding)
    with Gallery.open(place) as moved:
        assert (moved.info().embeddings, done.lost) == (done.vectors, 0)
        assert len(of_session(moved, late.id)[0].embeddings) == 3


def test_models_that_can_not_follow(gallery: Gallery, place: Place, model: ModelInfo) -> None:
    fill(gallery, 5, tracks=3)
    with pytest.raises(StorageError, match="already"):
        storage.reindex(gallery, model, embed)
    other = replace(NEW, levels=LevelSet((30, 60, 120)))
    with pytest.raises(StorageError, match="process the recordings again"):
        storage.reindex(gallery, other, embed)
