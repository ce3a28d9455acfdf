"""Tracks linked part by part, and then over the parts."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid import Embeddings
from tracker import (
    Bundle,
    Constraints,
    Judgements,
    Span,
    Tracklet,
    link,
    link_part,
    link_parts,
)
from tracker.constraints import Conflicts
from tracker.parts import LOOKS

from .people import CALIBRATION, SIZES, allowed, site, tracklet

SITES = (
    Constraints(),
    Constraints(frozenset()),
    Constraints(frozenset({frozenset(("c0", "c1"))}), {frozenset(("c0", "c2")): 8.0}),
)


def bundles_of(
    tracks: list[Tracklet],
    window: float,
    constraints: Constraints | None = None,
    judgements: Judgements | None = None,
) -> list[list[Bundle]]:
    """The parts of a site: windows, two zones, and the tracks that people confirmed."""
    parts: dict[object, list[Tracklet]] = {}
    for track in tracks:
        part: object = int(track.first // window), track.camera == "c2"
        if judgements and track.key in judgements.person:
            part = "confirmed"
        parts.setdefault(part, []).append(track)
    return [
        link_part(part, CALIBRATION, constraints, None, judgements, among=len(tracks))
        for part in parts.values()
    ]


def groups(
    parts: list[list[Bundle]],
    constraints: Constraints | None = None,
    judgements: Judgements | None = None,
) -> set[tuple[int, ...]]:
    every = [bundle for part in parts for bundle in part]
    return {i.tracks for i in link_parts(every, CALIBRATION, constraints, None, judgements)}


def test_people_are_linked_over_parts() -> None:
    tracks = [
        tracklet(10 * who + c, f"c{c}", 10.0 * c + 100 * (who % 2), who, level=c + 1)
        for who in range(5)
        for c in range(3)
    ]
    parts = bundles_of(tracks, 15.0)
    assert len(parts) > 4
    assert groups(parts) == {i.tracks for i in link(tracks, CALIBRATION)}


def test_a_person_at_the_border_of_two_windows_is_one() -> None:
    tracks = [tracklet(k, f"c{k % 2}", 4.0 * k, who=7) for k in range(8)]
    assert tracks[2].first < 10 < tracks[2].last
    assert groups(bundles_of(tracks, 10.0)) == {tuple(range(8))}


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10_000),
    st.floats(2, 70),
    st.sampled_from(SITES),
    st.randoms(use_true_random=False),
)
def test_constraints_hold_over_all_parts_in_any_order(
    seed: int, window: float, constraints: Constraints, random: object
) -> None:
    tracks = site(seed, silent=2)
    parts = bundles_of(tracks, window, constraints)
    found = groups(parts, constraints)
    assert sorted(key for group in found for key in group) == list(range(len(tracks)))
    by_key = {t.key: t for t in tracks}
    for group in found:
        for a, b in combinations(group, 2):
            assert allowed(constraints, by_key[a], by_key[b])
    random.shuffle(tracks)  # type: ignore[attr-defined]
    again = bundles_of(tracks, window, constraints)
    random.shuffle(again)  # type: ignore[attr-defined]
    assert groups(again, constraints) == found


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10_000),
    st.floats(2, 70),
    st.dictionaries(st.integers(0, 23), st.integers(1, 3), max_size=6),
    st.lists(st.tuples(st.integers(0, 23), st.integers(0, 23)), max_size=6),
)
def test_what_people_said_stands_over_all_parts(
    seed: int, window: float, person: dict[int, int], apart: list[tuple[int, int]]
) -> None:
    tracks = site(seed, silent=2)
    told = Judgements(person, [(a, b) for a, b in apart if a != b])
    found = groups(bundles_of(tracks, window, judgements=told), judgements=told)
    home = {key: group for group in found for key in group}
    seen = {t.key for t in tracks if len(t.embeddings)}
    for a, b in combinations(sorted(set(person) & seen), 2):
        assert (home[a] == home[b]) == (person[a] == person[b])
    for a, b in told.apart:
        assert home[a] != home[b] or person.get(a, a) == person.get(b, b + 100)
    by_key = {t.key: t for t in tracks}
    for group in found:
        for a, b in combinations(group, 2):
            if not (a in person and b in person):
                assert allowed(Constraints(), by_key[a], by_key[b])


def test_a_bundle_stands_for_all_its_tracks() -> None:
    tracks = [tracklet(k, f"c{k % 3}", 10.0 * k, who=7) for k in range(9, 0, -1)]
    (bundle,) = link_part(tracks, CALIBRATION, among=9)
    one = bundle.tracklet
    assert bundle.identity.tracks == tuple(range(1, 10))
    assert one.key == 1
    assert one.spans == tuple(Span(t.camera, t.first, t.last) for t in reversed(tracks))
    assert len(one.embeddings) == LOOKS
    looks = np.concatenate([t.embeddings.vectors for t in tracks])
    owners = {int(np.flatnonzero((looks == v).all(axis=1))[0]) // 3 for v in one.embeddings.vectors}
    assert len(owners) == LOOKS


def test_evidence_of_the_parts_and_between_them() -> None:
    tracks = [tracklet(k, f"c{k % 2}", 10.0 * k, who=7) for k in range(4)]
    parts = bundles_of(tracks, 20.0)
    (one,) = link_parts([b for part in parts for b in part], CALIBRATION)
    assert one.tracks == (0, 1, 2, 3)
    assert sorted(one.evidence) == [(0, 1), (0, 2), (2, 3)]
    assert one.support(1) == one.evidence[0, 1].log_odds
    assert one.support(0) == pytest.approx(
        one.evidence[0, 1].log_odds + one.evidence[0, 2].log_odds
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(SITES))
def test_conflicts_of_bundles_are_those_of_their_tracks(
    seed: int, constraints: Constraints
) -> None:
    generator = np.random.default_rng(seed)
    nothing = Embeddings.empty(SIZES)
    conflicts, spans = Conflicts(constraints), []
    for track in range(6):
        own = []
        for _ in range(generator.integers(1, 4)):
            first = float(generator.uniform(0, 60))
            own.append(Span(f"c{generator.integers(3)}", first, first + 4))
        spans.append(own)
        conflicts.put(track, Tracklet(track, *own[0], nothing, tuple(own[1:])))
    every = np.arange(6)
    found = conflicts.between(every[:, None], every[None, :])
    for a, b in combinations(range(6), 2):
        expected = any(
            max(x.first - y.last, y.first - x.last) < constraints.least_gap(x.camera, y.camera)
            for x in spans[a]
            for y in spans[b]
        )
        assert found[a, b] == found[b, a] == expected
