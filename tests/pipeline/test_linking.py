"""Tracks of a gallery become identities, and what people said stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.cut import WHOLE, Cut
from pipeline.linking import How, Over, link_gallery, link_stored
from reid import Calibration, LevelSet, ModelInfo
from storage import Gallery, ObservationRow, TrackUpdate
from tracker import Bundle, Constraints, LinkSettings

SIZES = (16, 16)
CALIBRATION = Calibration(np.full((2, 2), 5.0, np.float32), np.full((2, 2), -8.0, np.float32))
MODEL = ModelInfo("toy", "0123456789abcdef", LevelSet((32, 64)), SIZES, (32, 16), CALIBRATION)


def observe(gallery: Gallery, number: int, who: int, frames: range, session: int = 1) -> None:
    """A track of person `who`, ten frames a second, a third of them embedded."""
    rows = []
    for frame in frames:
        generator = np.random.default_rng((number, frame))
        person = np.random.default_rng(who).normal(size=sum(SIZES))
        looks = (person + 0.2 * generator.normal(size=sum(SIZES))).astype(np.float32)
        vector = looks if frame % 3 == 0 else None
        rows.append(ObservationRow(frame, frame / 10, (5, 5, 20, 60), 0.9, 2, 0.9, vector))
    gallery.append(session, frames.stop, 0, [TrackUpdate(number, rows)], "running")


def held(gallery: Gallery) -> dict[int, int | None]:
    return {t.id: t.identity for t in gallery.tracks(looks=0)}


def relink(gallery: Gallery, cut: Cut = WHOLE, over: Over | None = None) -> list[tuple[int, ...]]:
    found = link_gallery(gallery, CALIBRATION, Constraints(), LinkSettings(), cut, over)
    return sorted(tuple(sorted(t.id for t in one.tracks)) for one in found)


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    """Tracks 1 to 4 of one person and 5 of another, one after the other."""
    with Gallery.open(tmp_path / "one.db", model=MODEL, create=True) as opened:
        opened.begin_session("hall", "hall.mp4", "content", 0.0, 10.0)
        for number, who in enumerate((7, 7, 7, 7, 8), start=1):
            observe(opened, number, who, range(20 * number, 20 * number + 12))
        yield opened


def test_a_person_parts_what_evidence_joins(gallery: Gallery) -> None:
    assert relink(gallery) == [(1, 2, 3, 4), (5,)]
    identity = held(gallery)[1]
    assert identity is not None
    made = gallery.people.split(identity, [2]).identity
    observe(gallery, 6, 7, range(200, 212))
    groups = relink(gallery)
    assert held(gallery)[2] == made
    assert held(gallery)[1] == identity
    assert len(groups) == 3
    assert all(not {1, 2} <= set(group) for group in groups)
    assert relink(gallery) == groups
    assert gallery.check() == []


def test_a_person_joins_what_evidence_parts(gallery: Gallery) -> None:
    relink(gallery)
    one, other = held(gallery)[1], held(gallery)[5]
    assert one is not None
    assert other is not None
    gallery.people.merge(one, [other])
    observe(gallery, 6, 8, range(200, 212))
    relink(gallery)
    assert {held(gallery)[k] for k in (1, 5)} == {one}


def test_a_rejected_track_is_kept_from_the_others(gallery: Gallery) -> None:
    relink(gallery)
    identity = gallery.people.reject(3).identity
    assert relink(gallery) == [(1, 2, 4), (3,), (5,)]
    assert held(gallery)[3] not in (identity, None)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.integers(0, 3), min_size=2, max_size=9),
    st.sets(st.integers(1, 8), max_size=3),
)
def test_chunks_give_what_the_whole_gives(people: list[int], stops: set[int]) -> None:
    """Linking in between, and numbers that were given then, change no grouping; no number of an
    identity is used twice."""
    grouped = []
    for some in (set(), stops):
        with (
            TemporaryDirectory() as folder,
            Gallery.open(Path(folder) / "one.db", model=MODEL, create=True) as gallery,
        ):
            gallery.begin_session("hall", "hall.mp4", "content", 0.0, 10.0)
            ended: set[int | None] = set()
            for number, who in enumerate(people, start=1):
                observe(gallery, number, who, range(20 * number, 20 * number + 9))
                if number in some:
                    before = set(held(gallery).values())
                    relink(gallery)
                    now = set(held(gallery).values())
                    assert not ended & now
                    ended |= before - now - {None}
            grouped.append(relink(gallery))
    assert grouped[0] == grouped[1]


def test_windows_end_where_the_whole_does_and_numbers_stay(gallery: Gallery) -> None:
    """Tracks begin each two seconds; in any order of the parts all is as without windows."""
    assert relink(gallery) == [(1, 2, 3, 4), (5,)]
    numbers = held(gallery)
    for window in (2.0, 5.0, 1000.0):
        assert relink(gallery, Cut(window)) == [(1, 2, 3, 4), (5,)]
        assert held(gallery) == numbers
    given: list[list[int]] = []

    def backwards(parts: Sequence[list[int]], how: How) -> Iterator[list[Bundle]]:
        given.extend(parts)
        return (link_stored(gallery, part, how) for part in reversed(parts))

    assert relink(gallery, Cut(5.0), backwards) == [(1, 2, 3, 4), (5,)]
    assert given == [[1, 2], [3, 4], [5]]
    assert held(gallery) == numbers


def test_one_part_is_linked_as_a_whole(gallery: Gallery) -> None:
    def nobody(parts: Sequence[list[int]], how: How) -> list[list[Bundle]]:
        raise AssertionError("there is one part only")

    found = [
        link_gallery(gallery, CALIBRATION, Constraints(), LinkSettings(), cut, nobody)
        for cut in (WHOLE, Cut(1e6, {"hall": "inside"}))
    ]
    whole, cut = ([(one.identity, one.evidence, one.support) for one in each] for each in found)
    assert cut == whole
    assert len(whole[0][1]) == 6


def test_what_people_said_stands_over_windows(gallery: Gallery) -> None:
    relink(gallery, Cut(2.0))
    one, other = held(gallery)[1], held(gallery)[5]
    assert one is not None
    assert other is not None
    identity = gallery.people.reject(3).identity
    assert relink(gallery, Cut(2.0)) == [(1, 2, 4), (3,), (5,)]
    assert held(gallery)[3] not in (identity, None)
    gallery.people.merge(one, [other])
    assert relink(gallery, Cut(2.0)) == [(1, 2, 4, 5), (3,)]
    assert gallery.check() == []


def test_zones_and_the_cameras_of_none(gallery: Gallery) -> None:
    for camera in ("yard", "gate"):
        session = gallery.begin_session(camera, camera, camera, 0.0, 10.0).id
        observe(gallery, 1, 7, range(200, 212), session)
    tracks = gallery.tracks(looks=0)
    assert Cut(zones={"yard": "north"}).parts(tracks, ()) == [[1, 2, 3, 4, 5, 7], [6]]
    assert Cut(5.0, {"yard": "north"}).parts(tracks, {2, 3}) == [
        [1],
        [4],
        [5],
        [6],
        [7],
        [2, 3],
    ]
    assert relink(gallery, Cut(zones={"yard": "north"})) == [(1, 2, 3, 4, 6, 7), (5,)]
