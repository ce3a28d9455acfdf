"""Tracks that come one after the other: the linker of live cameras."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid import Calibration, Embeddings
from tracker import Constraints, Judgements, Linker, LinkSettings, TrackerError, Tracklet, link

from .people import CALIBRATION, allowed, site, tracklet

Groups = set[tuple[int, ...]]


def held_apart(tracks: list[Tracklet], groups: Groups) -> bool:
    by_key = {t.key: t for t in tracks}
    return all(
        allowed(Constraints(), by_key[a], by_key[b]) for g in groups for a in g for b in g if a < b
    )


class Kept:
    """What a program that keeps identities makes of a linker's answers."""

    def __init__(self, linker: Linker) -> None:
        self.linker = linker
        self.of: dict[int, tuple[int, ...]] = {}

    def update(self, tracks: list[Tracklet]) -> None:
        for group in self.linker.update(tracks):
            self.of.update((key, group.tracks) for key in group.tracks)

    @property
    def groups(self) -> Groups:
        """The groups; fails where an answer left something out."""
        for key, group in self.of.items():
            assert all(self.of[other] == group for other in group), key
        return set(self.of.values())


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 7))
def test_answers_name_all_that_changed_and_keep_the_constraints(seed: int, step: int) -> None:
    tracks = site(seed)
    kept = Kept(Linker(CALIBRATION))
    for i in range(0, len(tracks), step):
        kept.update(tracks[i : i + step])
        assert held_apart(tracks, kept.groups)
    assert sorted(kept.of) == sorted(t.key for t in tracks)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_what_was_linked_stays_when_it_is_looked_at_again(seed: int) -> None:
    tracks = site(seed)
    linker = Linker(CALIBRATION)
    first = {g.tracks for g in linker.update(tracks)}
    assert first == {i.tracks for i in link(tracks, CALIBRATION)}
    again = Kept(linker)
    again.update(tracks)
    assert held_apart(tracks, again.groups)
    supports = {k: v for g in linker.update(tracks) for k, v in g.support.items()}
    for group in {g.tracks for g in linker.update(tracks)}:
        identity = linker.identity(group)
        for key in group:
            assert supports[key] == pytest.approx(identity.support(key), abs=1e-4)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10_000),
    st.lists(st.tuples(st.sampled_from("ugf"), st.integers(0, 23)), max_size=30),
)
def test_whatever_comes_grows_and_goes(seed: int, deeds: list[tuple[str, int]]) -> None:
    """Supports are the sums of evidence, groups share no track, and constraints hold."""
    tracks = {t.key: t for t in site(seed)}
    linker, of = Linker(CALIBRATION), dict[int, tuple[int, ...]]()
    known: dict[int, Tracklet] = {}
    for deed, key in deeds:
        if deed == "f":
            linker.forget([key])
            known.pop(key, None)
            gone = of.pop(key, ())
            of.update((k, tuple(x for x in gone if x != key)) for k in gone if k != key)
            continue
        track = tracks[key]
        if deed == "g":
            longer = track.last + 0.5
            track = Tracklet(key, track.camera, track.first, longer, track.embeddings)
        known[key] = tracks[key] = track
        for group in linker.update([track]):
            of.update((k, group.tracks) for k in group.tracks)
            identity = linker.identity(group.tracks)
            for k in group.tracks:
                assert group.support[k] == pytest.approx(identity.support(k), abs=1e-3)
    assert sorted(of) == sorted(known)
    assert all(of[k] == group for group in of.values() for k in group)
    for group in set(of.values()):
        for a, b in combinations(group, 2):
            assert allowed(Constraints(), known[a], known[b])


def test_people_who_are_easy_to_tell_come_out_as_in_one_go() -> None:
    tracks = [
        tracklet(10 * who + c, f"c{c}", 10.0 * c, who, level=c + 1)
        for c in range(3)
        for who in range(8)
    ]
    kept = Kept(Linker(CALIBRATION))
    for track in tracks:
        kept.update([track])
    assert kept.groups == {i.tracks for i in link(tracks, CALIBRATION)}


def test_a_start_is_taken_as_it_is_and_goes_on_like_a_run_that_never_stopped() -> None:
    tracks = [tracklet(k, f"c{k % 3}", 10.0 * k, who=k % 4) for k in range(12)]
    whole = Linker(CALIBRATION)
    identity = {k: g.tracks for g in whole.update(tracks[:8]) for k in g.tracks}
    resumed = Linker(CALIBRATION)
    resumed.start(tracks[:8], identity)
    assert [g.tracks for g in resumed.update(tracks[8:])] == [
        g.tracks for g in whole.update(tracks[8:])
    ]


def test_a_wrong_start_is_mended_where_it_is_looked_at() -> None:
    tracks = [tracklet(k, f"c{k % 3}", 10.0 * k, who=k % 4) for k in range(8)]
    linker = Linker(CALIBRATION)
    linker.start(tracks, dict.fromkeys(range(8), "all") | {3: None})
    kept = Kept(linker)
    kept.update(tracks)
    assert kept.groups == {(k, k + 4) for k in range(4)}


