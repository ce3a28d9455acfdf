"""What the linker does in situations that docs/choices.md defines."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid import Calibration, Embeddings
from tracker import Constraints, LinkSettings, Tracklet, link

SIZES = (8, 8, 8)
CALIBRATION = Calibration(np.full((3, 3), 5.0, np.float32), np.full((3, 3), -8.0, np.float32))
AB = frozenset("ab")


def tracklet(
    key: int, camera: str, first: float, last: float, who: int, noise: float = 0.25, level: int = 3
) -> Tracklet:
    person = np.random.default_rng(who).normal(size=sum(SIZES))
    vectors = person + noise * np.random.default_rng(key + 1000).normal(size=(3, sum(SIZES)))
    vectors[:, sum(SIZES[:level]) :] = 0
    one = np.ones(3, np.float32)
    embeddings = Embeddings(vectors.astype(np.float32), np.full(3, level, np.int8), one, SIZES)
    return Tracklet(key, camera, first, last, embeddings)


def people(tracks: list[Tracklet], constraints: Constraints | None = None) -> set[tuple[int, ...]]:
    return {i.tracks for i in link(tracks, CALIBRATION, constraints)}


@st.composite
def sites(draw: st.DrawFn) -> list[Tracklet]:
    """Tracks of few people, some of them the very same picture, at any time in three cameras."""
    count = draw(st.integers(0, 16))
    tracks = []
    for key in range(count):
        first = draw(st.integers(0, 40)) / 2
        last = first + draw(st.integers(0, 10)) / 2
        who, noise = draw(st.integers(0, 4)), draw(st.sampled_from((0.0, 0.25, 0.8)))
        camera, level = draw(st.sampled_from("abc")), draw(st.integers(1, 3))
        tracks.append(tracklet(key, camera, first, last, who, noise, level))
    return tracks


CONSTRAINTS = st.sampled_from(
    (Constraints(), Constraints(frozenset()), Constraints(frozenset({AB}), {frozenset("ac"): 3.0}))
)


@settings(max_examples=60, deadline=None)
@given(sites(), CONSTRAINTS, st.floats(-4, 4))
def test_no_identity_is_where_the_constraints_forbid(
    tracks: list[Tracklet], constraints: Constraints, prior: float
) -> None:
    found = link(tracks, CALIBRATION, constraints, LinkSettings(prior=prior))
    by_key = {t.key: t for t in tracks}
    assert sorted(k for i in found for k in i.tracks) == sorted(by_key)
    for identity in found:
        for a, b in combinations(identity.tracks, 2):
            assert constraints.allow(by_key[a], by_key[b])
            same_moment = max(by_key[a].first, by_key[b].first) <= min(
                by_key[a].last, by_key[b].last
            )
            assert not (by_key[a].camera == by_key[b].camera and same_moment)


@settings(max_examples=60, deadline=None)
@given(sites(), CONSTRAINTS, st.randoms(use_true_random=False))
def test_neither_order_nor_numbers_of_tracks_matter(
    tracks: list[Tracklet],
    constraints: Constraints,
    random: object,
) -> None:
    contents = [
        (t.camera, t.first, t.last, t.embeddings.vectors.tobytes(), t.embeddings.levels.tobytes())
        for t in tracks
    ]
    numbers = list(range(100, 100 + len(tracks)))
    random.shuffle(numbers)  # type: ignore[attr-defined]
    renumbered = [
        Tracklet(number, t.camera, t.first, t.last, t.embeddings)
        for number, t in zip(numbers, tracks, strict=True)
    ]
    random.shuffle(renumbered)  # type: ignore[attr-defined]
    content_of = dict(zip(numbers, contents, strict=True))
    expected = sorted(sorted(contents[k] for k in g) for g in people(tracks, constraints))
    found = sorted(sorted(content_of[k] for k in g) for g in people(renumbered, constraints))
    assert found == expected


@settings(max_examples=30, deadline=None)
@given(sites(), st.integers(-1_000_000, 1_000_000))
def test_when_the_clock_began_does_not_matter(tracks: list[Tracklet], seconds: int) -> None:
    later = [
        Tracklet(t.key, t.camera, t.first + seconds, t.last + seconds, t.embeddings) for t in tracks
    ]
    assert people(later) == people(tracks)


def test_twins_are_two_people_who_may_be_exchanged() -> None:
    together = [
        tracklet(1, "a", 0, 5, who=7, noise=0),
        tracklet(2, "a", 1, 6, who=7, noise=0),
        tracklet(3, "b", 20, 25, who=7, noise=0),
        tracklet(4, "b", 21, 26, who=7, noise=0),
    ]
    found = people(together)
    assert found in ({(1, 3), (2, 4)}, {(1, 4), (2, 3)})
    assert people(together[::-1]) == found


def test_twins_never_seen_together_are_taken_for_one() -> None:
    apart = [tracklet(1, "a", 0, 5, who=7, noise=0), tracklet(2, "a", 60, 65, who=7, noise=0)]
    assert people(apart) == {(1, 2)}


@pytest.mark.parametrize("gap", [0.0, 0.04])
def test_a_change_of_camera_within_one_frame(gap: float) -> None:
    tracks = [tracklet(1, "a", 0, 10, who=7), tracklet(2, "b", 10 + gap, 20, who=7)]
    assert people(tracks) == {(1, 2)}
    assert people(tracks, Constraints(overlapping=frozenset())) == {(1, 2)}
    assert people(tracks, Constraints(travel={AB: 2.0})) == {(1,), (2,)}


def test_an_empty_hour_is_no_evidence() -> None:
    tracks = [tracklet(1, "a", 0, 10, who=7), tracklet(2, "b", 20, 30, who=7)]
    others = [tracklet(3, "a", 12, 14, who=8), tracklet(4, "b", 32, 34, who=9)]
    later = [Tracklet(t.key, t.camera, t.first + 3600, t.last + 3600, t.embeddings) for t in others]
    first, second = (link([*tracks, *some], CALIBRATION) for some in (others, later))
    assert [i.tracks for i in first] == [i.tracks for i in second] == [(1, 2), (3,), (4,)]
    assert first[0].evidence == second[0].evidence
    gap = [tracks[0], tracklet(2, "b", 3620, 3630, who=7)]
    assert people(gap) == {(1, 2)}


def test_a_clock_two_seconds_late_parts_only_where_the_site_excludes_overlaps() -> None:
    skew = 2.0
    left, entered = 10.0, 11.0 - skew
    tracks = [tracklet(1, "a", 0, left, who=7), tracklet(2, "b", entered, 20, who=7)]
    assert people(tracks) == {(1, 2)}
    assert people(tracks, Constraints(overlapping=frozenset({AB}))) == {(1, 2)}
    assert people(tracks, Constraints(overlapping=frozenset())) == {(1,), (2,)}
    assert people(tracks, Constraints(travel={AB: 1.0})) == {(1,), (2,)}


def test_a_regular_among_many_is_mostly_one_identity() -> None:
    regular = [tracklet(k, "abc"[k % 3], 10.0 * k, 10.0 * k + 5, who=7) for k in range(60)]
    others = [tracklet(k, "abc"[k % 3], 10.0 * k, 10.0 * k + 5, who=k) for k in range(100, 160)]
    found = people(regular + others)
    assert max(len(set(i) & set(range(60))) for i in found) >= 54
