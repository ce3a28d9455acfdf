"""A post on a node of a cluster as its head knows it, and how it begins there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from ..cluster.ray import GPU_SHARE, Ref, ray
from .post import Orders, Post
from .states import StationHealth
from .watched import Wanted


@dataclass
class Held:
    """A post as its head knows it; times are monotonic.

    Args:
        node: its id. name: as people are told it. actor: that holds it.
        call: that is not answered yet. silent: for how many seconds.
        heard: when it last answered, also in UTC (`heard_utc`).
        cameras: that it was told to watch.
    """

    node: str
    name: str
    actor: Any
    call: Ref
    silent: float = 0.0
    heard: float = 0.0
    heard_utc: float = 0.0
    ready: bool = False
    cameras: Wanted = field(default_factory=dict)
    health: StationHealth | None = None


def begin(node: dict[str, Any], name: str, orders: Orders) -> Held:
    """Has a post begin on a node, of those that `usable` named."""
    models = replace(orders.models, threads=max(1, int(node["Resources"]["CPU"])))
    there = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node["NodeID"], False)
    needs: dict[str, Any] = {"num_cpus": 1, "scheduling_strategy": there}
    if models.device == "cuda":
        needs["num_gpus"] = GPU_SHARE
    kind: Any = ray.remote(**needs)(Post)
    actor = kind.remote()
    call = actor.open.remote(replace(orders, models=models))
    return Held(node["NodeID"], name, actor, call)


def usable(device: str) -> list[dict[str, Any]]:
    """The nodes that have what a post needs."""
    needed = {"CPU": 1.0, "GPU": GPU_SHARE if device == "cuda" else 0.0}
    return [
        node
        for node in ray.nodes()
        if node["Alive"] and all(node["Resources"].get(k, 0) >= n for k, n in needed.items())
    ]
