"""From scores of rows to a ranking of persons."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .layers import BEST
from .mirror import View

Ids = NDArray[np.int64]
"""Of observations."""


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
    view: View,
    owner: NDArray[np.int64],
    best: NDArray[np.float64],
    lead: Callable[[NDArray[np.int64]], Ids],
    most: int,
) -> Found:
    """What rows say of persons.

    Args:
        owner: ``(W,)``, indexes into the view's `owners`. best: ``(BEST, W)``, the scores of the
            likeliest rows of each, highest first, -inf past the last.
        lead: told some places in `owner`, says which observation is the likeliest of each.
        most: how many persons are wanted.
    """
    mean, there, elsewhere = mean_of(best), best[0] > -np.inf, view.elsewhere[owner]
    own = there & ~elsewhere
    persons = int(np.count_nonzero(own))
    rank = np.where(own, mean, -np.inf)
    last = min(most, persons)
    least = np.partition(rank, len(rank) - last)[len(rank) - last] if last else np.inf
    far = np.flatnonzero(rank >= least)
    far = far[np.lexsort((view.owners[owner[far]], -rank[far]))][:last]
    named = np.concatenate([far, np.flatnonzero(there & elsewhere)])
    return Found(
        persons,
        float(np.exp(rank).sum()),
        view.owners[owner[named]],
        elsewhere[named],
        best[:, named],
        lead(named),
    )


def merged(parts: Sequence[Found], top: int, skip: int) -> Ranked:
    """The page of persons behind the first `skip`, of what one query found in each part."""
    found = parts[0] if len(parts) == 1 else _joined(parts)
    mean = mean_of(found.scores)
    persons = found.persons + int(np.count_nonzero(found.elsewhere))
    likelihood = found.likelihood + float(np.exp(mean[found.elsewhere]).sum())
    order = np.lexsort((found.owner, -mean))[skip : skip + top]
    return Ranked(
        persons,
        found.owner[order],
        mean[order],
        posterior(mean[order], persons, likelihood),
        found.observation[order],
    )


def _joined(parts: Sequence[Found]) -> Found:
    """What was found in several parts, each person once."""
    every = [NOBODY, *parts]
    owner = np.concatenate([found.owner for found in every])
    scores = np.concatenate([found.scores for found in every], axis=1)
    first = np.concatenate([found.observation for found in every])
    owners, person = np.unique(owner, return_inverse=True)
    best = likeliest(np.tile(person, BEST), scores.flatten(), len(owners))
    leads = np.flatnonzero(scores[0] == best[0, person])
    elsewhere = np.zeros(len(owners), np.bool_)
    elsewhere[person[np.concatenate([found.elsewhere for found in every])]] = True
    return Found(
        sum(found.persons for found in every),
        sum(found.likelihood for found in every),
        owners,
        elsewhere,
        best,
        oldest(person[leads], first[leads], len(owners)),
    )


def likeliest(
    person: NDArray[np.int64], score: NDArray[np.float64], persons: int
) -> NDArray[np.float64]:
    """The scores of each person's `BEST` likeliest rows, highest first, -inf where there is none.

    Args:
        person: ``(N,)`` in 0..persons - 1, whose row it is. score: ``(N,)``; it is used up.

    Returns:
        ``(BEST, persons)``.
    """
    out = np.full((BEST, persons), -np.inf)
    for best in out:
        np.maximum.at(best, person, score)
        alive = best > -np.inf
        if not alive.any():
            break
        rows = np.flatnonzero(score == best[person])
        one = np.full(persons, -1, np.int64)
        one[person[rows]] = rows  # of equal rows only one goes
        score[one[alive]] = -np.inf
    return out


def oldest(person: NDArray[np.int64], ids: Ids, persons: int) -> Ids:
    """The lowest id of each of so many persons, of ids that are theirs."""
    out = np.full(persons, np.iinfo(np.int64).max)
    np.minimum.at(out, person, ids)
    return out


def mean_of(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of each person's likeliest rows, ``(P,)`` of ``(BEST, P)``."""
    there = scores > -np.inf
    total = np.where(there[0], scores[0], 0)
    for row, known in zip(scores[1:], there[1:], strict=True):
        np.add(total, row, out=total, where=known)
    mean: NDArray[np.float64] = total / np.maximum(there.sum(axis=0, dtype=np.uint8), 1)
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
