"""What is PostgreSQL's own: places that can't be used, lost connections, turns."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import make_url

from reid import ModelInfo
from storage import (
    Gallery,
    GalleryLocked,
    GalleryNotFound,
    GalleryReadOnly,
    GalleryTooNew,
    GalleryUnreachable,
    NotAGallery,
    StorageError,
    TrackUpdate,
    inside,
    writing,
)

from .conftest import a_row
from .places import ask, new_place


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with new_place("postgres", tmp_path) as place:
        yield str(place)


@pytest.fixture
def stored(url: str, model: ModelInfo, rng: np.random.Generator) -> str:
    with Gallery.open(url, model=model, create=True) as gallery:
        session = gallery.begin_session("near", "near.mp4", "abc", 0.0, 10.0)
        gallery.append(session.id, 9, 0, [TrackUpdate(1, [a_row(rng, f) for f in range(9)])])
    return url


def test_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.postgres.find_spec", lambda name: None)
    with pytest.raises(StorageError, match=r"pip install 'nearfar\[postgres\]'"):
        Gallery.open("postgresql://me:secret@localhost/people")


@pytest.mark.skipif(importlib.util.find_spec("psycopg") is None, reason="no psycopg")
def test_no_server_and_no_password_in_the_message() -> None:
    with pytest.raises(GalleryUnreachable, match=r"no connection to postgresql://me:\*\*\*@") as e:
        Gallery.open("postgresql://me:secret@localhost:1/people", timeout=2)
    error: BaseException | None = e.value
    assert "secret" not in str(error)
    assert "host and port" in str(error)


def test_no_such_database(url: str) -> None:
    missing = make_url(url).set(database="nowhere").render_as_string(hide_password=False)
    with pytest.raises(GalleryNotFound, match="createdb"):
        Gallery.open(missing, create=True)


def test_a_user_who_is_not_let_in(url: str) -> None:
    stranger = make_url(url).set(username="stranger", password="secret")
    with pytest.raises(GalleryUnreachable, match="refuses this user") as caught:
        Gallery.open(stranger.render_as_string(hide_password=False))
    assert "secret" not in str(caught.value)


def test_an_empty_database_and_one_of_something_else(url: str) -> None:
    with pytest.raises(NotAGallery, match="is empty"):
        Gallery.open(url)
    ask(url, "CREATE TABLE title (name TEXT)")
    with pytest.raises(NotAGallery, match="something else"):
        Gallery.open(url, create=True)


def test_a_newer_schema(stored: str) -> None:
    ask(stored, "UPDATE nearfar_schema SET version_num = '0815'")
    with pytest.raises(GalleryTooNew, match="schema 0815"):
        Gallery.open(stored)


def test_opened_for_reading(stored: str, model: ModelInfo) -> None:
    with Gallery.open(stored, model=model, read_only=True) as gallery:
        assert len(gallery.search(gallery.tracks()[0].embeddings[:1])) == 1
        with pytest.raises(GalleryReadOnly):
            gallery.begin_session("far", "far.mp4", "abc", 0.0, 10.0)


def test_a_lost_connection_is_named_and_the_next_one_works(
    stored: str, model: ModelInfo, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'nearfar' AND datname = current_database()"
    )
    with Gallery.open(stored, model=model) as gallery:
        position = gallery.sessions()[0].position
        rows = [TrackUpdate(2, [a_row(rng, position)])]
        monkeypatch.setattr(writing, "advance", lambda *_: ask(stored, cut))
        with pytest.raises(GalleryUnreachable, match="no connection"):
            gallery.append(1, position + 1, 0, rows)
        monkeypatch.undo()
        gallery.append(1, position + 1, 0, rows)
        ask(stored, cut)  # while the connection is idle: nobody notices
        assert gallery.sessions()[0].position == position + 1
        assert gallery.check() == []


def test_locked_by_another_writer(stored: str, model: ModelInfo) -> None:
    with (
        Gallery.open(stored, model=model) as one,
        Gallery.open(stored, model=model, timeout=0.2) as two,
    ):
        with (
            one._database.write(),
            pytest.raises(GalleryLocked, match=r"more than 0\.2 s"),
        ):
            two.begin_session("far", "far.mp4", "abc", 0.0, 10.0)
        two.begin_session("far", "far.mp4", "abc", 0.0, 10.0)


def test_no_row_is_passed_over_by_a_search_beside_several_writers(
    stored: str, model: ModelInfo
) -> None:
    """A row whose id was given out early and committed late would never be read."""

    def write(number: int) -> None:
        own = np.random.default_rng(number)
        with Gallery.open(stored, model=model) as gallery:
            session = gallery.begin_session(f"camera {number}", "x", "x", 0.0, 10.0)
            for frame in range(15):
                gallery.append(session.id, frame + 1, 0, [TrackUpdate(1, [a_row(own, frame)])])

    writers = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    with Gallery.open(stored, model=model, read_only=True) as gallery:
        query = gallery.tracks()[0].embeddings[:1]
        for writer in writers:
            writer.start()
        while any(writer.is_alive() for writer in writers):
            gallery.search(query)
        assert gallery._searcher is not None
        view = gallery._searcher.mirror.refresh
        gallery.search(query)
        with gallery._database.read() as connection:
            held = sum(part.count for part in view(connection).filled)
        assert held == gallery.info().embeddings == 9 + 3 * 15


def test_searches_move_into_the_database_and_back(
    stored: str, model: ModelInfo, rng: np.random.Generator, tmp_path: Path
) -> None:
    tables = "SELECT count(*) FROM pg_tables WHERE tablename = 'nearfar_search'"
    with Gallery.open(stored, model=model) as gallery:
        query = gallery.tracks()[0].embeddings[:2]
        before = gallery.search(query, top=100)
        assert gallery.searched_in == "memory"
    with Gallery.open(stored, model=model, search="database") as gallery:
        assert gallery.search(query, top=100)[0].best == before[0].best
        assert ask(stored, "SELECT count(*) FROM nearfar_search") == [(9,)]
    with (
        Gallery.open(stored, model=model) as gallery,
        Gallery.open(stored, model=model, read_only=True) as reader,
    ):
        assert gallery.searched_in == reader.searched_in == "database"
        session = gallery.begin_session("far", "far.mp4", "x", 1.0, 10.0)
        gallery.append(session.id, 9, 0, [TrackUpdate(1, [a_row(rng, f) for f in range(9)])])
        assert len(reader.search(query)) == 2, "a reader can't take in, and compares in memory"
        assert ask(stored, "SELECT count(*) FROM nearfar_search") == [(9,)]
        assert len(gallery.search(query)) == 2
        assert ask(stored, "SELECT count(*) FROM nearfar_search") == [(18,)]
        assert gallery.check() == []
        gallery.life.purge(camera="far", before=1e9)
        assert len(gallery.search(query)) == len(reader.search(query)) == 1
        assert ask(stored, "SELECT count(*) FROM nearfar_search") == [(9,)]
    with Gallery.open(stored, model=model, search="memory") as gallery:
        assert gallery.search(query, top=100) == before
    assert ask(stored, tables) == [(0,)]
    with pytest.raises(StorageError, match="is a file"):
        Gallery.open(tmp_path / "nearfar.db", model=model, create=True, search="database")


def test_a_server_without_pgvector(
    stored: str, model: ModelInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inside, "EXTENSION", "no_such_extension")
    with pytest.raises(StorageError, match="has no pgvector"):
        Gallery.open(stored, model=model, search="database")
    monkeypatch.undo()
    with Gallery.open(stored, model=model) as gallery:
        assert gallery.searched_in == "memory"
