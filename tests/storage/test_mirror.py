"""The vectors in memory: how much room they take, pages that stay, many who search at once."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid import Calibration, Embeddings
from storage import Gallery, StorageError, TrackUpdate
from storage.blocks import SEGMENT, Segment, Segments
from storage.evidence import Evidence
from storage.likeliest import BEST, Likeliest
from storage.mirror import View
from storage.ranking import GROUPS, found_in, mean_of

from .conftest import a_row
from .places import Place
from .test_search import a_query, fill, literal, name


@pytest.mark.parametrize("level", [1, 2, 4])
def test_a_segment_takes_little_more_room_than_its_vectors(level: int) -> None:
    segment = Segment((128,) * level, SEGMENT)
    arrays = [segment.observation, segment.track, segment.time, segment.inverse]
    vectors = sum(block.nbytes for block in segment.blocks)
    assert vectors == SEGMENT * 128 * level * 2
    assert sum(array.nbytes for array in arrays) + vectors <= 1.2 * vectors


def test_rows_fill_segment_after_segment_and_tracks_can_be_dropped() -> None:
    rng = np.random.default_rng(0)
    n = 2 * SEGMENT + 17
    vectors = rng.normal(size=(n, 3)).astype(np.float16)
    track = rng.integers(0, 50, n).astype(np.int32)
    segments = Segments((1, 2))
    for start in range(0, n, 50_000):
        part = slice(start, start + 50_000)
        ids = np.arange(n)[part]
        segments.add(2, ids, track[part], ids.astype(np.float64), vectors[part])
    assert [part.count for part in segments.filled()] == [SEGMENT, SEGMENT, 17]
    segments.drop(np.zeros(50, np.bool_))
    assert sum(part.count for part in segments.filled()) == n
    dead = np.isin(np.arange(50), [3, 7])
    segments.drop(dead)
    kept = ~dead[track]
    parts = segments.filled()
    held = np.concatenate([part.segment.observation[: part.count] for part in parts])
    assert np.array_equal(held, np.flatnonzero(kept))
    query = rng.normal(size=(1, 3)).astype(np.float32)
    looks = Embeddings(query, np.array([2], np.int8), np.ones(1, np.float32), (1, 2))
    bend = np.full((2, 2), 5, np.float32), np.full((2, 2), -6, np.float32)
    curve = Calibration(*bend, bound=float("inf"))
    evidence = Evidence([looks], curve)
    scores = np.concatenate(
        [evidence.scores(part.segment, slice(0, part.count)) for part in parts], axis=1
    )
    wide = vectors[kept].astype(np.float32)
    unit = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    cosine = unit @ (query / np.linalg.norm(query, axis=1, keepdims=True)).T
    assert np.allclose(scores[0], (5 - 6 * (2 - 2 * cosine))[:, 0], atol=1e-4)


@settings(deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 5), st.sampled_from([-6.0, -1.5, 0.25, 3.0]), st.integers(0, 9)),
        max_size=40,
    ),
    cut=st.integers(0, 40),
    queries=st.integers(1, 3),
)
def test_the_likeliest_rows_of_each_person(
    rows: list[tuple[int, float, int]], cut: int, queries: int
) -> None:
    """Taken in in any order, by two who join."""
    person = np.array([2, 0, 1, 2, 1, 0])
    found, other = Likeliest.of(queries, 4), Likeliest.of(queries, 4)
    for taker, some in ((found, rows[:cut]), (other, rows[cut:])):
        track = np.array([t for t, _, _ in some], np.int32)
        scores = np.array([[s * (q + 1) for _, s, _ in some] for q in range(queries)])
        taker.add(scores, track, person, np.array([o for _, _, o in some], np.int64))
    found.join(other)
    for q in range(queries):
        mean = mean_of(found.best[q])
        for one in range(4):
            own = sorted((-s * (q + 1), o) for t, s, o in rows if person[t] == one)
            if not own:
                assert found.best[q, 0, one] == -np.inf
                continue
            best = [-s for s, _ in own[:BEST]]
            assert found.best[q, :, one].tolist() == best + [-np.inf] * (BEST - len(best))
            assert found.first[q, one] == own[0][1]
            assert mean[one] == pytest.approx(np.mean(best))


@settings(deadline=None)
@given(
    persons=st.sampled_from([0, 1, 7, GROUPS - 1, GROUPS, 2 * GROUPS, 5 * GROUPS + 3]),
    most=st.sampled_from([0, 1, 10, 3 * GROUPS]),
    scores=st.integers(1, 10**6),
    there=st.sampled_from([0.0, 0.002, 0.5, 1.0]),
    seed=st.integers(0, 99),
)
def test_of_many_persons_the_likeliest_are_named(
    persons: int, most: int, scores: int, there: float, seed: int
) -> None:
    """Of those with rows here alone; of equally likely ones those who come first."""
    rng = np.random.default_rng(seed)
    best = np.full((BEST, persons), -np.inf)
    best[0] = np.where(
        rng.random(persons) < there, rng.integers(0, scores, persons) / scores, -np.inf
    )
    owners, elsewhere = np.arange(persons) * 3, rng.random(persons) < 0.1
    tracks = np.zeros(0, np.int64)
    view = View((), 0, tracks, tracks, owners, elsewhere)
    found = found_in(view, best, np.arange(persons), most)
    own = [p for p in range(persons) if best[0, p] > -np.inf and not elsewhere[p]]
    others = [p for p in range(persons) if best[0, p] > -np.inf and elsewhere[p]]
    named = sorted(own, key=lambda p: (-best[0, p], p))[:most] + others
    assert found.persons == len(own)
    assert found.observation.tolist() == named
    assert found.owner.tolist() == [3 * p for p in named]
    assert found.scores[0].tolist() == best[0, named].tolist()


def test_pages_follow_each_other_while_rows_are_added(gallery: Gallery, place: Place) -> None:
    fill(gallery, 8)
    query = a_query(2, 2)
    whole = gallery.search(query, top=1000)
    pages, page = [], None
    with Gallery.open(place) as other:
        for turn in range(100):
            found = gallery.search_page(query, page=page, top=4)
            assert found.persons == len(whole)
            pages += found.hits
            page = found.next
            if page is None:
                break
            session = other.begin_session("near", "near", f"more {turn}", 2000.0, 10.0)
            rows = [a_row(np.random.default_rng(turn), f) for f in range(5)]
            other.append(session.id, 5, 0, [TrackUpdate(1, rows)])
    assert [name(hit) for hit in pages] == [name(hit) for hit in whole]
    assert [hit.probability for hit in pages] == [hit.probability for hit in whole]
    assert len(gallery.search(query, top=1000)) > len(whole)
    for wrong in ("", "7", "x.y", "-1.3"):
        with pytest.raises(StorageError, match="no page"):
            gallery.search_page(query, page=wrong)


def test_one_identity_alone(gallery: Gallery) -> None:
    fill(gallery, 9)
    query = a_query(3, 1)
    everybody = {hit.identity: hit for hit in gallery.search(query, top=1000) if hit.identity}
    for who, hit in everybody.items():
        (own,) = gallery.search(query, identity=who)
        assert (own.identity, own.best) == (who, hit.best)
        assert own.log_odds == pytest.approx(hit.log_odds)
    cameras = {hit.best.camera for hit in gallery.search(query, identity=who, camera="near")}
    assert cameras <= {"near"}
    with pytest.raises(StorageError, match="no identity 999"):
        gallery.search(query, identity=999)


def test_many_search_while_one_writes_and_links(gallery: Gallery, place: Place) -> None:
    fill(gallery, 10)
    errors: list[BaseException] = []
    done = threading.Event()

    def search(seed: int) -> None:
        try:
            while not done.is_set():
                hits = gallery.search(a_query(seed, 1 + seed % 2), top=1000)
                assert hits
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=search, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    with Gallery.open(place) as other:
        session = other.begin_session("near", "near", "more", 2000.0, 10.0)
        for frame in range(20):
            rows = [a_row(np.random.default_rng(frame), frame)]
            other.append(session.id, frame + 1, 0, [TrackUpdate(frame, rows)])
            tracks = [t.id for t in other.tracks(looks=0)]
            other.save_identities({t: t % (3 + frame % 3) for t in tracks}, {})
    done.set()
    for thread in threads:
        thread.join()
    assert errors == []
    query = a_query(5, 2)
    expected = literal(gallery, query, None, None, None, None)
    found = gallery.search(query, top=1000)
    assert {name(hit) for hit in found} == set(expected)
    for hit in found:
        assert hit.log_odds == pytest.approx(expected[name(hit)], abs=1e-4)


def test_a_broken_row_leaves_the_mirror_as_it_was(gallery: Gallery, place: Place) -> None:
    from .places import ask

    fill(gallery, 11)
    query = a_query(1, 1)
    level, vector = ask(place, "SELECT level, vector FROM embedding WHERE observation_id = 5")[0]
    ask(place, "UPDATE embedding SET vector = x'0000' WHERE observation_id = 5")
    with pytest.raises(StorageError, match=r"Gallery\.check"):
        gallery.search(query)
    blob = bytes(vector).hex()
    if isinstance(place, str):
        ask(place, f"UPDATE embedding SET vector = '\\x{blob}'::bytea WHERE observation_id = 5")
    else:
        ask(place, f"UPDATE embedding SET vector = x'{blob}' WHERE observation_id = 5")
    assert level >= 1
    expected = literal(gallery, query, None, None, None, None)
    found = gallery.search(query, top=1000)
    assert {name(hit): hit.log_odds for hit in found} == pytest.approx(expected, abs=1e-4)


def test_few_looks_of_a_track(gallery: Gallery) -> None:
    session = gallery.begin_session("near", "near", "near", 1000.0, 10.0)
    rng = np.random.default_rng(3)
    rows = [a_row(rng, frame) for frame in range(40)]
    gallery.append(session.id, 40, 0, [TrackUpdate(1, rows), TrackUpdate(2, rows[:3])])
    long, short = gallery.tracks(looks=8)
    assert (len(long.embeddings), len(short.embeddings)) == (8, 3)
    spans = [[row for row in rows if row.frame // 5 == span] for span in range(8)]
    best = [max(span, key=lambda row: row.quality).time for span in spans]
    assert long.times[1:-1].tolist() == pytest.approx(best[1:-1])
    assert [len(t.embeddings) for t in gallery.tracks(looks=0)] == [0, 0]
    assert [t.count for t in gallery.tracks(looks=0)] == [40, 3]
    whole = gallery.tracks()[0]
    rows_of = [int(np.flatnonzero(whole.times == time)[0]) for time in long.times]
    assert np.array_equal(whole.embeddings[rows_of].vectors, long.embeddings.vectors)
