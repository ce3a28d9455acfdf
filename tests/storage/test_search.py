"""The search against a slow one written out literally."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid import Embeddings, ModelInfo, distances
from storage import Gallery, Limits, SearchHit, StorageError, TrackUpdate, search

from .conftest import SIZES, a_model, a_row, a_vector, of_session
from .places import KINDS, Place, new_place


def fill(gallery: Gallery, seed: int, *, tracks: int = 30, linked: float = 0.7) -> None:
    """Tracks on three cameras, a share of them linked."""
    rng = np.random.default_rng(seed)
    for camera in ("near", "middle", "far"):
        session = gallery.begin_session(camera, camera, camera, 1000.0, 10.0)
        updates = []
        for number in range(1, tracks // 3 + 1):
            n = int(rng.integers(1, 7))
            frames = rng.choice(50, n, replace=False)
            updates.append(TrackUpdate(number, [a_row(rng, int(f), crop=True) for f in frames]))
        gallery.append(session.id, 50, 0, updates)
    ids = [t.id for t in gallery.tracks()]
    keys = [None if rng.random() >= linked else int(rng.integers(0, 4)) for _ in ids]
    gallery.save_identities(dict(zip(ids, keys, strict=True)), {})


def a_query(seed: int, n: int) -> Embeddings:
    rng = np.random.default_rng(seed + 1)
    levels = rng.integers(1, len(SIZES) + 1, n).astype(np.int8)
    vectors = np.stack([a_vector(rng, int(level)) for level in levels])
    return Embeddings(vectors, levels, rng.uniform(0, 1, n).astype(np.float32), SIZES)


def literal(
    gallery: Gallery,
    query: Embeddings,
    camera: str | None,
    after: float | None,
    before: float | None,
    min_level: int | None,
) -> dict[tuple[str, int], float]:
    """Log-odds of each identity or lone track, one pair at a time."""
    assert gallery.model is not None
    calibration = gallery.model.calibration
    weights = query.quality.astype(np.float64)
    scores = defaultdict(list)
    for track in gallery.tracks():
        if camera is not None and track.camera != camera:
            continue
        who = ("track", track.id) if track.identity is None else ("identity", track.identity)
        for i, time in enumerate(track.times):
            row = track.embeddings[[i]]
            if (after is not None and time < after) or (before is not None and time > before):
                continue
            if min_level is not None and row.levels[0] < min_level:
                continue
            total = 0.0
            for j, weight in enumerate(weights):
                distance, _ = distances(query[[j]], row)
                odds = calibration.log_odds(distance, query[[j]].levels, row.levels)
                total += weight * float(odds[0, 0])
            scores[who].append(total / weights.sum())
    return {who: float(np.mean(sorted(s)[-3:])) for who, s in scores.items()}


def name(hit: SearchHit) -> tuple[str, int]:
    return ("track", hit.best.track) if hit.identity is None else ("identity", hit.identity)


WAYS = (*KINDS, "inside")
"""Where a gallery is kept and compared; the last is PostgreSQL by itself."""


def open_new(place: Place, way: str) -> Gallery:
    """A new gallery that is searched in this way."""
    where = "database" if way == "inside" else None
    return Gallery.open(place, model=a_model(), create=True, search=where)


@pytest.fixture(params=WAYS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with new_place(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def gallery(place: Place, request: pytest.FixtureRequest) -> Iterator[Gallery]:
    """An empty gallery at `place`."""
    with open_new(place, request.node.callspec.params["place"]) as opened:
        yield opened


@pytest.fixture(scope="module", params=WAYS)
def filled(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    with new_place(request.param, tmp_path_factory.mktemp("search")) as place:
        with open_new(place, request.param) as gallery:
            fill(gallery, 0)
            assert gallery.search(a_query(0, 1))
        yield place


@pytest.fixture(scope="module", params=["whole", "pieces"], autouse=True)
def how(request: pytest.FixtureRequest) -> Iterator[None]:
    """As small galleries are searched, and as large ones are."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "pieces":
            patch.setattr(search, "PIECE", 4)
            patch.setattr(search, "LEAST", 2)
        yield


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1000),
    n=st.integers(1, 5),
    camera=st.sampled_from([None, "near", "far"]),
    after=st.sampled_from([None, 1001.0, 1004.5]),
    before=st.sampled_from([None, 1002.0, 1004.5]),
    min_level=st.sampled_from([None, 1, 2, 3]),
)
def test_search_is_exact(
    filled: Place,
    seed: int,
    n: int,
    camera: str | None,
    after: float | None,
    before: float | None,
    min_level: int | None,
) -> None:
    query = a_query(seed, n)
    limits = {"camera": camera, "after": after, "before": before, "min_level": min_level}
    with Gallery.open(filled, read_only=True) as gallery:
        hits = gallery.search(query, **limits, top=1000)  # type: ignore[arg-type]
        expected = literal(gallery, query, camera, after, before, min_level)
        few = gallery.search(query, **limits, top=3)  # type: ignore[arg-type]
    assert few == hits[:3]
    assert {name(hit) for hit in hits} == set(expected)
    for hit in hits:
        assert hit.log_odds == pytest.approx(expected[name(hit)], abs=1e-4)
        rivals = sum(np.exp(odds) for odds in expected.values())
        chance = np.exp(hit.log_odds) / (len(expected) + rivals)
        assert hit.probability == pytest.approx(chance, rel=1e-3)
        assert hit.level == min(hit.best.level, hit.level)
        assert camera is None or hit.best.camera == camera
    scores = [hit.log_odds for hit in hits]
    assert scores == sorted(scores, reverse=True)


