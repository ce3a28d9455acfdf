"""The sparse linker against a literal, dense one: every pair of tracks and every pair of groups."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid import Calibration, Embeddings, distances
from tracker import Constraints, LinkSettings, Tracklet, link
from tracker.constraints import Conflicts
from tracker.evidence import Evidence
from tracker.shortlist import RIVALS, Shortlist
from tracker.tracklet import by_content

from .people import allowed

SIZES = (6, 4, 8)
TABLE = np.array([[3, 3.5, 4], [3.5, 4.5, 5], [4, 5, 6]], np.float32)
CALIBRATION = Calibration(TABLE, -TABLE - 1, bound=60)
SITES = (
    Constraints(),
    Constraints(frozenset()),
    Constraints(frozenset({frozenset("ab")}), {frozenset("ac"): 20.0}),
)


def random_tracklets(seed: int, n: int) -> list[Tracklet]:
    """Tracks of mixed levels, observations and qualities, numbered in the linker's own order."""
    generator = np.random.default_rng(seed)
    people = generator.normal(size=(max(n // 6, 2), sum(SIZES)))
    noise = generator.uniform(0.2, 0.9)
    tracks = []
    for key in range(n):
        rows = int(generator.integers(1, 6))
        vectors = people[generator.integers(len(people))] + noise * generator.normal(
            size=(rows, sum(SIZES))
        )
        levels = generator.integers(1, 4, rows).astype(np.int8)
        for vector, level in zip(vectors, levels, strict=True):
            vector[sum(SIZES[:level]) :] = 0
        quality = generator.uniform(0.1, 1, rows).astype(np.float32)
        first = float(generator.uniform(0, 200))
        embeddings = Embeddings(vectors.astype(np.float32), levels, quality, SIZES)
        camera = "abcd"[generator.integers(4)]
        tracks.append(Tracklet(key, camera, first, first + generator.uniform(1, 20), embeddings))
    ordered = sorted(tracks, key=by_content)
    return [Tracklet(i, t.camera, t.first, t.last, t.embeddings) for i, t in enumerate(ordered)]


def tables(
    tracks: list[Tracklet], constraints: Constraints, witnesses: float
) -> tuple[Evidence, Conflicts]:
    evidence, conflicts = Evidence(CALIBRATION, witnesses), Conflicts(constraints)
    evidence.expect(t.embeddings for t in tracks)
    for i, track in enumerate(tracks):
        evidence.put(i, track.embeddings)
        conflicts.put(i, track)
    return evidence, conflicts


def literal_evidence(a: Embeddings, b: Embeddings, witnesses: float) -> float:
    distance, _ = distances(a, b)
    odds = CALIBRATION.log_odds(distance, a.levels, b.levels)
    weight = a.quality[:, None] * b.quality[None, :] + 1e-6
    looks = min(witnesses, float(np.sqrt(min(len(a), len(b)))))
    return looks * float((odds * weight).sum() / weight.sum())


def literal_groups(
    tracks: list[Tracklet], constraints: Constraints, chosen: LinkSettings
) -> set[tuple[int, ...]]:
    """Greedy contraction by the largest mean, then moves of single tracks, on full matrices."""
    n = len(tracks)
    evidence, conflicts = tables(tracks, constraints, chosen.witnesses)
    found = Shortlist(evidence, conflicts, CALIBRATION, chosen.candidates)
    found.look(np.arange(n))
    rivals = found.rivals(np.arange(n))
    weight = np.zeros((n, n))
    apart = np.zeros((n, n), bool)
    for i in range(n):
        for j in range(n):
            apart[i, j] = i != j and not allowed(constraints, tracks[i], tracks[j])
            if i != j and not apart[i, j]:
                a, b = tracks[i].embeddings, tracks[j].embeddings
                cost = min(np.log1p(np.exp((rivals[i] + rivals[j]) / 2)), chosen.crowding)
                looks = min(chosen.witnesses, np.sqrt(min(len(a), len(b))))
                weight[i, j] = literal_evidence(a, b, chosen.witnesses) - looks * cost
                weight[i, j] += chosen.prior

    def total(a: list[int], b: list[int]) -> float:
        block = np.ix_(a, b)
        return -np.inf if apart[block].any() else float(weight[block].sum())

    groups = [[i] for i in range(n)]
    while len(groups) > 1:
        means = {
            (x, y): total(groups[x], groups[y]) / (len(groups[x]) * len(groups[y]))
            for x in range(len(groups))
            for y in range(x)
        }
        x, y = max(means, key=lambda pair: means[pair])
        if means[x, y] <= 0:
            break
        groups[y] += groups.pop(x)
    moved = True
    while moved:
        moved = False
        for track in range(n):
            home = next(g for g in groups if track in g)
            rest = [other for other in home if other != track]
            fits = [(total([track], g), g) for g in groups if g is not home] + [(0.0, [])]
            best, target = max(fits, key=lambda fit: fit[0])
            if best > (total([track], rest) if rest else 0.0) + 1e-9:
                home.remove(track)
                target.append(track)
                if target == [track]:
                    groups.append(target)
                groups = [g for g in groups if g]
                moved = True
    return {tuple(sorted(g)) for g in groups}


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 40), st.sampled_from(SITES), st.floats(-5, 0))
def test_equals_the_literal_linker_where_all_pairs_are_candidates(
    seed: int, n: int, site: Constraints, prior: float
) -> None:
    tracks = random_tracklets(seed, n)
    chosen = LinkSettings(prior=prior, candidates=n)
    found = {i.tracks for i in link(tracks, CALIBRATION, site, chosen)}
    assert found == literal_groups(tracks, site, chosen)


@pytest.mark.parametrize("block", [1, 100, 1_000_000])
def test_evidence_in_blocks_equals_evidence_pair_by_pair(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tracker.evidence.BLOCK", block)
    tracks = random_tracklets(5, 20)
    evidence, _ = tables(tracks, Constraints(), 3.0)
    block = evidence.between(np.array([3, 0, 7]), np.arange(20))
    for row, i in enumerate((3, 0, 7)):
        for j in range(20):
            expected = literal_evidence(tracks[i].embeddings, tracks[j].embeddings, 3.0)
            assert np.isclose(block[row, j], expected, atol=1e-4)


def test_shortlist_holds_the_likeliest_pairs_that_are_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tracker.shortlist.ROWS", 7)
    monkeypatch.setattr("tracker.shortlist.COLUMNS", 11)
    tracks, most = random_tracklets(11, 90), 4
    evidence, conflicts = tables(tracks, SITES[2], 3.0)
    every = np.arange(90)
    i, j, _ = Shortlist(evidence, conflicts, CALIBRATION, most).look(every)
    score = np.full((90, 90), -np.inf)
    for a in range(90):
        for b in range(90):
            if a != b and allowed(SITES[2], tracks[a], tracks[b]):
                top = evidence.top[[a, b]]
                level = int(top.min())
                means = evidence.means(level)[[a, b]].astype(float)
                table = CALIBRATION.intercept[tuple(top - 1)], CALIBRATION.slope[tuple(top - 1)]
                score[a, b] = table[0] + table[1] * (2 - 2 * means[0] @ means[1])
    expected = {
        (min(a, b), max(a, b)) for a in range(90) for b in np.argsort(-score[a])[:most].tolist()
    }
    assert set(zip(i.tolist(), j.tolist(), strict=True)) == expected
    longer = Shortlist(evidence, conflicts, CALIBRATION, RIVALS.stop)
    longer.look(every)
    rivals = longer.rivals(every)
    ranked = np.clip(-np.sort(-score)[:, RIVALS], -CALIBRATION.bound, CALIBRATION.bound)
    expected_rivals = np.minimum(ranked.mean(axis=1), np.log(90 / 20))
    assert np.allclose(rivals, expected_rivals, atol=1e-3)
