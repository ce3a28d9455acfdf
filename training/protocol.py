"""Who is trained on and who is looked for: splits and trials that anyone can draw again.

Nothing here depends on a random number generator: each draw is decided by the SHA-256 of a text, so
that another program, another version or another language draws the same.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .datasets import Crop
from .errors import TrainingError
from .rates import camera_rate

RULE = (
    "order by the SHA-256 of '0/split/identity' draws the identities of a split, the first half "
    "trains; the gallery picture of a person is the one with the least SHA-256 of "
    "'seed/trial/gallery/picture', among those of the sharpest camera where a set has one; the "
    "rate of a query is the one of the SHA-256 of 'seed/trial/rate/picture' modulo their number; "
    "queries are the other cameras' pictures of the person (other pictures where cameras are not "
    "known)"
)


def draw(*key: object) -> int:
    """A number that depends on the key alone: the SHA-256 of its parts with slashes between."""
    return int.from_bytes(hashlib.sha256("/".join(map(str, key)).encode()).digest(), "big")


@dataclass(frozen=True)
class Split:
    """Identities to train on and identities to test on, sorted."""

    number: int
    train: tuple[str, ...]
    test: tuple[str, ...]


def split_identities(crops: Sequence[Crop], number: int) -> Split:
    """Split `number` of a set; no seed changes who was trained on.

    A set that names its own (``.../train/...`` and ``.../test/...``) has one. Others are halved at
    random among the people seen by two cameras (with two pictures where cameras are not known).

    Raises:
        TrainingError: when there is nobody to train or test on.
    """
    seen: dict[str, set[int]] = defaultdict(set)
    pictures: dict[str, int] = defaultdict(int)
    for crop in crops:
        seen[crop.identity].add(crop.camera)
        pictures[crop.identity] += 1
    parts = {name: name.split("/")[1] for name in seen}
    if "test" in parts.values():
        train = [name for name, part in parts.items() if part == "train"]
        test = [name for name, part in parts.items() if part == "test"]
    else:
        able = sorted(
            name
            for name, cameras in seen.items()
            if len(cameras) > 1 or (cameras == {-1} and pictures[name] > 1)
        )
        able.sort(key=lambda name: draw(0, number, name))
        train, test = able[: len(able) // 2], able[len(able) // 2 :]
    if not train or not test:
        raise TrainingError(
            "a split needs people for training and people for test who were seen by two cameras; "
            f"got {len(train)} and {len(test)} of {len(seen)}"
        )
    return Split(number, tuple(sorted(train)), tuple(sorted(test)))


@dataclass(frozen=True)
class Protocol:
    """The MLR evaluation of section V-B.

    Args:
        rates: a query is shrunk by one of them. trials: draws that are averaged.
        kernel: of `training.rates.KERNELS`. seed: of the draws.
        gallery: whether a gallery picture runs with the masks of its ``own`` level (Eq. 2) or with
            those of the ``query``.

    Raises:
        TrainingError: when `gallery` is neither.
    """

    rates: tuple[float, ...] = (2, 3, 4)
    trials: int = 10
    kernel: str = "area"
    seed: int = 0
    gallery: str = "own"

    def __post_init__(self) -> None:
        if self.gallery not in ("own", "query"):
            raise TrainingError(
                f"the gallery runs with its own masks or the query's, not {self.gallery!r}"
            )


@dataclass(frozen=True)
class Trial:
    """One draw: crops by their place in the list that they were drawn from.

    Args:
        gallery: one picture a person. query: pictures to look for. rate: of each query.
    """

    gallery: tuple[int, ...]
    query: tuple[int, ...]
    rate: tuple[float, ...]


def trials(crops: Sequence[Crop], test: Sequence[str], protocol: Protocol) -> list[Trial]:
    """The trials over the people of `test`.

    Where a set has a far camera, the gallery comes from the near one and a query's rate is the
    camera's own (`training.rates.camera_rate`): nobody shrinks it.
    """
    of_person: dict[str, list[int]] = {name: [] for name in test}
    for i, crop in enumerate(crops):
        if crop.identity in of_person:
            of_person[crop.identity].append(i)
    uneven = len({camera_rate(c) for c in crops}) > 1
    drawn = []
    for number in range(protocol.trials):
        gallery, query, rate = [], [], []
        for rows in of_person.values():
            sharp = [i for i in rows if camera_rate(crops[i]) == 1]
            entry = min(sharp, key=lambda i: draw(protocol.seed, number, "gallery", crops[i].name))
            others = [
                i
                for i in rows
                if i != entry and (crops[i].camera != crops[entry].camera or crops[i].camera < 0)
            ]
            gallery.append(entry)
            query += others
            rate += [
                camera_rate(crops[i])
                if uneven
                else protocol.rates[
                    draw(protocol.seed, number, "rate", crops[i].name) % len(protocol.rates)
                ]
                for i in others
            ]
        drawn.append(Trial(tuple(gallery), tuple(query), tuple(rate)))
    return drawn


def market_trial(crops: Sequence[Crop]) -> Trial:
    """The standard evaluation: all queries against all of the gallery, as their set names them.

    Raises:
        TrainingError: when the set names no query or no gallery.
    """
    query = tuple(i for i, c in enumerate(crops) if c.role == "query")
    gallery = tuple(i for i, c in enumerate(crops) if c.role == "gallery")
    if not query or not gallery:
        raise TrainingError("the standard evaluation needs a set with folders query and gallery")
    return Trial(gallery, query, (1.0,) * len(query))


def manifest(
    name: str, crops: Sequence[Crop], splits: Sequence[Split], protocol: Protocol
) -> dict[str, Any]:
    """What another run needs to draw the same, and digests that tell whether it did."""
    return {
        "set": name,
        "pictures": len(crops),
        "rule": RULE,
        **asdict(protocol),
        "rates": list(protocol.rates),
        "splits": [
            {
                "number": split.number,
                "train": len(split.train),
                "test": [identity.split("/", 1)[1] for identity in split.test],
                "trials": [
                    digest(trial, crops)[:16] for trial in trials(crops, split.test, protocol)
                ],
            }
            for split in splits
        ],
    }


def digest(trial: Trial, crops: Sequence[Crop]) -> str:
    """SHA-256 over gallery names, and query names with their rates, in order."""
    lines = [crops[i].name for i in trial.gallery]
    lines += [f"{crops[i].name} {rate:g}" for i, rate in zip(trial.query, trial.rate, strict=True)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def check_manifest(stored: dict[str, Any], made: dict[str, Any]) -> None:
    """Raises:
    TrainingError: when the two differ, with the first key that does.
    """
    stored, made = json.loads(json.dumps(stored)), json.loads(json.dumps(made))
    for key in made:
        if stored.get(key) != made[key]:
            raise TrainingError(
                f"not the evaluation of the manifest: {key} differs; are set and options the same?"
            )