def test_a_stored_vector_finds_itself(gallery: Gallery) -> None:
    fill(gallery, 3, tracks=9, linked=0)
    for track in gallery.tracks():
        for i, time in enumerate(track.times):
            hits = gallery.search(track.embeddings[[i]], after=time, before=time, top=100)
            (own,) = (hit for hit in hits if hit.best.track == track.id)
            assert own.distance == min(hit.distance for hit in hits) < 1e-5
            assert own.level == own.best.level == track.embeddings.levels[i]


def test_appearances_are_all_of_the_person_whatever_the_filter(gallery: Gallery) -> None:
    fill(gallery, 4)
    known = {i.id: i for i in gallery.identities()}
    hits = gallery.search(a_query(0, 1), camera="near", top=100)
    assert any(len(hit.appearances) > 1 for hit in hits)
    for hit in hits:
        if hit.identity is not None:
            assert hit.appearances == known[hit.identity].appearances
        else:
            assert [a.camera for a in hit.appearances] == [hit.best.camera]


def test_new_rows_and_new_identities_are_seen_at_once(gallery: Gallery, place: Place) -> None:
    fill(gallery, 5)
    query = a_query(1, 1)
    gallery.search(query)
    with Gallery.open(place) as other:
        rng = np.random.default_rng(9)
        session = other.begin_session("near", "near", "more", 2000.0, 10.0)
        other.append(session.id, 5, 0, [TrackUpdate(1, [a_row(rng, f) for f in range(5)])])
        new = of_session(other, session.id)[0]
        hits = gallery.search(query, top=100)
        assert any(h.identity is None and h.best.track == new.id for h in hits)
        who = other.save_identities({new.id: "new"}, {})["new"]
    assert who in [h.identity for h in gallery.search(query, top=100)]
    expected = literal(gallery, query, None, None, None, None)
    for hit in gallery.search(query, top=100):
        assert hit.log_odds == pytest.approx(expected[name(hit)], abs=1e-4)


def test_zero_vectors_are_far_from_all(gallery: Gallery, model: ModelInfo) -> None:
    fill(gallery, 6)
    zero = Embeddings(
        np.zeros((1, sum(SIZES)), np.float32),
        np.array([2], np.int8),
        np.zeros(1, np.float32),
        SIZES,
    )
    hits = gallery.search(zero)
    assert hits
    assert [hit.distance for hit in hits] == pytest.approx([1.0] * len(hits), abs=1e-6)


