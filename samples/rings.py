"""Surfaces as stacks of rings: the one shape that bodies and things are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

TILES = ("torso", "hips", "arm", "leg", "head", "over", "hat", "bag", "shoe", "skin", "hair")
"""Parts of a texture atlas, from top to bottom."""


@dataclass
class Rings:
    """Collects tubes; each is a run of rings (ellipses) that neighbours are stretched between.

    A ring has a centre, two half axes along unit vectors `side` and `front`, and a roundness
    (1 an ellipse, towards 0 a box). Lengths in metres.
    """

    centres: list[np.ndarray] = field(default_factory=list)
    sides: list[np.ndarray] = field(default_factory=list)
    fronts: list[np.ndarray] = field(default_factory=list)
    radii: list[np.ndarray] = field(default_factory=list)
    roundness: list[np.ndarray] = field(default_factory=list)
    occlusion: list[np.ndarray] = field(default_factory=list)
    along: list[np.ndarray] = field(default_factory=list)
    tiles: list[np.ndarray] = field(default_factory=list)
    bias: list[np.ndarray] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    swells: dict[int, np.ndarray] = field(default_factory=dict)

    def tube(
        self,
        tile: str,
        centres: np.ndarray,
        side: np.ndarray,
        front: np.ndarray,
        a: Sequence[float] | np.ndarray,
        b: Sequence[float] | np.ndarray,
        *,
        along: Sequence[float] | np.ndarray | None = None,
        roundness: float = 1.0,
        occlusion: Sequence[float] | np.ndarray | float = 1.0,
        bias: float = 0.0,
        swell: np.ndarray | None = None,
    ) -> None:
        """Add a tube of n rings: centres (n, 3), side and front (3,) or (n, 3), a and b (n,).

        `along` (n,) is the texture's coordinate from 0 to 1; `swell` (n, 72) stretches the
        radius by angle; `bias` (metres) draws the tube in front of what it lies on.
        """
        n = len(centres)
        if swell is not None:
            self.swells[len(self.lengths)] = swell
        self.lengths.append(n)
        self.centres.append(np.asarray(centres, float))
        self.sides.append(np.broadcast_to(side, (n, 3)))
        self.fronts.append(np.broadcast_to(front, (n, 3)))
        self.radii.append(np.stack([np.broadcast_to(a, n), np.broadcast_to(b, n)], 1))
        self.roundness.append(np.full(n, roundness))
        self.occlusion.append(np.broadcast_to(np.asarray(occlusion, float), n))
        self.along.append(np.linspace(0, 1, n) if along is None else np.asarray(along, float))
        self.tiles.append(np.full(n, TILES.index(tile)))
        self.bias.append(np.full(n, bias))

    def blob(
        self,
        tile: str,
        centre: np.ndarray,
        axis: np.ndarray,
        side: np.ndarray,
        front: np.ndarray,
        size: tuple[float, float, float],
        *,
        rings: int = 5,
        roundness: float = 1.0,
        occlusion: float = 1.0,
        bias: float = 0.0,
    ) -> None:
        """Add an ellipsoid (a rounded box where roundness is low) with half axes `size`."""
        t = np.linspace(-1.0, 1.0, rings)
        profile = np.maximum(1.0 - np.abs(t) ** (2.0 / roundness), 0.0) ** (0.5 * roundness)
        profile[[0, -1]] = 0.02
        if roundness < 0.7:
            t = np.concatenate([[-1.0], t, [1.0]])
            profile = np.concatenate([[0.02], np.full(rings, 1.0), [0.02]])
            profile[[1, -2]] = 0.9
        self.tube(
            tile,
            centre + np.outer(t * size[2], axis),
            side,
            front,
            profile * size[0],
            profile * size[1],
            along=(t + 1) / 2,
            roundness=roundness,
            occlusion=occlusion,
            bias=bias,
        )

    def mesh(self, columns: int) -> Mesh:
        """All tubes as one grid of vertices, `columns` round each ring."""
        side, front = np.concatenate(self.sides), np.concatenate(self.fronts)
        radii, power = np.concatenate(self.radii), np.concatenate(self.roundness)
        angle = np.arange(columns) * (2 * np.pi / columns)
        cos, sin = np.cos(angle), np.sin(angle)
        if np.all(power == 1.0):
            x, y = radii[:, :1] * cos, radii[:, 1:] * sin
        else:
            x = radii[:, :1] * (np.sign(cos) * np.abs(cos) ** power[:, None])
            y = radii[:, 1:] * (np.sign(sin) * np.abs(sin) ** power[:, None])
        starts = np.concatenate([[0], np.cumsum(self.lengths)])
        for part, swell in self.swells.items():
            pick = (np.arange(columns) * 72) // columns
            x[starts[part] : starts[part + 1]] *= swell[:, pick]
            y[starts[part] : starts[part + 1]] *= swell[:, pick]
        offset = x[..., None] * side[:, None] + y[..., None] * front[:, None]
        return Mesh(
            vertices=np.concatenate(self.centres)[:, None] + offset,
            offset=offset,
            occlusion=np.concatenate(self.occlusion),
            along=np.concatenate(self.along),
            tiles=np.concatenate(self.tiles),
            bias=np.concatenate(self.bias),
            lengths=tuple(self.lengths),
        )


@dataclass(frozen=True)
class Mesh:
    """Vertices (R, C, 3) in metres in R rings; `offset` is from the ring's centre; rest (R,)."""

    vertices: np.ndarray
    offset: np.ndarray
    occlusion: np.ndarray
    along: np.ndarray
    tiles: np.ndarray
    bias: np.ndarray
    lengths: tuple[int, ...]

    def placed(self, x: float, y: float, heading: float) -> Mesh:
        """The mesh turned to `heading` (0 looks along +y, positive to +x) and put at x, y."""
        c, s = np.cos(heading), np.sin(heading)
        turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
        return Mesh(
            vertices=self.vertices @ turn + (x, y, 0.0),
            offset=self.offset @ turn,
            occlusion=self.occlusion,
            along=self.along,
            tiles=self.tiles,
            bias=self.bias,
            lengths=self.lengths,
        )
