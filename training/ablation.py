"""Trains and evaluates the rows of a table over splits; what is done is not done again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from reid.network import ResolutionAdaptiveNet

from .datasets import Crop
from .errors import TrainingError
from .evaluation import Matcher, NaiveMatcher, NetworkMatcher, evaluate_mlr
from .fit import fit, full_height
from .metrics import Retrieval, mean
from .protocol import Protocol, Split, manifest, split_identities
from .rates import camera_rate
from .recipe import RECIPES, Recipe
from .run import STATE, Run, load_network, with_digest, write_whole
from .tables import Row
from .trainer import Told


@dataclass(frozen=True)
class Study:
    """What all rows of a table have in common.

    Args:
        name: of the set. crops: of all its people.
        base: the named recipe that rows change if they name none. changes: of every recipe.
        protocol: of the evaluation. init: first weights. out: folder of the runs.
    """

    name: str
    crops: Sequence[Crop]
    base: str
    changes: Mapping[str, Any]
    protocol: Protocol
    init: str
    out: Path
    device: torch.device

    def splits(self, numbers: int) -> list[Split]:
        """The first splits of the set; one where the set names its own.

        Raises:
            TrainingError: when the set can't be split.
        """
        found = [split_identities(self.crops, n) for n in range(numbers)]
        return [s for s in found if s.number == 0 or s.train != found[0].train]

    def figures(self, row: Row, split: Split, told: Told) -> Retrieval:
        """Trains what the row needs on a split, or finds it trained, and evaluates it."""
        recipe, protocol = self._recipe(row), self.protocol
        if row.query:
            if self._uneven:
                raise TrainingError(
                    f"{self.name} has a far camera of its own: no rates are drawn for its queries"
                )
            protocol = replace(protocol, rates=row.query)
        key = [asdict(recipe), asdict(protocol), dict(row.assigned), row.naive, self.name]
        file = self.out / f"{split.number}-{_hash([*key, with_digest(self.init)])}.json"
        if file.exists():
            return Retrieval(**json.loads(file.read_text()))
        matcher: Matcher
        if row.naive:
            rates = (2.0,) if self._uneven else protocol.rates
            whole = (sum(recipe.sizes),)
            networks = {
                rate: self._network(replace(recipe, rates=(rate,), sizes=whole), split, told)
                for rate in rates
            }
            matcher = NaiveMatcher(networks, recipe, self.device, protocol.kernel)
        else:
            network = self._network(recipe, split, told)
            matcher = NetworkMatcher(
                network, recipe, self.device, protocol.kernel, protocol.gallery, row.assigned
            )
        found = evaluate_mlr(matcher, self.crops, split, protocol)
        write_whole(file, json.dumps(asdict(found)))
        return found

    @property
    def _uneven(self) -> bool:
        return any(camera_rate(c) != 1 for c in self.crops)

    def _recipe(self, row: Row) -> Recipe:
        return replace(RECIPES[row.recipe or self.base], **{**self.changes, **row.changes})

    def _network(self, recipe: Recipe, split: Split, told: Told) -> ResolutionAdaptiveNet:
        people = set(split.train)
        crops = [c for c in self.crops if c.identity in people]
        run = Run(
            recipe=recipe,
            sets=(self.name,),
            split=split.number,
            kernel=self.protocol.kernel,
            init=self.init,
            full_height=full_height(crops),
        )
        key = _hash([asdict(run), with_digest(self.init)])
        folder = self.out / f"{self.name}-{split.number}-{key}"
        fit(crops, run, folder, self.device, told)
        (folder / STATE).unlink(missing_ok=True)
        return load_network(folder)[0]

    def manifest(self, splits: Sequence[Split]) -> dict[str, Any]:
        """See `protocol.manifest`, with the recipes' changes and the first weights."""
        return {
            **manifest(self.name, self.crops, splits, self.protocol),
            "recipe": self.base,
            "changes": dict(self.changes),
            "init": with_digest(self.init),
        }


def summary(figures: Sequence[Retrieval]) -> dict[str, float]:
    """Mean figures over splits, and the standard deviation of rank 1 between them."""
    return {
        **mean(figures).figures(),
        "deviation": round(float(np.std([f.rank1 for f in figures])), 2),
    }


def markdown(rows: Sequence[Row], name: str, figures: Mapping[str, Mapping[str, float]]) -> str:
    """A table of figures beside the published ones."""
    lines = [
        f"| {name} | rank 1 | 5 | 10 | mAP | mINP | the paper |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        f = figures[row.name]
        paper = " / ".join(f"{x:.1f}" for x in row.published.get(name, ())) or "-"
        lines.append(
            f"| {row.name} | {f['rank1']:.1f} ± {f['deviation']:.1f} | {f['rank5']:.1f} | "
            f"{f['rank10']:.1f} | {f['mAP']:.1f} | {f['mINP']:.1f} | {paper} |"
        )
    return "\n".join(lines) + "\n"


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]