def test_nothing_to_find_and_bad_questions(gallery: Gallery, place: Place) -> None:
    assert gallery.search(a_query(0, 1)) == []
    fill(gallery, 7)
    assert gallery.search(a_query(0, 1), after=1e12) == []
    with pytest.raises(StorageError, match="no camera 'roof'"):
        gallery.search(a_query(0, 1), camera="roof")
    with pytest.raises(StorageError, match="at least one"):
        gallery.search(Embeddings.empty(SIZES))
    with pytest.raises(StorageError, match="sub-vectors"):
        gallery.search(Embeddings.empty((4, 4)))


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 1000),
    looks=st.lists(st.integers(1, 3), min_size=1, max_size=9),
    camera=st.sampled_from([None, "near"]),
    top=st.sampled_from([1, 5, 1000]),
    room=st.sampled_from([1, 1 << 10, 1 << 26]),
)
def test_many_queries_find_what_each_finds_alone(
    filled: Place, seed: int, looks: list[int], camera: str | None, top: int, room: int
) -> None:
    queries = [a_query(seed + i, n) for i, n in enumerate(looks)]
    with pytest.MonkeyPatch.context() as patch, Gallery.open(filled, read_only=True) as gallery:
        patch.setattr(search, "PLACES", room)
        found = gallery.search_many(queries, Limits(camera), top=top)
        assert len(found) == len(queries)
        for query, hits in zip(queries, found, strict=True):
            alone = gallery.search(query, camera=camera, top=top)
            assert [name(hit) for hit in hits] == [name(hit) for hit in alone]
            for hit, other in zip(hits, alone, strict=True):
                assert hit.log_odds == pytest.approx(other.log_odds, abs=1e-5)
                assert (hit.best, hit.level, hit.distance) == (
                    other.best,
                    other.level,
                    other.distance,
                )


def test_many_queries_of_none_and_bad_ones(gallery: Gallery) -> None:
    assert gallery.search_many([]) == []
    assert gallery.search_many([a_query(0, 1), a_query(1, 2)]) == [[], []]
    with pytest.raises(StorageError, match="at least one"):
        gallery.search_many([a_query(0, 1), Embeddings.empty(SIZES)])


@pytest.mark.parametrize("sharpened", [1, 1000])
def test_a_first_pass(filled: Place, sharpened: int) -> None:
    queries = [a_query(seed, 1 + seed % 3) for seed in range(8)]
    with (
        pytest.MonkeyPatch.context() as patch,
        Gallery.open(filled, read_only=True) as exact,
        Gallery.open(filled, read_only=True, rough_above=0) as rough,
        Gallery.open(filled, read_only=True, rough_above=1000) as above,
    ):
        patch.setattr(search, "SHARPENED", sharpened)
        found = [exact.search(query, top=100) for query in queries]
        assert [above.search(query, top=100) for query in queries] == found
        for camera in (None, "near"):
            for query in queries:
                hits = rough.search(query, camera=camera, top=100)
                right = {name(hit): hit for hit in exact.search(query, camera=camera, top=100)}
                assert {name(hit) for hit in hits} == set(right)
                if sharpened == 1000:  # all that there are
                    odds = [right[name(hit)].log_odds for hit in hits]
                    assert [hit.log_odds for hit in hits] == pytest.approx(odds, abs=1e-5)
        if exact.searched_in == "memory" and sharpened == 1:
            assert [rough.search(query, top=100) for query in queries] != found
        together = rough.search_many(queries, top=100)
        for query, hits in zip(queries, together, strict=True):
            alone = rough.search(query, top=100)
            odds = [hit.log_odds for hit in alone]
            assert [hit.log_odds for hit in hits] == pytest.approx(odds, abs=1e-5)
