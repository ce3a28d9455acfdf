"""From scores of rows to a ranking of persons."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .layers import BEST
from .mirror import View

Ids = Callable[[NDArray[np.int64]], NDArray[np.int64]]
"""The ids of the observations of some rows."""


@dataclass(frozen=True)
class Found:
    """What one query found among the rows of one part of a gallery.

    Args:
        persons: how many passed the limits of those all of whose rows are in the part.
        likelihood: the sum of theirs. Then ``(K,)``, of the likeliest of those, and of all who have
            rows in other parts too:
        owner: as in a view's `owners`. elsewhere: whether there are such rows.
        scores: ``float64 (BEST, K)``, of the likeliest rows, highest first, -inf past the
            last. observation: of the likeliest row.
    """

    persons: int
    likelihood: float
    owner: NDArray[np.int64]
    elsewhere: NDArray[np.bool_]
    scores: NDArray[np.float64]
    observation: NDArray[np.int64]


NOBODY = Found(
    0, 0.0, np.zeros(0, np.int64), np.zeros(0, np.bool_), np.zeros((BEST, 0)), np.zeros(0, np.int64)
)
"""What is found where no row passes."""


@dataclass(frozen=True)
class Ranked:
    """One page of persons, likeliest first.

    Args:
        persons: how many passed the limits.
        owner: as in a view's `owners`. mean: of the likeliest rows, nats. chance: of being the one
            who is looked for. observation: of the likeliest row.
    """

    persons: int
    owner: NDArray[np.int64]
    mean: NDArray[np.float64]
    chance: NDArray[np.float64]
    observation: NDArray[np.int64]


def found_in(
    view: View, tracks: NDArray[np.int32], score: NDArray[np.float64], ids: Ids, most: int
) -> Found:
    """What rows say of persons.

    Args:
        tracks, score: ``(N,)``, of rows among which are each person's likeliest; `score` is used
            up.
        most: how many persons are wanted.
    """
    lead, best = likeliest(view.person[tracks], score, len(view.owners), ids)
    present = np.flatnonzero(lead >= 0)
    mean = mean_of(best[:, present])
    elsewhere = view.elsewhere[present]
    own = np.flatnonzero(~elsewhere)
    last = min(most, len(own))
    least = np.partition(mean[own], len(own) - last)[len(own) - last] if last else np.inf
    far = own[mean[own] >= least]
    far = far[np.lexsort((view.owners[present[far]], -mean[far]))][:last]
    named = present[np.concatenate([far, np.flatnonzero(elsewhere)])]
    return Found(
        len(own),
        float(np.exp(mean[own]).sum()),
        view.owners[named],
        view.elsewhere[named],
        best[:, named],
        ids(lead[named]),
    )


def merged(parts: Sequence[Found], top: int, skip: int) -> Ranked:
    """The page of persons behind the first `skip`, of what one query found in each part."""
    every = [NOBODY, *parts]
    owner = np.concatenate([found.owner for found in every])
    scores = np.concatenate([found.scores for found in every], axis=1)
    first = np.concatenate([found.observation for found in every])
    owners, person = np.unique(owner, return_inverse=True)
    rest = np.full((BEST - 1) * len(first), np.iinfo(np.int64).max)
    ids = np.concatenate([first, rest])
    lead, best = likeliest(np.tile(person, BEST), scores.ravel(), len(owners), ids.__getitem__)
    mean = mean_of(best)
    open_ = np.zeros(len(owners), np.bool_)
    open_[person[np.concatenate([found.elsewhere for found in every])]] = True
    persons = sum(found.persons for found in every) + int(open_.sum())
    likelihood = sum(found.likelihood for found in every) + float(np.exp(mean[open_]).sum())
    order = np.lexsort((owners, -mean))[skip : skip + top]
    return Ranked(
        persons,
        owners[order],
        mean[order],
        posterior(mean[order], persons, likelihood),
        ids[lead[order]],
    )


def likeliest(
    person: NDArray[np.int64], score: NDArray[np.float64], persons: int, ids: Ids
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Each person's likeliest row (-1 for none), and the scores of its `BEST` likeliest.

    Of equal rows the one of the oldest observation is the likeliest.

    Args:
        person: ``(N,)`` in 0..persons - 1, whose row it is. score: ``(N,)``; it is used up.

    Returns:
        ``(persons,)`` and ``(BEST, persons)``, highest first, -inf where there is none.
    """
    lead = np.full(persons, -1, np.int64)
    out = np.full((BEST, persons), -np.inf)
    for turn, best in enumerate(out):
        np.maximum.at(best, person, score)
        alive = best > -np.inf
        if not alive.any():
            break
        rows = np.flatnonzero(score == best[person])
        if turn == 0 and len(rows) > alive.sum():
            rows = rows[np.argsort(-ids(rows), kind="stable")]
        first = np.full(persons, -1, np.int64)
        first[person[rows]] = rows  # of equal rows the oldest is written last
        score[first[alive]] = -np.inf
        if turn == 0:
            lead[alive] = first[alive]
    return lead, out


def mean_of(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of each person's likeliest rows, ``(P,)`` of ``(BEST, P)``."""
    there = scores > -np.inf
    total = np.zeros(scores.shape[1])
    for row, known in zip(scores, there, strict=True):
        total += np.where(known, row, 0)
    mean: NDArray[np.float64] = total / np.maximum(there.sum(axis=0), 1)
    return mean


def posterior(score: NDArray[np.float64], persons: int, likelihood: float) -> NDArray[np.float64]:
    """Probability of some persons to be the one who is looked for, by their log-odds ``(N,)``.

    Before the look, the person is as likely to be none of them as to be one of them, and each of
    them as likely as the next; the rest of the sum to one is the probability of "unknown".

    Args:
        persons: how many there are in all. likelihood: the sum of all theirs.
    """
    share: NDArray[np.float64] = np.exp(score) / (persons + likelihood)
    return share
