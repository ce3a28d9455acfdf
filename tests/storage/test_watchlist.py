"""Who is looked for, alerts and their messages, and claims on cameras."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import storage
from reid import Embeddings
from storage import Gallery, GalleryClaimed, StorageError, TrackUpdate, copy

from .conftest import SIZES, a_jpeg, a_model, a_row, a_vector
from .places import Place, ask, new_place


def looks_of(levels: list[int], seed: int = 3) -> tuple[Embeddings, list[bytes]]:
    """Random looks, exact in fp16, and their pictures."""
    rng = np.random.default_rng(seed)
    vectors = np.stack([a_vector(rng, level) for level in levels]).astype(np.float16)
    ones = np.ones(len(levels), np.float32)
    found = Embeddings(vectors.astype(np.float32), np.array(levels, np.int8), ones, SIZES)
    return found, [a_jpeg(rng) for _ in levels]


def add_track(gallery: Gallery, camera: str = "near") -> int:
    """A track of one observation; its id."""
    rng = np.random.default_rng(1)
    session = gallery.begin_session(camera, "x", camera, 0, 10)
    return gallery.append(session.id, 1, 0, [TrackUpdate(4, [a_row(rng, 0, crop=True)])])[4]


def test_persons_come_and_go(gallery: Gallery) -> None:
    watchlist = gallery.watchlist
    before = watchlist.changes
    looks, pictures = looks_of([1, 3])
    watchlist.add("Anna", looks, pictures)
    more, others = looks_of([2], seed=9)
    watchlist.add("Anna", more, others)
    watchlist.add("Bert", more, others)
    assert watchlist.changes == before + 3
    anna, bert = watchlist.persons()
    assert (anna.name, bert.name) == ("Anna", "Bert")
    np.testing.assert_array_equal(anna.looks.levels, [1, 3, 2])
    np.testing.assert_array_equal(anna.looks.vectors[:2], looks.vectors)
    assert gallery.check() == []
    watchlist.remove("Anna")
    assert [p.name for p in watchlist.persons()] == ["Bert"]
    with pytest.raises(StorageError, match="no 'Anna' on the watch list: it has Bert"):
        watchlist.remove("Anna")
    actions = [entry.action for entry in gallery.audit.entries()]
    assert actions.count("watch list add") == 3
    assert actions.count("watch list remove") == 1


def test_no_name_or_no_picture_is_refused(gallery: Gallery) -> None:
    looks, pictures = looks_of([1])
    for name in ("", "  ", "a\nb"):
        with pytest.raises(StorageError, match="needs a name"):
            gallery.watchlist.add(name, looks, pictures)
    with pytest.raises(StorageError, match="at least one"):
        gallery.watchlist.add("Anna", looks[:0], [])


def test_the_message_of_an_alert(gallery: Gallery) -> None:
    track = add_track(gallery)
    watchlist = gallery.watchlist
    quiet = watchlist.raise_alert("Anna", track, 50.0, 8.0, 7.0, None, send=False)
    assert (quiet.state, quiet.camera, quiet.track) == ("kept", "near", track)
    first = watchlist.raise_alert("Anna", track, 60.0, 8.0, 7.0, "abc", send=True)
    assert [a.id for a in watchlist.waiting(0.0)] == [first.id]
    watchlist.failed(first.id, "refused", 100.0)
    assert watchlist.waiting(99.0) == []
    (again,) = watchlist.waiting(100.0)
    assert (again.attempts, again.trouble, again.state) == (1, "refused", "waiting")
    assert watchlist.unsent() == (1, 0)
    watchlist.still_seen(first.id, 75.0)
    assert [a.id for a in watchlist.alerts(since=70.0)] == [first.id]
    assert watchlist.alerts(last=1) == watchlist.alerts()[-1:]
    watchlist.sent(first.id)
    assert watchlist.waiting(1e12) == []
    assert [(a.state, a.attempts, a.trouble) for a in watchlist.alerts()] == [
        ("kept", 0, None),
        ("sent", 2, None),
    ]
    second = watchlist.raise_alert("Anna", track, 80.0, 8.0, 7.0, None, send=True)
    watchlist.failed(second.id, "gone", None)
    assert watchlist.alerts()[-1].state == "given up"
    assert watchlist.unsent() == (0, 1)
    with pytest.raises(StorageError, match="no track 999"):
        watchlist.raise_alert("Anna", 999, 1.0, 8.0, 7.0, None, send=False)


def test_alerts_go_with_their_tracks(gallery: Gallery) -> None:
    track = add_track(gallery)
    gallery.watchlist.raise_alert("Anna", track, 50.0, 8.0, 7.0, None, send=True)
    gallery.life.purge(before=1e12)
    assert gallery.watchlist.alerts() == []
    assert gallery.check() == []


def test_a_copy_has_the_watch_list(gallery: Gallery, tmp_path: Path) -> None:
    track = add_track(gallery)
    gallery.watchlist.add("Anna", *looks_of([1, 2]))
    gallery.watchlist.raise_alert("Anna", track, 50.0, 8.0, 7.0, None, send=True)
    with Gallery.open(tmp_path / "copy.db", create=True) as other:
        copy(gallery, other)
    with Gallery.open(tmp_path / "copy.db") as other:
        assert other.watchlist.alerts() == gallery.watchlist.alerts()
        assert [p.name for p in other.watchlist.persons()] == ["Anna"]


def test_another_model_embeds_the_pictures_anew(gallery: Gallery) -> None:
    _, pictures = looks_of([1, 3])
    gallery.watchlist.add("Anna", *looks_of([1, 3]))
    fresh, _ = looks_of([1, 3], seed=77)

    def embed(jpegs: list[bytes], levels: list[int]) -> np.ndarray:
        assert jpegs == pictures
        assert levels == [1, 3]
        return fresh.vectors

    assert gallery.watchlist.renew(embed) == 0
    storage.reindex(gallery, a_model("f" * 16), lambda *_: np.zeros((0, sum(SIZES)), np.float32))
    with Gallery.open(place_of(gallery), model=a_model("f" * 16)) as moved:
        assert len(moved.watchlist.persons()[0].looks) == 0
        assert moved.watchlist.renew(embed) == 2
        np.testing.assert_array_equal(moved.watchlist.persons()[0].looks.vectors, fresh.vectors)


def place_of(gallery: Gallery) -> Place:
    engine = gallery._database.backend.engine
    path = gallery._database.backend.path
    return path or engine.url.set(drivername="postgresql").render_as_string(hide_password=False)


def test_one_program_watches_a_camera(place: Place) -> None:
    with Gallery.open(place, create=True) as one, Gallery.open(place) as other:
        claim = one.claim("gate")
        other.claim("hall").close()
        with pytest.raises(GalleryClaimed, match="camera gate is being watched"):
            other.claim("gate")
        claim.close()
        other.claim("gate").close()


def test_a_claim_is_taken_again_when_the_server_lost_it(tmp_path: Path) -> None:
    with new_place("postgres", tmp_path) as place:
        ends = (
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        with Gallery.open(place, create=True) as one, Gallery.open(place) as other:
            claims = [one.claim(f"camera {n}") for n in range(30)]
            with pytest.raises(GalleryClaimed):
                one.claim("camera 3")
            ask(place, ends)
            claims[0].keep()
            for number in (0, 29):
                with pytest.raises(GalleryClaimed):
                    other.claim(f"camera {number}")
            claims[0].close()
            other.claim("camera 0").close()
            ask(place, ends)
            taken = other.claim("camera 7")
            with pytest.raises(GalleryClaimed, match="camera 7"):
                claims[1].keep()
            taken.close()
            claims[1].keep()
            with pytest.raises(GalleryClaimed):
                other.claim("camera 29")
            for claim in claims[1:]:
                claim.close()
            other.claim("camera 29").close()


def test_a_program_that_is_killed_claims_nothing(place: Place) -> None:
    Gallery.open(place, create=True).close()
    code = (
        "import sys, time; from storage import Gallery; g = Gallery.open(sys.argv[1]); "
        "c = g.claim('gate'); print('mine', flush=True); time.sleep(60)"
    )
    root = Path(storage.__file__).parents[1]
    call = [sys.executable, "-c", code, str(place)]
    with subprocess.Popen(call, cwd=root, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout
        assert program.stdout.readline() == "mine\n"
        with Gallery.open(place) as gallery:
            with pytest.raises(GalleryClaimed):
                gallery.claim("gate")
            os.kill(program.pid, signal.SIGKILL)
            program.wait()
            for _ in range(100):  # a server takes a moment to see that a connection is gone
                try:
                    gallery.claim("gate").close()
                    return
                except GalleryClaimed:
                    signal.sigtimedwait([], 0.05)
    pytest.fail("the claim outlived its program")
