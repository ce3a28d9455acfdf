"""The network of the paper: masks a level after each stage, a representation that grows with it.

Imported by training and export alone; at run time the embedder runs an ONNX file.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from .embeddings import prefix_lengths
from .errors import ReidError

MASK_DEVIATION = 0.1
"""Deviation of the Gaussian that mask parameters start from (the paper names none)."""

_BACKBONES: dict[str, tuple[type[BasicBlock | Bottleneck], tuple[int, int, int, int], int]] = {
    "resnet50": (Bottleneck, (3, 4, 6, 3), 64),
    "resnet18": (BasicBlock, (2, 2, 2, 2), 64),
    "resnet18-half": (BasicBlock, (2, 2, 2, 2), 32),
}


def normalise(images: Tensor) -> Tensor:
    """``uint8 (N, H, W, 3)`` BGR to normalised ``float32 (N, 3, H, W)`` RGB."""
    mean = torch.tensor([0.485, 0.456, 0.406], device=images.device)
    deviation = torch.tensor([0.229, 0.224, 0.225], device=images.device)
    return ((images.flip(-1).float() / 255 - mean) / deviation).permute(0, 3, 1, 2)


class ResolutionMask(nn.Module):
    """Eq. 3: feature maps scaled channel-wise by ``Sigmoid(M_k)``, one mask a level.

    Args:
        channels: channels of the feature map.
        m: number of levels.
    """

    def __init__(self, channels: int, m: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(m, channels) * MASK_DEVIATION)

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """``(N, C, H, W)`` maps and ``int64 (N,)`` levels in 1..m to ``(N, C, H, W)``.

        Maps in bfloat16 stay so: a mask in floats would bring all of them to floats.
        """
        return x * torch.sigmoid(self.weight).to(x.dtype)[level - 1][:, :, None, None]


class GeneralisedMean(nn.Module):
    """Pooling between average and maximum: a power mean with a trained exponent."""

    def __init__(self) -> None:
        super().__init__()
        self.exponent = nn.Parameter(torch.tensor(3.0))

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, H, W)`` maps to ``(N, C)``."""
        powers = x.float().clamp(min=1e-4) ** self.exponent
        return powers.mean((2, 3)) ** (1 / self.exponent)


class ResolutionAdaptiveNet(nn.Module):
    """Embeds crops of mixed levels (sections III-B and III-C).

    Args:
        backbone: ``resnet50``, ``resnet18`` or ``resnet18-half`` (half the channels).
        sizes: sub-vector sizes ``d_1..d_m``; level k fills the first k.
        masks: with them, or plain stages (the rows "without masks" of Tables II and III).
        varying_length: with it, or every level fills all of d.
        neck: batch norm behind the last fully-connected layer (the paper names none).
        power_mean: pooling by `GeneralisedMean` instead of the average.

    Attributes:
        masked: how many stages, counted from the output, scale their maps; fewer than all while
            progressive training (Algorithm 1) has not reached them.

    Raises:
        ReidError: when the backbone is unknown.
    """

    lengths: Tensor

    def __init__(
        self,
        backbone: str,
        sizes: Sequence[int],
        *,
        masks: bool = True,
        varying_length: bool = True,
        neck: bool = True,
        power_mean: bool = False,
    ) -> None:
        super().__init__()
        if backbone not in _BACKBONES:
            raise ReidError(f"unknown backbone {backbone!r}; choose from {', '.join(_BACKBONES)}")
        block, depths, width = _BACKBONES[backbone]
        self.backbone = backbone
        m, d = len(sizes), sum(sizes)
        self.stem, self.stages, channels = _resnet(block, depths, width)
        self.masks = nn.ModuleList(ResolutionMask(c, m) for c in channels) if masks else None
        self.masked = len(channels) if masks else 0
        self.pool = GeneralisedMean() if power_mean else _Average()
        head: list[nn.Module] = [nn.Linear(channels[-1], d, bias=False)]
        self.embed = nn.Sequential(*head, *([nn.BatchNorm1d(d)] if neck else []))
        lengths = prefix_lengths(sizes) if varying_length else [d] * m
        self.register_buffer("lengths", torch.as_tensor(lengths), persistent=False)

    def forward(self, images: Tensor, level: Tensor) -> Tensor:
        """``(N, 3, H, W)`` images and ``int64 (N,)`` levels to ``(N, d)``, zero-padded."""
        x = self.stem(images)
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if self.masks is not None and i >= len(self.stages) - self.masked:
                x = self.masks[i](x, level)
        z: Tensor = self.embed(self.pool(x))
        filled = (
            torch.arange(z.shape[1], device=z.device)[None, :] < self.lengths[level - 1][:, None]
        )
        return z * filled.to(z.dtype)


class _Average(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


def _resnet(
    block: type[BasicBlock | Bottleneck], depths: Sequence[int], width: int
) -> tuple[nn.Module, nn.ModuleList, list[int]]:
    """Stem, the four residual stages (last stride 1, section IV) and their channels."""
    net = ResNet(block, list(depths))
    net.inplanes = width
    stem = nn.Sequential(
        nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, stride=2, padding=1),
    )
    planes = [width * 2**i for i in range(4)]
    stages = nn.ModuleList(
        net._make_layer(block, p, n, stride)
        for p, n, stride in zip(planes, depths, (1, 2, 2, 1), strict=True)
    )
    for module in (*stem.modules(), *stages.modules()):
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return stem, stages, [p * block.expansion for p in planes]
