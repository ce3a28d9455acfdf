"""Runs a protocol over a trained network: distances of queries to a gallery, figures, results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol as Interface

import numpy as np
import torch
from numpy.typing import NDArray

from reid import Embeddings, distances
from reid.network import ResolutionAdaptiveNet, normalise

from .datasets import Crop
from .metrics import Retrieval, mean, retrieval
from .protocol import Protocol, Split, Trial, market_trial, trials
from .rates import camera_rate, inputs_at, level_of
from .recipe import Recipe

Floats = NDArray[np.float32]
BATCH = 64


class Matcher(Interface):
    """What gives distances between shrunk queries and a gallery at full resolution."""

    def distances(self, query: Sequence[Crop], rate: float, gallery: Sequence[Crop]) -> Floats:
        """``float32 (Q, G)`` of queries seen at `rate`."""


class NetworkMatcher:
    """One network with its levels.

    Args:
        network, recipe: what was trained. device: where it runs. kernel: of `rates.KERNELS`.
        gallery: see `Protocol`. assigned: the rates as which others are treated, for rates that
            were not trained (section V-F); the nearest one where it says nothing.
    """

    def __init__(
        self,
        network: ResolutionAdaptiveNet,
        recipe: Recipe,
        device: torch.device,
        kernel: str = "area",
        gallery: str = "own",
        assigned: Mapping[float, float] | None = None,
    ) -> None:
        self._network, self._recipe, self._device = network.to(device).eval(), recipe, device
        self._kernel, self._gallery, self._assigned = kernel, gallery, assigned or {}
        self._known: dict[tuple[float, int], dict[str, Floats]] = {}

    def distances(self, query: Sequence[Crop], rate: float, gallery: Sequence[Crop]) -> Floats:
        if self._gallery == "own":
            return self.pairwise(query, rate, gallery, 1)
        levels = [self._level(c, rate) for c in query]
        seen = self.embed(query, rate, levels)
        out = np.empty((len(query), len(gallery)), np.float32)
        for level in set(levels):
            rows = np.flatnonzero(np.array(levels) == level)
            stored = self.embed(gallery, 1, [level] * len(gallery))
            out[rows] = distances(seen[rows], stored, normalised=self._recipe.normalised)[0]
        return out

    def pairwise(
        self, query: Sequence[Crop], rate: float, gallery: Sequence[Crop], shrunk: float
    ) -> Floats:
        """``float32 (Q, G)`` of queries seen at `rate` and a gallery seen at `shrunk`."""
        seen = self.embed(query, rate, [self._level(c, rate) for c in query])
        stored = self.embed(gallery, shrunk, [self._level(c, shrunk) for c in gallery])
        return distances(seen, stored, normalised=self._recipe.normalised)[0]

    def embed(self, crops: Sequence[Crop], rate: float, levels: Sequence[int]) -> Embeddings:
        """Embeddings of crops seen at `rate`; each is computed once."""
        vectors = np.empty((len(crops), sum(self._recipe.sizes)), np.float32)
        for level in set(levels):
            rows = [i for i, k in enumerate(levels) if k == level]
            known = self._known.setdefault((rate, level), {})
            missing = [crops[i] for i in rows if crops[i].name not in known]
            for crop, vector in zip(missing, self._run(missing, rate, level), strict=True):
                known[crop.name] = vector
            for i in rows:
                vectors[i] = known[crops[i].name]
        quality = np.ones(len(crops), np.float32)
        if self._recipe.varying_length:
            return Embeddings(vectors, np.array(levels, np.int8), quality, self._recipe.sizes)
        whole = (sum(self._recipe.sizes),)
        return Embeddings(vectors, np.ones(len(crops), np.int8), quality, whole)

    def _level(self, crop: Crop, rate: float) -> int:
        seen_at = max(rate, camera_rate(crop))
        return level_of(self._assigned.get(seen_at, seen_at), self._recipe.rates)

    def _run(self, crops: Sequence[Crop], rate: float, level: int) -> Floats:
        out = [np.zeros((0, sum(self._recipe.sizes)), np.float32)]
        for i in range(0, len(crops), BATCH):
            images = inputs_at(crops[i : i + BATCH], rate, self._recipe.size, self._kernel)
            with torch.inference_mode():
                z = self._network(
                    normalise(torch.from_numpy(images).to(self._device)),
                    torch.full((len(images),), level, device=self._device),
                )
            out.append(z.float().cpu().numpy())
        return np.concatenate(out)


class NaiveMatcher:
    """A network a rate, for queries and gallery shrunk by it alike (section V-E, Table III).

    Args:
        networks: by rate, each trained on pictures of that rate alone.
    """

    def __init__(
        self,
        networks: Mapping[float, ResolutionAdaptiveNet],
        recipe: Recipe,
        device: torch.device,
        kernel: str = "area",
    ) -> None:
        self._normalised = recipe.normalised
        self._matchers = {
            rate: NetworkMatcher(network, recipe, device, kernel)
            for rate, network in networks.items()
        }

    def distances(self, query: Sequence[Crop], rate: float, gallery: Sequence[Crop]) -> Floats:
        matcher = self._matchers[rate]
        seen, stored = (matcher.embed(c, rate, [1] * len(c)) for c in (query, gallery))
        return distances(seen, stored, normalised=self._normalised)[0]


def evaluate_trial(
    matcher: Matcher, crops: Sequence[Crop], trial: Trial, same_camera: bool = True
) -> Retrieval:
    """Figures of one trial.

    Args:
        same_camera: whether a query may meet its own person in its own camera; the standard
            evaluation passes over those pictures.
    """
    gallery = [crops[i] for i in trial.gallery]
    rates = np.array(trial.rate)
    query = [crops[i] for i in trial.query]
    distance = np.empty((len(query), len(gallery)), np.float32)
    for rate in sorted(set(trial.rate)):
        rows = np.flatnonzero(rates == rate)
        distance[rows] = matcher.distances([query[i] for i in rows], rate, gallery)
    who, whom = [c.identity for c in query], [c.identity for c in gallery]
    ignored = None
    if not same_camera:
        own = np.array([c.camera for c in query])[:, None] == [c.camera for c in gallery]
        ignored = own & (np.array(who)[:, None] == np.array(whom)[None, :])
    return retrieval(distance, who, whom, ignored)


def evaluate_mlr(
    matcher: Matcher, crops: Sequence[Crop], split: Split, protocol: Protocol
) -> Retrieval:
    """Mean figures over the trials of a split."""
    drawn = trials(crops, split.test, protocol)
    return mean([evaluate_trial(matcher, crops, trial) for trial in drawn])


def evaluate_market(matcher: Matcher, crops: Sequence[Crop]) -> Retrieval:
    """The standard evaluation: pictures as they are, own camera passed over."""
    return evaluate_trial(matcher, crops, market_trial(crops), same_camera=False)
