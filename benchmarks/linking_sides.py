"""Ways to link tracks, nearfar's and what else one would do, for `linking.py`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.embedder_peers import Peer, open_peer
from benchmarks.linking_sets import Pictures, Track
from reid import Calibration, Embedder, Embeddings
from tracker import Constraints, Linker, LinkSettings, Tracklet, assign, best_mapping, link
from tracker.constraints import Conflicts
from tracker.evidence import Evidence

PEERS = {"OSNet x0.25": "osnet_x0_25_msmt17", "retail-0277": "retail-0277"}
"""Networks of others, and their names in `embedder_peers`."""
PRIORS = np.arange(-5.0, 1.1, 0.5)
Facts = dict[str, Any]
Embed = Callable[[Pictures], np.ndarray]


def remembering(embed: Embed) -> Embed:
    """`embed` that looks at each picture once, however often it is given."""
    known: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def again(crops: Pictures) -> np.ndarray:
        new = [c for c in crops if id(c) not in known]
        if new:
            known.update((id(c), (c, v)) for c, v in zip(new, embed(new), strict=True))
        return np.stack([known[id(c)][1] for c in crops])

    return again


def ours(embedder: Embedder, blind: bool) -> Callable[[Sequence[Track]], list[Tracklet]]:
    """What the linker gets of tracks; all at the sharpest level if `blind`."""
    info = embedder.info

    def level(crop: np.ndarray) -> int:
        return info.levels.m if blind else info.levels.level_of(len(crop))

    def embed(crops: Pictures) -> np.ndarray:
        return embedder.embed(crops, levels=[level(c) for c in crops]).vectors

    vectors = remembering(embed)

    def tracklets(tracks: Sequence[Track]) -> list[Tracklet]:
        crops = [c for t in tracks for c in t.crops]
        levels = np.array([level(c) for c in crops], np.int8)
        quality = np.array([q for t in tracks for q in t.quality], np.float32)
        found = Embeddings(vectors(crops), levels, quality, info.sizes)
        starts = np.cumsum([0] + [len(t.crops) for t in tracks])
        return [
            Tracklet(i, t.camera, t.first, t.last, found[int(starts[i]) : int(starts[i + 1])])
            for i, t in enumerate(tracks)
        ]

    return tracklets


def peers(folder: Path, threads: int) -> Iterator[tuple[str, Embed]]:
    """Networks of others, each with what gives unit vectors of crops."""
    for name, known_as in PEERS.items():
        if peer := open_peer(known_as, folder, threads):
            yield name, remembering(partial(_unit, peer))


def linked(
    given: Sequence[Tracklet], calibration: Calibration, constraints: Constraints, prior: float
) -> np.ndarray:
    """The identity of each track, ``int (n,)``."""
    out = np.empty(len(given), int)
    found = link(given, calibration, constraints, LinkSettings(prior=prior))
    for number, identity in enumerate(found):
        out[list(identity.tracks)] = number
    return out


def live(
    given: Sequence[Tracklet], calibration: Calibration, constraints: Constraints
) -> np.ndarray:
    """The identity of each track where they come one by one as they end, ``int (n,)``."""
    linker, out = Linker(calibration, constraints), np.zeros(len(given), int)
    for made, tracklet in enumerate(sorted(given, key=lambda t: t.last)):
        for number, group in enumerate(linker.update([tracklet])):
            out[list(group.tracks)] = made * len(given) + number
    return np.unique(out, return_inverse=True)[1]


def cosine(tracks: Sequence[Track], vectors: np.ndarray) -> np.ndarray:
    """Cosine distance of tracks by their mean vectors, ``(n, n)``.

    Args:
        vectors: ``float32 (crops, d)``, unit rows in the order of the tracks' crops.
    """
    starts = np.cumsum([0] + [len(t.crops) for t in tracks[:-1]])
    means = np.add.reduceat(vectors, starts, axis=0)
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    return np.clip(1 - means @ means.T, 0, None).astype(float)


def disbelief(given: Sequence[Tracklet], calibration: Calibration) -> np.ndarray:
    """Our evidence turned round, ``(n, n)`` in 0..1."""
    evidence = Evidence(calibration, 1.0)
    evidence.expect(t.embeddings for t in given)
    for tracklet in given:
        evidence.put(tracklet.key, tracklet.embeddings)
    every = np.arange(len(given))
    return (calibration.bound - evidence.between(every, every)) / (2 * calibration.bound)


def best_cut(tracks: Sequence[Track], distance: np.ndarray, constraints: Constraints) -> np.ndarray:
    """Complete linkage, cut where F1 is best; ``int (n,)``.

    Args:
        distance: ``(n, n)`` in 0..2; overwritten.
    """
    from sklearn.cluster import AgglomerativeClustering

    every = np.arange(len(tracks))
    distance[conflicts(tracks, constraints).between(every[:, None], every[None, :])] = 9.0
    np.fill_diagonal(distance, 0.0)
    tree = AgglomerativeClustering(
        n_clusters=None, distance_threshold=0.0, metric="precomputed", linkage="complete"
    ).fit(distance)
    steps = [(a, b) for a, b in tree.children_[tree.distances_ <= 2].tolist()]
    return _best(tracks, steps)


def by_time(tracks: Sequence[Track], constraints: Constraints) -> np.ndarray:
    """No looks: each track goes on in the one that begins soonest after it elsewhere, one to one,
    up to the wait where F1 is best; ``int (n,)``."""
    n, every = len(tracks), np.arange(len(tracks))
    apart = conflicts(tracks, constraints).between(every[:, None], every[None, :])
    first, last = (np.array([getattr(t, name) for t in tracks]) for name in ("first", "last"))
    wait = first[None, :] - last[:, None]
    same = np.array([[a.camera == b.camera for b in tracks] for a in tracks])
    longest = float(max(wait.max(), 0.0)) + 1.0
    rows, columns = assign(np.where(apart | same | (wait < 0), 0.0, longest - wait), 1e-9)
    order = np.argsort(wait[rows, columns], kind="stable")
    members, steps = {i: i for i in range(n)}, []
    for a, b in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        steps.append((members[a], members[b]))
        joined = n + len(steps) - 1
        members = {t: joined if m in steps[-1] else m for t, m in members.items()}
    return _best(tracks, steps)


def conflicts(tracks: Sequence[Track], constraints: Constraints) -> Conflicts:
    """The linker's constraints between tracks, by their place."""
    out, nothing = Conflicts(constraints), Embeddings.empty((1,))
    for i, t in enumerate(tracks):
        out.put(i, Tracklet(i, t.camera, t.first, t.last, nothing))
    return out


