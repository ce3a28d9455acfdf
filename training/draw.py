"""The figures of a trained network on a set of one's own."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from .datasets import Crop
from .evaluation import NetworkMatcher, evaluate_trial
from .figures import cmc_curves, distance_histograms, mask_values, training_curves
from .figures_people import RankedRow, ranked_galleries, tsne_by_identity, tsne_by_resolution
from .metrics import mean
from .protocol import Protocol, Split, Trial, trials
from .rates import camera_rate, level_of, shrink_by
from .run import LOG, Run, load_network

SHOWN = 12
"""Answers in a ranked gallery."""
PICTURES = 12
"""Pictures of a person in a t-SNE figure, at the most."""


def draw_log(run: Path, out: Path) -> None:
    """Curves of a run's log."""
    with (run / LOG).open(newline="") as file:
        rows = list(csv.DictReader(file))
    training_curves(out, {name: [float(row[name]) for row in rows] for name in rows[0]})


def draw(
    folder: Path, crops: Sequence[Crop], split: Split, out: Path, device: torch.device
) -> list[Path]:
    """Writes the figures of a run on the people of a split that it has not seen.

    Returns:
        The files: ranked galleries, t-SNE by identity and by resolution, CMC curves by rate,
        distance histograms, and the masks where there are some.
    """
    network, run = load_network(folder)
    matcher = NetworkMatcher(network, run.recipe, device, run.kernel)
    rates = [float(rate) for rate in sorted(run.recipe.rates)]
    out.mkdir(parents=True, exist_ok=True)
    files = {
        name: out / f"{name}.png"
        for name in ("ranking", "tsne-identity", "tsne-resolution", "cmc", "distances", "masks")
    }
    drawn = trials(crops, split.test, Protocol(kernel=run.kernel, trials=3))
    trial = drawn[0]
    farthest = max(camera_rate(crops[i]) for i in trial.query)
    seen_at = [rate for rate in rates if rate >= farthest]
    ranked_galleries(files["ranking"], _rows(matcher, crops, trial, seen_at, run))
    people = [c for c in crops if c.identity in split.test]
    vectors, names, seen = _embedded(matcher, people, rates, run)
    tsne_by_identity(files["tsne-identity"], vectors, names)
    tsne_by_resolution(files["tsne-resolution"], vectors, names, seen)
    cmc_curves(
        files["cmc"],
        {
            "full size" if rate == 1 else f"1/{rate:g}": mean(
                [evaluate_trial(matcher, crops, _at(t, rate)) for t in drawn]
            ).cmc[:20]
            for rate in seen_at
        },
    )
    distance_histograms(files["distances"], *_distances(matcher, crops, trial, rates, run))
    if network.masks is None:
        del files["masks"]
    else:
        weights = [mask.get_parameter("weight") for mask in network.masks]
        values = [torch.sigmoid(w).detach().cpu().numpy() for w in weights]
        mask_values(files["masks"], values)
    return list(files.values())


def _at(trial: Trial, rate: float) -> Trial:
    """A trial with all queries at one rate."""
    return Trial(trial.gallery, trial.query, (rate,) * len(trial.query))


def _rows(
    matcher: NetworkMatcher, crops: Sequence[Crop], trial: Trial, rates: Sequence[float], run: Run
) -> list[RankedRow]:
    """The gallery for the first query at each rate, with all pictures that a person has: of its own
    person those of other cameras, as in a search."""
    query = crops[trial.query[0]]
    gallery = [c for c in crops if c.identity in {crops[i].identity for i in trial.gallery}]
    gallery = [
        c
        for c in gallery
        if camera_rate(c) == 1
        and c is not query
        and (c.identity != query.identity or c.camera != query.camera or c.camera < 0)
    ]
    rows = []
    for rate in rates:
        order = np.argsort(matcher.distances([query], rate, gallery)[0], kind="stable")[:SHOWN]
        rows.append(
            RankedRow(
                rate,
                shrink_by(query.image, max(1.0, rate / camera_rate(query)), run.kernel),
                [gallery[i].image for i in order],
                [gallery[i].identity == query.identity for i in order],
            )
        )
    return rows


def _embedded(
    matcher: NetworkMatcher, people: Sequence[Crop], rates: Sequence[float], run: Run
) -> tuple[np.ndarray, list[str], list[float]]:
    """Vectors of some pictures of each person at each rate, with names and rates."""
    count: dict[str, int] = {}
    chosen = []
    for crop in people:
        count[crop.identity] = count.get(crop.identity, 0) + 1
        if count[crop.identity] <= PICTURES:
            chosen.append(crop)
    vectors, names, seen = [], [], []
    for rate in rates:
        of_rate = [c for c in chosen if camera_rate(c) <= rate]
        levels = [level_of(rate, run.recipe.rates)] * len(of_rate)
        vectors.append(matcher.embed(of_rate, rate, levels).vectors)
        names += [c.identity for c in of_rate]
        seen += [rate] * len(of_rate)
    return np.concatenate(vectors), names, seen


def _distances(
    matcher: NetworkMatcher, crops: Sequence[Crop], trial: Trial, rates: Sequence[float], run: Run
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distances of queries at each rate to the gallery at each rate, level pairs, same or not."""
    gallery = [crops[i] for i in trial.gallery]
    queries = [crops[i] for i in trial.query]
    same = np.array([[q.identity == g.identity for g in gallery] for q in queries])
    distance, pairs, alike = [], [], []
    for shrunk in rates:
        for rate in (r for r in rates if r >= shrunk):
            able = [i for i, q in enumerate(queries) if camera_rate(q) <= rate]
            found = matcher.pairwise([queries[i] for i in able], rate, gallery, shrunk)
            distance.append(found.ravel())
            alike.append(same[able].ravel())
            pair = (level_of(rate, run.recipe.rates), level_of(shrunk, run.recipe.rates))
            pairs.append(np.tile(pair, (found.size, 1)))
    return np.concatenate(distance), np.concatenate(pairs), np.concatenate(alike)
