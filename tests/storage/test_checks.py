"""`Gallery.check` finds what does not hold together."""

from __future__ import annotations

import numpy as np
import pytest

from storage import Gallery, StorageError, TrackUpdate

from .conftest import a_row
from .places import Place, ask


@pytest.fixture
def filled(gallery: Gallery, rng: np.random.Generator) -> Gallery:
    session = gallery.begin_session("near", "near.mp4", "abc", 0.0, 10.0)
    for number in (1, 2):
        rows = [a_row(rng, frame, crop=True) for frame in range(5)]
        gallery.append(session.id, 5, 0, [TrackUpdate(number, rows)])
    gallery.save_identities({1: 0, 2: 1}, {})
    assert gallery.check() == []
    return gallery


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("UPDATE embedding SET vector = x'0000' WHERE observation_id = 3", "have 2 bytes"),
        ("UPDATE embedding SET level = 9 WHERE observation_id = 3", "level 9"),
        ("UPDATE track SET last = 99 WHERE id = 2", "track 2: its times"),
        ("UPDATE observation SET time = -1 WHERE track_id = 1 AND frame = 2", "track 1: its times"),
        ("DELETE FROM observation WHERE track_id = 1", "track 1: its times"),
        ("UPDATE session SET position = 4", "at frame 4, but frame 4 has boxes"),
        ("UPDATE identity SET ended = 1 WHERE id = 2", "identity 2 has ended"),
        ("DELETE FROM identity_link WHERE track_id = 1", "nothing links it to its identity 1"),
        ("UPDATE crop SET bytes = 1", "has not the 1 bytes"),
        ("UPDATE track SET identity_id = 77 WHERE id = 1", "names no row of identity"),
    ],
)
def test_check_names_the_damage(filled: Gallery, place: Place, damage: str, message: str) -> None:
    ask(place, damage)
    assert any(message in line for line in filled.check())


def test_a_vector_of_wrong_length_stops_reading_with_a_clear_error(
    filled: Gallery, place: Place
) -> None:
    query = filled.tracks()[0].embeddings[:1]
    ask(place, "UPDATE embedding SET vector = x'0000' WHERE observation_id = 3")
    with pytest.raises(StorageError, match=r"Gallery\.check"):
        filled.tracks()
    with pytest.raises(StorageError, match=r"Gallery\.check"):
        filled.search(query)


@pytest.mark.parametrize(
    ("damage", "done", "left"),
    [
        ("UPDATE track SET last = 99 WHERE id = 2", "set the times of 1 tracks", None),
        ("DELETE FROM observation WHERE track_id = 1", "removed 1 tracks without", None),
        ("UPDATE session SET position = 4", "moved 1 sessions on", None),
        ("UPDATE identity SET ended = 1 WHERE id = 2", "revived 1 identities", None),
        ("DELETE FROM identity_link WHERE track_id = 1", "linked 1 tracks", None),
        ("UPDATE observation SET crop_sha256 = NULL WHERE id = 3", "removed 1 crops", None),
        ("UPDATE embedding SET level = 9 WHERE observation_id = 3", None, "level 9"),
        ("UPDATE track SET identity_id = 77 WHERE id = 1", None, "names no row of identity"),
    ],
)
def test_what_can_be_mended_is_and_the_rest_is_named(
    filled: Gallery, place: Place, damage: str, done: str | None, left: str | None
) -> None:
    ask(place, damage)
    repair = filled.repair()
    if done is not None:
        assert any(line.startswith(done) for line in repair.done), repair
        assert repair.left == ()
        assert filled.repair().done == ()
    if left is not None:
        assert any(left in line for line in repair.left)
