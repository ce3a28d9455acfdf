"""From scores of rows to a ranking of persons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .likeliest import BEST, Likeliest
from .mirror import View


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


GROUPS = 1 << 10
"""Groups of persons whose likeliest are compared first."""

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


def found_in(view: View, best: NDArray[np.float64], first: NDArray[np.int64], most: int) -> Found:
    """What the rows of a view say of persons.

    Args:
        best, first: of each of the view's owners, see `Likeliest`. most: how many persons are
            wanted.
    """
    mean, there = mean_of(best), best[0] > -np.inf
    own = there & ~view.elsewhere
    persons = int(np.count_nonzero(own))
    rank = np.where(own, mean, -np.inf)
    last = min(most, persons)
    far = np.flatnonzero(own & (rank >= _reached(rank, last)))
    far = far[np.lexsort((far, -rank[far]))][:last]
    named = np.concatenate([far, np.flatnonzero(there & view.elsewhere)])
    return Found(
        persons,
        float(np.exp(rank).sum()),
        view.owners[named],
        view.elsewhere[named],
        best[:, named],
        first[named],
    )


def _reached(values: NDArray[np.float64], count: int) -> float:
    """A number that at least `count` of the values reach, and mostly few others.

    Each of the `count` highest of the groups' maxima is reached by one value at least; to find the
    highest of all values takes ten times as long.
    """
    groups = max(count, GROUPS)
    whole = len(values) // groups
    maxima = values[: whole * groups].reshape(whole, groups).max(0) if whole > 1 else values
    return float(np.partition(maxima, -count)[-count]) if count else np.inf


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
    owners, person = np.unique(
        np.concatenate([found.owner for found in every]), return_inverse=True
    )
    likeliest = Likeliest.of(1, len(owners))
    start = 0
    for found in every:
        whose = person[start : start + len(found.owner)]
        start += len(whose)
        place = np.arange(len(whose), dtype=np.int32)
        for scores in found.scores:
            likeliest.add(scores[None], place, whose, found.observation)
    elsewhere = np.zeros(len(owners), np.bool_)
    elsewhere[person[np.concatenate([found.elsewhere for found in every])]] = True
    return Found(
        sum(found.persons for found in every),
        sum(found.likelihood for found in every),
        owners,
        elsewhere,
        likeliest.best[0],
        likeliest.first[0],
    )


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