def test_later_looks_join_and_part() -> None:
    far = tracklet(2, "b", 20, who=7, level=1, noise=3.0)
    kept = Kept(Linker(CALIBRATION, settings=LinkSettings(prior=-2)))
    kept.update([tracklet(1, "a", 0, who=7), far])
    assert kept.groups == {(1,), (2,)}
    kept.update([tracklet(2, "b", 20, who=7, last=40)])
    assert kept.groups == {(1, 2)}
    kept.update([tracklet(2, "b", 20, who=8, last=60)])
    assert kept.groups == {(1,), (2,)}


def test_a_track_that_grows_into_a_conflict_leaves() -> None:
    kept = Kept(Linker(CALIBRATION))
    kept.update([tracklet(1, "a", 0, who=7, last=5), tracklet(2, "a", 10, who=7)])
    assert kept.groups == {(1, 2)}
    kept.update([tracklet(1, "a", 0, who=7, last=11)])
    assert kept.groups == {(1,), (2,)}


def test_new_tracks_join_two_identities() -> None:
    one = np.ones(1, np.float32)

    def seen(key: int, angle: float) -> Tracklet:
        vectors = np.array([[np.cos(angle), np.sin(angle)]], np.float32)
        looks = Embeddings(vectors, one.astype(np.int8), one, (2,))
        return Tracklet(key, f"c{key}", 10.0 * key, 10.0 * key + 5, looks)

    table = Calibration(5 * np.ones((1, 1), np.float32), -8 * np.ones((1, 1), np.float32))
    kept = Kept(Linker(table))
    kept.update([seen(0, -0.55), seen(1, 0.55)])
    assert kept.groups == {(0,), (1,)}
    for key in range(2, 9):
        kept.update([seen(key, 0.0)])
    assert kept.groups == {tuple(range(9))}


def test_what_people_said_stands_above_evidence_and_site() -> None:
    same = [tracklet(k, "abcd"[k - 1], 10.0 * k, who=7) for k in range(1, 5)]
    assert {i.tracks for i in link(same, CALIBRATION)} == {(1, 2, 3, 4)}

    def told(judgements: Judgements) -> Groups:
        return {i.tracks for i in link(same, CALIBRATION, judgements=judgements)}

    for judgements in (Judgements(apart=[(3, 1)]), Judgements(person={1: 5, 3: 9})):
        found = told(judgements)
        assert len(found) == 2
        assert all(not {1, 3} <= set(group) for group in found)
    unlike = [tracklet(k, "a", 0.0, who=k) for k in (1, 2, 3)]
    joined = link(unlike, CALIBRATION, judgements=Judgements(person={1: 5, 2: 5}))
    assert {i.tracks for i in joined} == {(1, 2), (3,)}


def test_what_people_said_stands_in_live_linking() -> None:
    judgements = Judgements(person={1: 5, 2: 5, 4: 6}, apart=[(1, 3)])
    kept = Kept(Linker(CALIBRATION, judgements=judgements))
    for key, who in ((1, 1), (2, 2), (3, 1), (4, 1)):
        kept.update([tracklet(key, f"c{key}", 10.0 * key, who)])
    assert kept.groups == {(1, 2), (3, 4)}
    kept.update([tracklet(1, "c1", 10, who=1), tracklet(2, "c2", 20, who=2)])
    assert kept.groups == {(1, 2), (3, 4)}


def test_forgotten_tracks_are_gone_and_others_stay() -> None:
    tracks = [tracklet(k, f"c{k}", 10.0 * k, who=7) for k in range(4)]
    linker = Linker(CALIBRATION, judgements=Judgements(person={0: 3}, apart=[(0, 9)]))
    linker.update(tracks)
    linker.forget([0, 2, 77])
    (group,) = linker.update([tracklet(8, "c8", 80, who=7)])
    assert group.tracks == (1, 3, 8)
    fresh = Linker(CALIBRATION)
    (expected,) = fresh.update([tracks[1], tracks[3], tracklet(8, "c8", 80, who=7)])
    assert group.support == pytest.approx(expected.support, abs=0.2)
    linker.forget([1, 3, 8])
    assert [g.tracks for g in linker.update(tracks[:2])] == [(0, 1)]


def test_two_linkers_share_nothing() -> None:
    tracks = site(3)
    one, other = Linker(CALIBRATION), Linker(CALIBRATION)
    expected = [g.tracks for g in Linker(CALIBRATION).update(tracks)]
    other.update([tracklet(k, "x", 0, who=k % 6) for k in range(24)])
    assert [g.tracks for g in one.update(tracks)] == expected


def test_a_refused_update_changes_nothing() -> None:
    linker = Linker(CALIBRATION)
    tracks = site(4)
    before = [g.tracks for g in linker.update(tracks)]
    one = np.ones(1, np.float32)
    other_model = Embeddings(np.ones((1, 4), np.float32), one.astype(np.int8), one, (4,))
    strange = Tracklet(99, "a", 0, 1, other_model)
    with pytest.raises(TrackerError):
        linker.update([*tracks, strange])
    assert {g.tracks for g in linker.update([tracks[0]])} <= set(before)


def test_a_refused_first_update_leaves_the_choice_of_model() -> None:
    one = np.ones(1, np.float32)
    other_model = Embeddings(np.ones((1, 4), np.float32), one.astype(np.int8), one, (4,))
    strange = Tracklet(99, "a", 0, 1, other_model)
    for only in ([strange], site(4)):
        linker = Linker(CALIBRATION)
        with pytest.raises(TrackerError):
            linker.update([*site(4), strange])
        assert {k for g in linker.update(only) for k in g.tracks} == {t.key for t in only}
