"""From scores of rows to a ranking of persons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .layers import BEST
from .mirror import View


@dataclass(frozen=True)
class Found:
    """What one query found.

    Args:
        persons: how many passed the limits. The rest is of those on the page, likeliest first:
        owner: as in a view's `owners`. mean: of the likeliest rows, nats. chance: of being the one
        who is looked for. place: of the likeliest row's score.
    """

    persons: int
    owner: NDArray[np.int64]
    mean: NDArray[np.float64]
    chance: NDArray[np.float64]
    place: NDArray[np.int64]


def ranked(
    view: View,
    places: NDArray[np.int64],
    tracks: NDArray[np.int32],
    score: NDArray[np.float64],
    top: int,
    skip: int,
) -> Found:
    """The page of persons behind the first `skip`.

    Args:
        places, tracks, score: ``(N,)``, of rows among which are each person's likeliest; `score`
            is used up.
    """
    lead, mean = likeliest(view.person[tracks], score, len(view.owners), places)
    present = np.flatnonzero(lead >= 0)
    mean = mean[present]
    last = min(skip + top, len(mean))
    least = np.partition(mean, len(mean) - last)[len(mean) - last] if last else np.inf
    far = np.flatnonzero(mean >= least)
    order = far[np.lexsort((view.owners[present[far]], -mean[far]))][skip : skip + top]
    return Found(
        len(present),
        view.owners[present[order]],
        mean[order],
        posterior(mean)[order],
        places[lead[present[order]]],
    )


def likeliest(
    person: NDArray[np.int64],
    score: NDArray[np.float64],
    persons: int,
    place: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Each person's likeliest row (-1 for none) and the mean score of its `BEST` likeliest.

    Args:
        person: ``(N,)`` in 0..persons - 1, whose row it is. score: ``(N,)``; it is used up.
        place: ``(N,)``, of equal rows the one of the lowest place is the likeliest; their order
            if None.

    Returns:
        Two arrays ``(persons,)``.
    """
    lead = np.full(persons, -1, np.int64)
    total, count = np.zeros(persons), np.zeros(persons)
    for turn in range(BEST):
        best = np.full(persons, -np.inf)
        np.maximum.at(best, person, score)
        alive = best > -np.inf
        if not alive.any():
            break
        rows = np.flatnonzero(score == best[person])[::-1]
        if place is not None and turn == 0 and len(rows) > alive.sum():
            rows = rows[np.argsort(-place[rows], kind="stable")]
        first = np.full(persons, -1, np.int64)
        first[person[rows]] = rows  # of equal rows the first is written last
        total[alive] += best[alive]
        count += alive
        score[first[alive]] = -np.inf
        if turn == 0:
            lead[alive] = first[alive]
    return lead, total / np.maximum(count, 1)


def posterior(score: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probability of each of N persons to be the one who is looked for, by their log-odds ``(N,)``.

    Before the look, the person is as likely to be none of them as to be one of them, and each of
    them as likely as the next; the rest of the sum to one is the probability of "unknown".
    """
    likelihood = np.exp(score)
    share: NDArray[np.float64] = likelihood / (len(score) + likelihood.sum())
    return share
