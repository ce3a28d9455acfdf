"""Losses of the paper (section III-E) and those that the shipped embedder adds."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reid.embeddings import prefix_lengths


class IdentityLoss(nn.Module):
    """One ``d x C`` classifier over the zero-padded vector (section III-E).

    A vector of level k meets the first rows of the classifier only, which pulls all levels of one
    person towards the same prototype (Fig. 3).

    Args:
        dimension: d. identities: C. smoothing: of labels. scale: if given, vectors are scaled to
            this length first, so that short ones are not at a disadvantage.
    """

    def __init__(
        self, dimension: int, identities: int, smoothing: float = 0.0, scale: float | None = None
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(identities, dimension) / dimension**0.5)
        self.smoothing, self.scale = smoothing, scale

    def forward(self, z: Tensor, identity: Tensor) -> Tensor:
        """``(N, d)`` zero-padded vectors and ``int64 (N,)`` identities to a scalar."""
        if self.scale is not None:
            z = F.normalize(z) * self.scale
        return F.cross_entropy(z @ self.weight.T, identity, label_smoothing=self.smoothing)


class VerificationLoss(nn.Module):
    """Eq. 4: an MLP on the difference of two zero-padded vectors says whether they match."""

    def __init__(self, dimension: int, hidden: int = 256) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(dimension, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, 1)
        )

    def forward(self, a: Tensor, b: Tensor, same: Tensor) -> Tensor:
        """``(N, d)`` vectors of N pairs and ``bool (N,)`` to a scalar."""
        logit = self.mlp(a - b).squeeze(1)
        return F.binary_cross_entropy_with_logits(logit, same.to(logit.dtype))


def similarities(z: Tensor, level: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """Cosines of all pairs of rows, each over the prefix that both fill: ``(N, N)`` in -1..1."""
    pair = torch.minimum(level[:, None], level[None, :])
    out = torch.zeros(pair.shape, dtype=z.dtype, device=z.device)
    for k, length in enumerate(prefix_lengths(sizes), start=1):
        prefix = F.normalize(z[:, :length])
        out = torch.where(pair == k, prefix @ prefix.T, out)
    return out


def contrastive_loss(similarity: Tensor, identity: Tensor, temperature: float = 0.1) -> Tensor:
    """Supervised contrastive loss on `similarities`: rows of one person attract, others repel."""
    n = len(identity)
    itself = torch.eye(n, dtype=torch.bool, device=similarity.device)
    same = (identity[:, None] == identity[None, :]) & ~itself
    logits = (similarity / temperature).masked_fill(itself, float("-inf"))
    log_p = logits - logits.logsumexp(1, keepdim=True)
    have = same.any(1)
    each = log_p.masked_fill(~same, 0).sum(1)[have] / same.sum(1)[have]
    return -each.mean()


def prefix_loss(z: Tensor, level: Tensor, picture: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """How far the vectors of shrunk copies stray from the prefix of their sharpest copy's vector.

    One minus the cosine over the prefix that the shrunk copy fills, averaged over the pairs of
    copies of one picture; the sharper one is taken as given. Zero when no picture comes twice.

    Args:
        z: ``(N, d)`` zero-padded. level: ``(N,)``. picture: ``(N,)``, equal for copies.
    """
    pair = picture[:, None] == picture[None, :]
    low, high = torch.nonzero(pair & (level[:, None] < level[None, :]), as_tuple=True)
    if not len(low):
        return z.sum() * 0
    lengths = torch.as_tensor(prefix_lengths(sizes), device=z.device)
    filled = torch.arange(z.shape[1], device=z.device)[None, :] < lengths[level[low] - 1][:, None]
    return (1 - F.cosine_similarity(z[low], z[high].detach() * filled)).mean()


class TeacherLoss(nn.Module):
    """How far degraded crops of any level stray from what a teacher saw at full resolution.

    Two parts: the teacher's vector, predicted from the zero-padded one by a linear map of which a
    short vector meets the first rows only; and the teacher's cosines between the crops of a batch,
    compared with the student's on shared prefixes, which is the metric that the product uses.

    Args:
        dimension: d. teacher: dimension D of the teacher's vectors.
    """

    def __init__(self, dimension: int, teacher: int) -> None:
        super().__init__()
        self.map = nn.Linear(dimension, teacher, bias=False)

    def forward(self, z: Tensor, cosines: Tensor, target: Tensor) -> Tensor:
        """``(N, d)`` vectors, their `similarities` ``(N, N)`` and the teacher's unit vectors
        ``(N, D)`` to a scalar."""
        vector = 1 - (F.normalize(self.map(F.normalize(z))) * target).sum(1)
        return 5 * vector.mean() + 20 * F.mse_loss(cosines, target @ target.T)
