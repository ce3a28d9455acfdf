import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid import Embeddings
from tracker import Constraints, LinkSettings, TrackerError, Tracklet, link

from .people import CALIBRATION, SIZES, allowed, groups, tracklet


def test_people_are_linked_over_cameras_and_levels() -> None:
    tracks = [
        tracklet(10 * who + c, f"c{c}", 10.0 * c, who, level=c + 1)
        for who in range(5)
        for c in range(3)
    ]
    assert groups(tracks) == {(10 * w, 10 * w + 1, 10 * w + 2) for w in range(5)}


def test_one_camera_cannot_see_a_person_twice_at_one_moment() -> None:
    twins = [tracklet(1, "a", 0, who=7), tracklet(2, "a", 1, who=7)]
    assert groups(twins) == {(1,), (2,)}
    later = [tracklet(1, "a", 0, who=7), tracklet(2, "a", 4, who=7)]
    assert groups(later) == {(1, 2)}


def test_travel_times_and_overlaps_of_the_site() -> None:
    pair = frozenset(("a", "b"))
    tracks = [tracklet(1, "a", 0, who=7, last=3), tracklet(2, "b", 5, who=7)]
    assert groups(tracks) == {(1, 2)}
    assert groups(tracks, Constraints(travel={pair: 4.0})) == {(1,), (2,)}
    together = [tracklet(1, "a", 0, who=7), tracklet(2, "b", 1, who=7)]
    assert groups(together) == {(1, 2)}
    assert groups(together, Constraints(overlapping=frozenset())) == {(1,), (2,)}
    assert groups(together, Constraints(overlapping=frozenset({pair}))) == {(1, 2)}
    assert groups(together, Constraints(frozenset({pair}), {pair: 1.0})) == {(1,), (2,)}


def test_tracks_without_embeddings_stay_alone() -> None:
    silent = Tracklet(3, "b", 20, 21, Embeddings.empty(SIZES))
    assert groups([tracklet(1, "a", 0, 7), tracklet(2, "b", 9, 7), silent]) == {(1, 2), (3,)}
    assert link([], CALIBRATION) == []


def test_evidence_names_its_pairs_and_level() -> None:
    (one,) = link([tracklet(1, "a", 0, 7, level=1), tracklet(2, "b", 9, 7, level=3)], CALIBRATION)
    evidence = one.evidence[1, 2]
    assert evidence.level == 1
    assert evidence.log_odds > 2
    assert one.support(1) == one.support(2) == evidence.log_odds


def test_a_higher_prior_links_more() -> None:
    tracks = [tracklet(i, f"c{i}", 10.0 * i, who=i) for i in range(6)]
    strict = link(tracks, CALIBRATION, settings=LinkSettings(prior=-20))
    loose = link(tracks, CALIBRATION, settings=LinkSettings(prior=+20))
    assert len(strict) == 6
    assert len(loose) == 1


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_order_does_not_matter_and_constraints_always_hold(seed: int, random: object) -> None:
    generator = np.random.default_rng(seed)
    tracks = [
        tracklet(
            key,
            f"c{generator.integers(3)}",
            float(generator.uniform(0, 30)),
            int(generator.integers(5)),
            int(generator.integers(1, 4)),
        )
        for key in range(14)
    ]
    expected = groups(tracks)
    shuffled = list(tracks)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert groups(shuffled) == expected
    by_key = {t.key: t for t in tracks}
    assert sorted(k for g in expected for k in g) == sorted(by_key)
    for group in expected:
        for a in group:
            for b in group:
                if a < b:
                    assert allowed(Constraints(), by_key[a], by_key[b])


@pytest.mark.parametrize("gap", [0.0, -1.0])
def test_touching_tracks_of_one_camera_stay_apart(gap: float) -> None:
    tracks = [tracklet(1, "a", 0, 7, last=5), tracklet(2, "a", 5 + gap, 7)]
    assert groups(tracks) == {(1,), (2,)}


def test_embeddings_of_two_models_are_refused() -> None:
    one = tracklet(1, "a", 0, 7)
    embeddings = one.embeddings
    other = Embeddings(embeddings.vectors, embeddings.levels, embeddings.quality, (4, 12, 8))
    with pytest.raises(TrackerError, match=r"\(8, 8, 8\) and \(4, 12, 8\)"):
        link([one, Tracklet(2, "b", 9, 12, other)], CALIBRATION)
