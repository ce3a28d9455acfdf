"""The network with its losses as one module: a batch in, losses by name out."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reid.network import ResolutionAdaptiveNet, normalise

from .losses import (
    IdentityLoss,
    TeacherLoss,
    VerificationLoss,
    contrastive_loss,
    prefix_loss,
    similarities,
)
from .recipe import Recipe


@dataclass(frozen=True)
class Batch:
    """Pictures of ``persons x views`` rows, the views of one person in a row.

    Args:
        images: ``uint8 (N, H, W, 3)`` BGR. level: ``int64 (N,)`` in 1..m.
        identity: ``int64 (N,)`` in 0..C-1; below 0 for people who are no class.
        picture: ``int64 (N,)``, equal for copies of one picture.
        teacher: ``float32 (N, D)`` unit vectors, zero where the teacher has no say.
    """

    images: Tensor
    level: Tensor
    identity: Tensor
    picture: Tensor
    teacher: Tensor

    def part(self, rank: int, world: int) -> Batch:
        """The rows of process `rank` of `world`: whole persons, as many for each."""
        rows = slice(rank * len(self.level) // world, (rank + 1) * len(self.level) // world)
        return Batch(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    def to(self, device: torch.device) -> Batch:
        return Batch(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))


class Learner(nn.Module):
    """Network and losses of a recipe.

    Args:
        recipe: which losses there are and how they are weighed.
        identities: C. teacher: dimension of the teacher's vectors, 0 without a teacher.
    """

    def __init__(self, recipe: Recipe, identities: int, teacher: int = 0) -> None:
        super().__init__()
        self.recipe = recipe
        d = sum(recipe.sizes)
        self.network = network_of(recipe)
        self.identity = (
            IdentityLoss(d, identities, recipe.smoothing, recipe.scale or None)
            if recipe.identity
            else None
        )
        self.verification = VerificationLoss(d) if recipe.verification else None
        self.teacher = TeacherLoss(d, teacher) if recipe.teacher and teacher else None

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Weighted losses by name, scalars; their sum is what is minimised."""
        r = self.recipe
        on = batch.images.device.type
        with torch.autocast(on, torch.bfloat16):
            z = self.network(normalise(batch.images), batch.level)
        z = z.float()
        sizes = r.sizes if r.varying_length else (sum(r.sizes),)
        level = batch.level if r.varying_length else torch.ones_like(batch.level)
        losses = {}
        if self.identity is not None:
            named = batch.identity >= 0
            losses["identity"] = r.identity * self.identity(z[named], batch.identity[named])
        if self.verification is not None:
            a, b = pairs(len(z), r.views, z.device)
            same = batch.identity[a] == batch.identity[b]
            losses["verification"] = r.verification * self.verification(z[a], z[b], same)
        if r.contrastive or self.teacher is not None:
            cosines = similarities(z, level, sizes)
        if r.contrastive:
            losses["contrastive"] = r.contrastive * contrastive_loss(cosines, batch.identity)
        if r.prefix:
            losses["prefix"] = r.prefix * prefix_loss(z, level, batch.picture, sizes)
        if self.teacher is not None:
            known = batch.teacher.abs().sum(1) > 0
            if known.any():
                losses["teacher"] = r.teacher * self.teacher(
                    z[known], cosines[known][:, known], batch.teacher[known]
                )
        return losses


def network_of(recipe: Recipe) -> ResolutionAdaptiveNet:
    """The network that a recipe trains, untrained."""
    return ResolutionAdaptiveNet(
        recipe.backbone,
        recipe.sizes,
        masks=recipe.masks,
        varying_length=recipe.varying_length,
        neck=recipe.neck,
        power_mean=recipe.power_mean,
    )


def pairs(rows: int, views: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """For each row another view of its person and one of the next person, as two index vectors."""
    row = torch.arange(rows, device=device)
    same = row - row % views + (row + 1) % views
    other = (row + views) % rows
    return torch.cat([row, row]), torch.cat([same, other])
