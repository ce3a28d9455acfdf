"""A gallery in parts answers as the whole does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid import Embeddings, ModelInfo
from storage import (
    Gallery,
    Limits,
    Part,
    SearchPage,
    StorageError,
    StoredTrack,
    TrackUpdate,
)
from storage.cutting import divided

from .conftest import SIZES, a_model, a_row
from .places import KINDS, Place, ask, new_place
from .test_search import a_query, fill, name

CAMERAS = ("near", "middle", "far")
TIMES = [1000.0 + i / 2 for i in range(11)]
"""Among the moments at which tracks of `fill` begin."""

times = st.none() | st.sampled_from(TIMES)


@pytest.fixture(scope="module", params=KINDS)
def filled(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gallery]:
    """Tracks and identities on three cameras; some rows of several tracks are the same."""
    with (
        new_place(request.param, tmp_path_factory.mktemp("parts")) as place,
        Gallery.open(place, model=a_model(), create=True) as gallery,
    ):
        fill(gallery, 0)
        for camera in CAMERAS:
            session = gallery.begin_session(camera, "again", "again", 1000.0, 10.0)
            same = np.random.default_rng(5)
            rows = [replace(a_row(same, f), time=1000.0 + f / 2) for f in range(6)]
            alone = [TrackUpdate(n, [row]) for n, row in enumerate(rows)]
            gallery.append(session.id, 9, 0, [*alone, TrackUpdate(9, rows)])
        yield gallery


@pytest.fixture(scope="module")
def seen(filled: Gallery) -> list[StoredTrack]:
    return filled.tracks()


@st.composite
def splits(draw: st.DrawFn) -> list[Part]:
    """Parts that together are everything."""
    cuts = [None, *sorted(draw(st.sets(st.sampled_from(TIMES), max_size=3))), None]
    parts = []
    for after, before in pairwise(cuts):
        groups = draw(st.lists(st.integers(0, 2), min_size=3, max_size=3))
        named = {
            g: tuple(c for c, own in zip(CAMERAS, groups, strict=True) if own == g) for g in (1, 2)
        }
        parts.append(Part(after, before, None, named[1] + named[2]))
        parts += [Part(after, before, own) for own in named.values() if own]
    return parts


limits_ = st.builds(
    Limits,
    camera=st.sampled_from([None, *CAMERAS]),
    after=times,
    before=times,
    min_level=st.sampled_from([None, 1, 2, 3]),
    until=st.sampled_from([None, 20, 60]),
)


def all_pages(gallery: Gallery, query: Embeddings, limits: Limits, top: int) -> list[SearchPage]:
    """Page after page; the first as far as `until`."""
    pages = [gallery.search_page(query, limits, page=_first(limits), top=top)]
    while pages[-1].next:
        pages.append(gallery.search_page(query, limits, page=pages[-1].next, top=top))
    return pages


def _first(limits: Limits) -> str | None:
    return None if limits.until is None else f"{limits.until}.0"


def without_chances(pages: Sequence[SearchPage]) -> list[SearchPage]:
    return [replace(p, hits=tuple(replace(h, probability=0) for h in p.hits)) for p in pages]


@settings(max_examples=25, deadline=None)
@given(
    parts=splits(),
    limits=limits_,
    person=st.booleans(),
    seed=st.integers(0, 50),
    looks=st.integers(1, 3),
    top=st.sampled_from([7, 1000]),
)
def test_any_split_finds_what_the_whole_finds(
    filled: Gallery,
    seen: list[StoredTrack],
    parts: list[Part],
    limits: Limits,
    person: bool,
    seed: int,
    looks: int,
    top: int,
) -> None:
    """To the bit, but for the sum of all likelihoods, which is added up in another order."""
    query = a_query(seed, looks)
    if seed % 2:
        query = seen[seed % 20].embeddings[:looks]
    if person:
        limits = replace(limits, identity=next(t.identity for t in seen if t.identity))
    whole = all_pages(filled, query, limits, top)
    found = all_pages(filled.in_parts(parts), query, limits, top)
    assert without_chances(found) == without_chances(whole)
    chances = [[h.probability for p in pages for h in p.hits] for pages in (found, whole)]
    assert chances[0] == pytest.approx(chances[1], rel=1e-12)


@settings(max_examples=8, deadline=None)
@given(parts=splits(), limits=limits_, seed=st.integers(0, 50), n=st.integers(1, 5))
def test_several_queries_and_many_looks(
    filled: Gallery, parts: list[Part], limits: Limits, seed: int, n: int
) -> None:
    """Many looks are multiplied as matrices, whose rounding knows where a row stands."""
    limits = replace(limits, until=None)
    queries = [a_query(seed + i, 1 + i % 3) for i in range(n)]
    whole = filled.search_many(queries, limits, top=1000)
    found = filled.in_parts(parts).search_many(queries, limits, top=1000)
    assert len(found) == n
    for own, other in zip(found, whole, strict=True):
        scores = {name(hit): hit.log_odds for hit in other}
        assert {name(hit): hit.log_odds for hit in own} == pytest.approx(scores, abs=1e-5)


@given(part=splits().flatmap(st.sampled_from), limits=limits_)
@settings(max_examples=60, deadline=None)
def test_no_part_is_passed_over_that_holds_a_row(
    seen: list[StoredTrack], part: Part, limits: Limits
) -> None:
    longest = max(t.last - t.first for t in seen)
    for track in seen:
        inside = (
            (part.after is None or track.first >= part.after)
            and (part.before is None or track.first < part.before)
            and (part.cameras is None or track.camera in part.cameras)
            and track.camera not in part.but
        )
        passing = [
            limits.camera in (None, track.camera)
            and (limits.after is None or time >= limits.after)
            and (limits.before is None or time <= limits.before)
            for time in track.times
        ]
        if inside and any(passing):
            assert part.may_pass(limits, longest + 1)


counts = st.dictionaries(
    st.tuples(st.integers(-3, 9), st.sampled_from(CAMERAS)), st.integers(1, 99), min_size=1
)


@settings(deadline=None)
@given(counts, st.integers(1, 9))
def test_each_track_is_in_one_part(rows: dict[tuple[int, str], int], wanted: int) -> None:
    counted = [(window, camera, n) for (window, camera), n in sorted(rows.items())]
    parts = divided(counted, wanted, 60.0)
    for window, camera in [*rows, (-9, "near"), (99, "far"), (3, "new")]:
        first = window * 60.0
        own = [
            p
            for p, _ in parts
            if (p.after is None or p.after <= first)
            and (p.before is None or first < p.before)
            and (p.cameras is None or camera in p.cameras)
            and camera not in p.but
        ]
        assert len(own) == 1
    assert sum(n for _, n in parts) == sum(rows.values())


def test_parts_hold_about_as_many_rows() -> None:
    hours = [(hour, camera, 10) for hour in range(24) for camera in ("a", "b", "c", "d")]
    assert [n for _, n in divided(hours, 4, 3600.0)] == [240] * 4
    one = [(0, camera, rows) for camera, rows in (("a", 90), ("b", 50), ("c", 45))]
    assert divided(one, 2, 60.0) == [
        (Part(None, None, None, ("b", "c")), 90),
        (Part(None, None, ("b", "c")), 95),
    ]


def test_parts_that_limits_rule_out_are_not_asked(gallery: Gallery) -> None:
    fill(gallery, 0)
    plan = gallery.parts.cut(6, 1.0)
    assert gallery.parts.plan == plan
    assert sum(plan.rows) == gallery.info().embeddings
    assert len(plan.parts) > 2
    query = a_query(0, 1)

    def asked(limits: Limits) -> set[Part]:
        parts = gallery.in_parts(plan.parts)
        assert parts.search_page(query, limits) == gallery.search_page(query, limits)
        return set(parts._searcher._held)  # type: ignore[union-attr]

    assert asked(Limits()) == set(plan.parts)
    early = asked(Limits(before=1000.2))
    assert early == {p for p in plan.parts if p.after is None}
    assert asked(Limits(after=2000.0)) == {p for p in plan.parts if p.before is None}
    near = {p for p in plan.parts if "near" in (p.cameras or ["near"]) and "near" not in p.but}
    assert asked(Limits(camera="near")) == near
    session = gallery.begin_session("near", "near", "near", 1000.0, 10.0)
    late = replace(a_row(np.random.default_rng(1), 60), time=3000.0)
    gallery.append(session.id, 61, 0, [TrackUpdate(1, [late])])
    assert asked(Limits(after=2000.0)) == set(plan.parts), "somebody stayed for long"
    assert len(gallery.in_parts(plan.parts).search(query, after=2000.0)) == 1


def test_new_rows_and_links_and_removals_are_followed(gallery: Gallery) -> None:
    fill(gallery, 1)
    parts = [Part(before=1001.0), Part(1001.0, None, None, ("far",)), Part(1001.0, None, ("far",))]
    held = gallery.in_parts(parts)
    held.warm()
    query = a_query(2, 2)
    rng = np.random.default_rng(3)
    for turn in range(4):
        session = gallery.begin_session("far", "far", f"more {turn}", 1000.0, 10.0)
        rows = [a_row(rng, frame) for frame in (0, 12, 30)]
        gallery.append(session.id, 31, 0, [TrackUpdate(n, [row]) for n, row in enumerate(rows)])
        tracks = [t.id for t in gallery.tracks(looks=0)]
        gallery.save_identities({t: t % (3 + turn) for t in tracks}, {})
        assert without_chances([held.search_page(query)]) == without_chances(
            [gallery.search_page(query)]
        )
    gallery.life.erase(gallery.identities()[0].id, vacuum=False)
    assert without_chances([held.search_page(query)]) == without_chances(
        [gallery.search_page(query)]
    )


def test_bad_questions_and_plans(gallery: Gallery, place: Place) -> None:
    with pytest.raises(StorageError, match="holds no vectors"):
        gallery.parts.cut(2, 60.0)
    fill(gallery, 2)
    held = gallery.in_parts([Part()])
    with pytest.raises(StorageError, match="no camera 'roof'"):
        held.search(a_query(0, 1), camera="roof")
    with pytest.raises(StorageError, match="no identity 999"):
        held.search(a_query(0, 1), identity=999)
    with pytest.raises(StorageError, match="at least one"):
        held.search(Embeddings.empty(SIZES))
    for parts, window in ((0, 60.0), (2, 0.0), (2, float("inf"))):
        with pytest.raises(StorageError, match="one part or more"):
            gallery.parts.cut(parts, window)
    assert gallery.parts.plan is None
    gallery.parts.cut(2, 60.0)
    ask(place, "UPDATE track SET first = first - 900 WHERE id = 1")
    done = gallery.repair().done
    assert "forgot how it was cut into parts: cut it anew" in done
    assert gallery.parts.plan is None
    gallery.parts.cut(2, 60.0)
    gallery.parts.forget()
    assert gallery.parts.plan is None
    if not isinstance(place, str):
        with pytest.raises(StorageError, match="copy it to a PostgreSQL server"):
            gallery.in_parts([Part()], lambda parts, question: []).search(a_query(0, 1))


def test_all_parts_see_one_state(
    model: ModelInfo, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What is written between two answers is in neither."""
    with (
        new_place("postgres", tmp_path_factory.mktemp("state")) as place,
        Gallery.open(place, model=model, create=True) as gallery,
        Gallery.open(place, model=model, read_only=True) as elsewhere,
    ):
        fill(gallery, 4)
        parts = [Part(before=1001.0), Part(1001.0)]
        held = {part: elsewhere.part(part) for part in parts}

        def answers(asked, question):  # type: ignore[no-untyped-def]
            out = []
            turn = len(gallery.sessions())
            for part in asked:
                out.append(held[part].answer(question))
                session = gallery.begin_session("far", "far", f"{turn} {part}", 1000.0, 10.0)
                rng = np.random.default_rng(turn)
                updates = [TrackUpdate(n, [a_row(rng, 9 * n)]) for n in range(4)]
                gallery.append(session.id, 40, 0, updates)
                tracks = [t.id for t in gallery.tracks(looks=0)]
                gallery.save_identities({t: t % (2 + turn) for t in tracks}, {})
            return out

        query = a_query(1, 2)
        for _ in range(3):
            before = gallery.search_page(query, top=1000)
            found = gallery.in_parts(parts, answers).search_page(query, top=1000)
            assert without_chances([found]) == without_chances([before])
            assert gallery.search_page(query, top=1000) != before
