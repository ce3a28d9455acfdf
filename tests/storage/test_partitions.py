"""Vectors in partitions: rows lie where they should, and nobody notices."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from reid import ModelInfo
from storage import Gallery, TrackUpdate, copy, inside, partitions
from storage.backend import open_backend
from storage.database import migrate

from .conftest import a_model, a_row
from .places import Place, ask, new_place
from .test_schema import FIRST, SIZES
from .test_search import a_query

ROWS = 20


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "ROWS", ROWS)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with new_place("postgres", tmp_path) as made:
        yield made


def store(gallery: Gallery, tracks: range, camera: str = "near") -> None:
    """Tracks of ten observations each, one after the other."""
    rng = np.random.default_rng(tracks.start)
    session = gallery.begin_session(camera, "s", "s", 1000.0, 10.0)
    for n in tracks:
        rows = [a_row(rng, 10 * n + i, crop=i == 0) for i in range(10)]
        gallery.append(session.id, 10 * n + 10, 0, [TrackUpdate(n, rows)])
    gallery.save_identities({t.id: t.number % 3 for t in gallery.tracks(looks=0)}, {})


def lying(place: Place) -> dict[str, tuple[int, int]]:
    """The lowest and highest observation of each partition that holds any."""
    rows = ask(
        place,
        "SELECT tableoid::regclass::text, min(observation_id), max(observation_id) "
        "FROM embedding GROUP BY 1 ORDER BY 2",
    )
    return {name: (low, high) for name, low, high in rows}


def test_rows_lie_in_the_partition_of_their_number(place: Place, model: ModelInfo) -> None:
    with Gallery.open(place, model=model, create=True) as gallery:
        store(gallery, range(1, 8))
        assert gallery.check() == []
    assert lying(place) == {
        "embedding_until_20": (1, 19),
        "embedding_until_40": (20, 39),
        "embedding_until_60": (40, 59),
        "embedding_until_80": (60, 70),
    }


def test_searches_are_those_of_a_gallery_in_one_piece(
    place: Place, tmp_path: Path, model: ModelInfo
) -> None:
    query = a_query(3, 2)
    with (
        Gallery.open(place, model=model, create=True) as parted,
        Gallery.open(tmp_path / "whole.db", model=model, create=True) as whole,
    ):
        for gallery in (parted, whole):
            store(gallery, range(1, 8))
        wanted = [(h.identity, h.probability) for h in whole.search(query)]
        assert [(h.identity, h.probability) for h in parted.search(query)] == wanted
        assert len(parted.tracks()) == 7


def test_those_who_read_are_not_held_up(place: Place, model: ModelInfo) -> None:
    with Gallery.open(place, model=model, create=True, timeout=2) as gallery:
        store(gallery, range(1, 2))
        with gallery._database.read() as connection:
            count = "SELECT count(*) FROM embedding JOIN observation ON id = observation_id"
            assert connection.exec_driver_sql(count).scalar() == 10
            store(gallery, range(2, 9), "far")
            assert connection.exec_driver_sql(count).scalar() == 10
    assert len(lying(place)) == 5


def test_vacuum_drops_what_purge_has_emptied(place: Place, model: ModelInfo) -> None:
    with Gallery.open(place, model=model, create=True) as gallery:
        store(gallery, range(1, 8))
        gallery.life.purge(before=1005)
        gallery.life.vacuum()
        with gallery._database.read() as connection:
            assert partitions.names(connection) == ["embedding_until_60", "embedding_until_80"]
        assert gallery.check() == []
        gallery.life.purge(before=9e9)
        gallery.life.vacuum()
        with gallery._database.read() as connection:
            assert partitions.names(connection) == ["embedding_until_80"]
        store(gallery, range(20, 25))
        assert gallery.check() == []
        assert {t.number for t in gallery.tracks()} == set(range(20, 25))


def test_numbers_that_come_along_find_room(tmp_path: Path, place: Place, model: ModelInfo) -> None:
    with (
        Gallery.open(tmp_path / "from.db", model=model, create=True) as source,
        Gallery.open(place, create=True) as target,
    ):
        store(source, range(1, 12))
        source.life.purge(before=1007)
        copy(source, target)
    assert list(lying(place)) == [f"embedding_until_{end}" for end in (80, 100, 120)]
    with Gallery.open(place, model=model) as target:
        store(target, range(30, 33))
        assert target.check() == []
    assert list(lying(place))[-1] == "embedding_until_160"


def test_a_table_inside_follows(place: Place, model: ModelInfo) -> None:
    query = a_query(3, 2)
    with Gallery.open(place, model=model, create=True) as gallery:
        store(gallery, range(1, 8))
        wanted = [h.identity for h in gallery.search(query)]
    with Gallery.open(place, search="database") as gallery:
        assert [h.identity for h in gallery.search(query)] == wanted
        gallery.life.purge(before=1004)
        gallery.life.vacuum()
        rows = ask(place, "SELECT min(observation_id), count(*) FROM nearfar_search")
        assert rows == [(31, 40)]
        assert gallery.search(query)


@pytest.mark.parametrize("searched", ["memory", "database"])
def test_an_older_gallery_becomes_the_first_partition(place: Place, searched: str) -> None:
    backend = open_backend(place, create=True, read_only=False, timeout=5, durable=False)
    with backend.writer.begin() as connection:
        migrate(connection, to="0004")
    backend.engine.dispose()
    blob = f"'\\x{'0100' * SIZES[0]}'::bytea"
    first = FIRST.replace("'running', 1, 0, 5, 5", "'running', 1, 0, 5, 5, NULL, NULL, NULL")
    ask(place, *first.format(info=a_model().to_json(), true="true", vector=blob).split(";"))
    ask(place, "UPDATE observation SET id = 33 WHERE id = 2")
    ask(place, "UPDATE embedding SET observation_id = 33 WHERE observation_id = 2")
    for table in ("camera", "session", "track", "identity", "observation"):
        ask(place, f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), 33)")
    if searched == "database":
        ask(place, "CREATE EXTENSION vector", inside.MAKE)
        ask(place, "INSERT INTO setting VALUES ('search', 'database')")
    with Gallery.open(place) as gallery:
        assert lying(place) == {"embedding_until_40": (1, 33)}
        looks = gallery.tracks()[0].embeddings
        assert [h.identity for h in gallery.search(looks)] == [1, 2]
        store(gallery, range(1, 3), "far")
        assert gallery.check() == []
        assert list(lying(place)) == ["embedding_until_40", "embedding_until_60"]
        gallery.life.erase(1)
        assert gallery.check() == []