def judged(tracks: Sequence[Track], found: np.ndarray) -> Facts:
    """Pairwise precision, recall and F1 of tracks, IDF1 of crops; how many of the people who pass
    several cameras are in one identity in two of them, and how many tracks are with somebody else
    than most of their identity."""
    names = {p: i for i, p in enumerate(sorted({t.person for t in tracks}))}
    true = np.array([names[t.person] for t in tracks])
    right = _pairs(Counter(zip(true.tolist(), found.tolist(), strict=True)))
    claimed, all_true = _pairs(Counter(found.tolist())), _pairs(Counter(true.tolist()))
    counts = np.zeros((true.max() + 1, found.max() + 1))
    np.add.at(counts, (true, found), [len(t.crops) for t in tracks])
    seen, met = defaultdict(set), defaultdict(set)
    for person, identity, track in zip(true.tolist(), found.tolist(), tracks, strict=True):
        seen[person].add(track.camera)
        met[person, identity].add(track.camera)
    passing = {person for person, cameras in seen.items() if len(cameras) > 1}
    linked_people = {person for (person, _), cameras in met.items() if len(cameras) > 1}
    groups = np.zeros(counts.shape, int)
    np.add.at(groups, (true, found), 1)
    return {
        "people": len(passing),
        "linked": len(linked_people),
        "wrong": int(len(tracks) - groups.max(axis=0).sum()),
        "precision": right / claimed if claimed else 1.0,
        "recall": right / all_true,
        "f1": 2 * right / (claimed + all_true),
        "idf1": float(best_mapping(counts) / counts.sum()),
    }


def _best(tracks: Sequence[Track], steps: Sequence[tuple[int, int]]) -> np.ndarray:
    """Groups after the first joins up to where F1 is best; step k makes group n + k of two."""
    n = len(tracks)
    members = {i: [i] for i in range(n)}
    people = {i: Counter([t.person]) for i, t in enumerate(tracks)}
    all_true = _pairs(Counter(t.person for t in tracks))
    right = claimed = 0
    scores = [0.0]
    for step, (a, b) in enumerate(steps):
        right += sum(count * people[b][person] for person, count in people[a].items())
        claimed += len(members[a]) * len(members[b])
        members[n + step] = members[a] + members[b]
        people[n + step] = people[a] + people[b]
        scores.append(2 * right / (claimed + all_true))
    out = np.arange(n)
    for step in range(int(np.argmax(scores))):
        out[members[n + step]] = n + step
    return np.unique(out, return_inverse=True)[1]


def _pairs(sizes: Counter[Any]) -> int:
    return sum(n * (n - 1) // 2 for n in sizes.values())


def _unit(peer: Peer, crops: Pictures) -> np.ndarray:
    """Unit vectors ``float32 (N, d)``."""
    vectors = peer.embed(crops).vectors
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
