"""How the shipped embedder is trained, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass

HEIGHTS = (32, 64, 128, 256)
SIZES = (128, 128, 128, 128)


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Args:
        size: (height, width) of the input in pixels.
        steps: optimiser steps. persons, views: identities and crops of each in a batch.
        lr: peak learning rate, after `warmup` steps; falls to zero as a cosine.
        backbone: see `ResolutionAdaptiveNet`. seed: of everything random.
    """

    size: tuple[int, int] = (256, 128)
    steps: int = 12000
    persons: int = 16
    views: int = 4
    lr: float = 1e-3
    warmup: int = 300
    backbone: str = "resnet18-half"
    seed: int = 0
    heights: tuple[int, ...] = HEIGHTS
    sizes: tuple[int, ...] = SIZES
