"""What the linker does in situations that docs/linking.md defines."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker import Constraints, LinkSettings, Tracklet, link

from .people import CALIBRATION, allowed, groups, tracklet

AB = frozenset("ab")


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
        tracks.append(tracklet(key, camera, first, who, level, last, noise))
    return tracks


def later(track: Tracklet, seconds: float) -> Tracklet:
    first, last = track.first + seconds, track.last + seconds
    return Tracklet(track.key, track.camera, first, last, track.embeddings)


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
            assert allowed(constraints, by_key[a], by_key[b])
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
    expected = sorted(sorted(contents[k] for k in g) for g in groups(tracks, constraints))
    found = sorted(sorted(content_of[k] for k in g) for g in groups(renumbered, constraints))
    assert found == expected


@settings(max_examples=30, deadline=None)
@given(sites(), st.integers(-1_000_000, 1_000_000))
def test_when_the_clock_began_does_not_matter(tracks: list[Tracklet], seconds: int) -> None:
    assert groups([later(t, seconds) for t in tracks]) == groups(tracks)


@settings(max_examples=60, deadline=None)
@given(sites(), CONSTRAINTS, st.integers(0, 60), st.integers(1, 7200))
def test_a_gap_joins_nobody_who_was_apart(
    tracks: list[Tracklet], constraints: Constraints, when: int, gap: int
) -> None:
    """All cameras see nothing for a while: who is in view then is so from before to after it."""
    moved = [
        Tracklet(
            t.key,
            t.camera,
            t.first + gap * (t.first > when / 2),
            t.last + gap * (t.last > when / 2),
            t.embeddings,
        )
        for t in tracks
    ]
    loose = Constraints(constraints.overlapping)
    assert groups(moved, loose) == groups(tracks, loose)
    by_key = {t.key: t for t in moved}
    for group in groups(moved, constraints):
        assert all(allowed(constraints, by_key[a], by_key[b]) for a, b in combinations(group, 2))


def test_twins_are_two_people_who_may_be_exchanged() -> None:
    together = [
        tracklet(1, "a", 0, last=5, who=7, noise=0),
        tracklet(2, "a", 1, last=6, who=7, noise=0),
        tracklet(3, "b", 20, last=25, who=7, noise=0),
        tracklet(4, "b", 21, last=26, who=7, noise=0),
    ]
    found = groups(together)
    assert found in ({(1, 3), (2, 4)}, {(1, 4), (2, 3)})
    assert groups(together[::-1]) == found


def test_twins_never_seen_together_are_taken_for_one() -> None:
    apart = [
        tracklet(1, "a", 0, last=5, who=7, noise=0),
        tracklet(2, "a", 60, last=65, who=7, noise=0),
    ]
    assert groups(apart) == {(1, 2)}


@pytest.mark.parametrize("gap", [0.0, 0.04])
def test_a_change_of_camera_within_one_frame(gap: float) -> None:
    tracks = [tracklet(1, "a", 0, last=10, who=7), tracklet(2, "b", 10 + gap, last=20, who=7)]
    assert groups(tracks) == {(1, 2)}
    assert groups(tracks, Constraints(overlapping=frozenset())) == {(1, 2)}
    assert groups(tracks, Constraints(travel={AB: 2.0})) == {(1,), (2,)}


def test_an_empty_hour_is_no_evidence() -> None:
    tracks = [tracklet(1, "a", 0, last=10, who=7), tracklet(2, "b", 20, last=30, who=7)]
    others = [tracklet(3, "a", 12, last=14, who=8), tracklet(4, "b", 32, last=34, who=9)]
    after = [later(t, 3600) for t in others]
    first, second = (link([*tracks, *some], CALIBRATION) for some in (others, after))
    assert [i.tracks for i in first] == [i.tracks for i in second] == [(1, 2), (3,), (4,)]
    assert first[0].evidence == second[0].evidence
    gap = [tracks[0], tracklet(2, "b", 3620, last=3630, who=7)]
    assert groups(gap) == {(1, 2)}


def test_a_clock_two_seconds_late_parts_only_where_the_site_excludes_overlaps() -> None:
    skew = 2.0
    left, entered = 10.0, 11.0 - skew
    tracks = [tracklet(1, "a", 0, last=left, who=7), tracklet(2, "b", entered, last=20, who=7)]
    assert groups(tracks) == {(1, 2)}
    assert groups(tracks, Constraints(overlapping=frozenset({AB}))) == {(1, 2)}
    assert groups(tracks, Constraints(overlapping=frozenset())) == {(1,), (2,)}
    assert groups(tracks, Constraints(travel={AB: 1.0})) == {(1,), (2,)}


def test_a_regular_among_many_is_mostly_one_identity() -> None:
    regular = [tracklet(k, "abc"[k % 3], 10.0 * k, last=10.0 * k + 5, who=7) for k in range(60)]
    others = [
        tracklet(k, "abc"[k % 3], 10.0 * k, last=10.0 * k + 5, who=k) for k in range(100, 160)
    ]
    found = groups(regular + others)
    assert max(len(set(i) & set(range(60))) for i in found) >= 54


def test_two_hundred_people_in_one_frame_are_two_hundred() -> None:
    here = [tracklet(k, "a", 0, who=k, last=20) for k in range(200)]
    assert groups(here) == {(k,) for k in range(200)}
    there = [tracklet(200 + k, "b", 60, who=k, last=80, level=1 + k % 3) for k in range(200)]
    assert groups(here + there) == {(k, 200 + k) for k in range(200)}


def test_two_hundred_twins_in_one_frame_are_two_hundred() -> None:
    here = [tracklet(k, "a", 0, who=7, last=20, noise=0) for k in range(200)]
    there = [tracklet(200 + k, "b", 60, who=7, last=80, noise=0) for k in range(200)]
    found = groups(here + there)
    assert all(len({key // 200 for key in group}) == len(group) for group in found)
