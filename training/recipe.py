"""How a network is trained, as one frozen value; the named recipes of the project."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import TrainingError

FULL_HEIGHT = 256
"""Height in pixels of a person at rate 1 (section IV)."""
SMALL = ("resnet18", "resnet18-half")
"""Backbones whose last stage is too narrow for sub-vectors of 512."""


@dataclass(frozen=True)
class Recipe:
    """How to train. The defaults are the paper's, and docs/choices.md says where it is silent.

    Args:
        backbone: see `ResolutionAdaptiveNet`; so are `masks`, `varying_length`, `neck` and
            `power_mean`.
        size: (height, width) of the input in pixels.
        rates: by how much pictures are shrunk, descending; ``rates[k - 1]`` is level k.
        sizes: the sub-vector sizes ``d_1..d_m``.
        progressive: Algorithm 1, or all masks from the start (end-to-end).
        epochs: in all; a progressive run shares them evenly among its stages.
        milestones: shares of a stage after which the learning rate falls to a tenth (40 and 70 of
            120 epochs); without any it falls to zero as a cosine.
        persons, views: identities and pictures of each in a batch.
        optimiser: ``adam``, which adds the decay of the weights to their gradient before it scales
            that, or ``adamw``, which shrinks the weights by ``lr x decay`` in each step.
        lr: peak learning rate. warmup: share of the run in which it rises. decay: of the weights.
        ema: decay of the running average of the weights that is kept; 0 keeps the last ones.
        identity, verification, contrastive, prefix, teacher: weights of the losses.
        smoothing: of identity labels. scale: length of the vectors that the identity loss sees;
            0 leaves them.
        erase: probability that a part of a picture is erased.
        copies: each picture comes twice into a batch, at rate 1 and at a random one; else once.
        camera: crops are degraded as cameras do it, at any height (`training.augment`), instead of
            shrunk by the rates.
        small_until: share of the run in which inputs have two thirds of `size`, for half the time a
            step (`camera`).
        normalised: whether prefixes are scaled to length one before they are compared (Eq. 2 does
            not say so).
        seed: of everything random.

    Raises:
        TrainingError: when there are not as many sub-vectors as rates.
    """

    backbone: str = "resnet50"
    size: tuple[int, int] = (256, 128)
    rates: tuple[float, ...] = (4, 3, 2, 1)
    sizes: tuple[int, ...] = (512, 512, 512, 512)
    masks: bool = True
    varying_length: bool = True
    neck: bool = False
    power_mean: bool = False
    progressive: bool = True
    epochs: int = 120
    milestones: tuple[float, ...] = (40 / 120, 70 / 120)
    persons: int = 8
    views: int = 4
    optimiser: str = "adam"
    lr: float = 3.5e-4
    warmup: float = 10 / 120
    decay: float = 5e-4
    ema: float = 0.0
    identity: float = 1.0
    verification: float = 0.5
    contrastive: float = 0.0
    prefix: float = 0.0
    teacher: float = 0.0
    smoothing: float = 0.0
    scale: float = 0.0
    erase: float = 0.0
    copies: bool = False
    camera: bool = False
    small_until: float = 0.0
    normalised: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if len(self.sizes) != len(self.rates):
            raise TrainingError(
                f"{len(self.rates)} levels need as many sub-vectors, got {self.sizes}"
            )

    @property
    def stages(self) -> int:
        """How many stages of training there are (L of Algorithm 1)."""
        return 4 if self.progressive and self.masks else 1

    @property
    def heights(self) -> tuple[int, ...]:
        """The heights in pixels that the levels stand for when a person at rate 1 has 256."""
        return tuple(round(FULL_HEIGHT / rate) for rate in self.rates)


RECIPES: dict[str, Recipe] = {
    "paper": Recipe(),
    "best": Recipe(
        neck=True,
        progressive=False,
        contrastive=0.5,
        prefix=1.0,
        smoothing=0.1,
        scale=16.0,
        erase=0.4,
        ema=0.995,
        copies=True,
        normalised=True,
        milestones=(),
    ),
    "camera": Recipe(
        backbone="resnet18-half",
        size=(192, 96),
        rates=(8, 4, 2, 1),
        sizes=(128, 128, 128, 128),
        neck=True,
        progressive=False,
        epochs=44,
        persons=32,
        optimiser="adamw",
        lr=1.5e-3,
        warmup=0.025,
        decay=0.02,
        milestones=(),
        ema=0.998,
        contrastive=0.5,
        teacher=1.0,
        smoothing=0.1,
        scale=16.0,
        erase=0.4,
        camera=True,
        small_until=0.6,
        normalised=True,
    ),
}
"""``paper`` to the letter, ``best`` for the same protocol, ``camera`` for what ships."""
