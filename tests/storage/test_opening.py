"""Places that are no gallery of ours: one clear error each."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from reid import ModelInfo
from storage import (
    Gallery,
    GalleryDamaged,
    GalleryModelMismatch,
    GalleryNotFound,
    GalleryReadOnly,
    GalleryTooNew,
    NotAGallery,
    StorageError,
    TrackUpdate,
)
from storage.database import REVISIONS

from .conftest import a_model, a_row


def change(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


@pytest.fixture
def stored(path: Path, model: ModelInfo, rng: np.random.Generator) -> Path:
    with Gallery.open(path, model=model, create=True) as gallery:
        session = gallery.begin_session("near", "near.mp4", "abc", 0.0, 10.0)
        rows = [a_row(rng, frame, crop=True) for frame in range(200)]
        gallery.append(session.id, 200, 0, [TrackUpdate(1, rows)])
    return path


@pytest.mark.parametrize("as_url", [str, lambda p: p, lambda p: f"sqlite:///{p}"])
def test_paths_and_urls(stored: Path, as_url: Callable[[Path], str | Path]) -> None:
    with Gallery.open(as_url(stored)) as gallery:
        assert len(gallery.tracks()) == 1


@pytest.mark.parametrize("name", ["with space.db", "per%20cent?#.db", "ünï.sqlite", "bare"])
def test_odd_names(tmp_path: Path, model: ModelInfo, name: str) -> None:
    path = tmp_path / "a folder?" / name
    path.parent.mkdir()
    Gallery.open(path, model=model, create=True).close()
    assert sorted(p.name for p in path.parent.iterdir()) == [name]
    Gallery.open(path, read_only=True).close()


def test_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Gallery.open("nearfar.db", create=True).close()
    Gallery.open("sqlite:///nearfar.db").close()
    assert (tmp_path / "nearfar.db").exists()


@pytest.mark.parametrize("url", ["mysql://me:secret@host/db", "sqlite://", "no://t/[h"])
def test_other_urls(url: str) -> None:
    with pytest.raises(StorageError, match="give a path") as caught:
        Gallery.open(url)
    assert "secret" not in str(caught.value)


def test_not_found(path: Path) -> None:
    for arguments in ({}, {"read_only": True}, {"read_only": True, "create": True}):
        with pytest.raises(GalleryNotFound, match="no gallery at"):
            Gallery.open(path, **arguments)
    with pytest.raises(GalleryNotFound, match="no folder"):
        Gallery.open(path / "deeper.db", create=True)
    assert not path.exists()


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(NotAGallery, match="is a folder"):
        Gallery.open(tmp_path, create=True)


@pytest.mark.parametrize("create", [True, False])
@pytest.mark.parametrize("garbage", [b"\xff\xd8 not a database " * 500, b"short"])
def test_garbage(path: Path, garbage: bytes, create: bool) -> None:
    path.write_bytes(garbage)
    with pytest.raises(NotAGallery, match="is not a database"):
        Gallery.open(path, create=create)
    assert path.read_bytes() == garbage


@pytest.mark.parametrize("create", [True, False])
def test_a_database_of_something_else(path: Path, create: bool) -> None:
    change(path, "CREATE TABLE track (title TEXT)", "CREATE TABLE alembic_version (x TEXT)")
    before = path.read_bytes()
    with pytest.raises(NotAGallery, match="something else"):
        Gallery.open(path, create=create)
    assert path.read_bytes() == before


def test_an_empty_file(path: Path, model: ModelInfo) -> None:
    path.touch()
    with pytest.raises(NotAGallery, match="is empty"):
        Gallery.open(path)
    Gallery.open(path, model=model, create=True).close()
    Gallery.open(path).close()


def test_a_damaged_database(stored: Path) -> None:
    whole = bytearray(stored.read_bytes())
    whole[-8192:] = b"\xa5" * 8192
    stored.write_bytes(whole)
    with Gallery.open(stored) as gallery:
        assert gallery.check() != []
        assert gallery.sessions()[0].position == 200


def test_a_truncated_database(stored: Path) -> None:
    stored.write_bytes(stored.read_bytes()[:8192])
    with pytest.raises(GalleryDamaged, match="restore it"):
        Gallery.open(stored)


def test_a_newer_schema(stored: Path) -> None:
    change(stored, "UPDATE nearfar_schema SET version_num = '0815'")
    for read_only in (True, False):
        with pytest.raises(
            GalleryTooNew, match=f"schema 0815, this nearfar knows up to {REVISIONS[-1]}"
        ):
            Gallery.open(stored, read_only=read_only)


def test_another_model(stored: Path, model: ModelInfo) -> None:
    other = a_model("fedcba9876543210")
    for read_only in (True, False):
        with pytest.raises(GalleryModelMismatch) as caught:
            Gallery.open(stored, model=other, read_only=read_only)
        assert model.fingerprint in str(caught.value)
        assert other.fingerprint in str(caught.value)
    with Gallery.open(stored, model=model) as gallery:
        assert gallery.check() == []


def test_opened_for_reading(stored: Path, model: ModelInfo, rng: np.random.Generator) -> None:
    before = sorted(stored.parent.rglob("*"))
    with Gallery.open(stored, model=model, read_only=True) as gallery:
        with pytest.raises(GalleryReadOnly, match="for reading only"):
            gallery.begin_session("far", "far.mp4", "abc", 0.0, 10.0)
        with pytest.raises(GalleryReadOnly, match="for reading only"):
            gallery.append(1, 201, 0, [TrackUpdate(1, [a_row(rng, 200, crop=True)])])
        with pytest.raises(GalleryReadOnly, match="for reading only"):
            gallery.save_identities({1: 1}, {})
        assert len(gallery.search(gallery.tracks()[0].embeddings[:1])) == 1
        assert gallery.check() == []
    assert sorted(stored.parent.rglob("*")) == before


def read_without_rights(path: Path) -> None:
    if os.getuid() == 0:
        os.setuid(65534)
    with pytest.raises(GalleryReadOnly, match="can't be written"):
        Gallery.open(path)
    with pytest.raises(GalleryReadOnly, match="can't be written"):
        Gallery.open(path.with_name("new.db"), create=True)
    with Gallery.open(path, read_only=True) as gallery:
        assert len(gallery.search(gallery.tracks()[0].embeddings[:1])) == 1
        assert gallery.check() == []


def test_a_folder_that_can_not_be_written(stored: Path) -> None:
    folder = Path(tempfile.gettempdir()) / f"nearfar-read-only-{os.getpid()}"
    shutil.copytree(stored.parent, folder)
    try:
        for place in [*folder.rglob("*"), folder]:
            place.chmod(0o555 if place.is_dir() else 0o444)
        child = get_context("fork").Process(
            target=read_without_rights, args=(folder / stored.name,)
        )
        child.start()
        child.join()
        assert child.exitcode == 0
    finally:
        for place in [folder, *folder.rglob("*")]:
            place.chmod(0o755)
        shutil.rmtree(folder)
