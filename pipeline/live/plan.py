"""Which node watches which camera."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence


def share_out(
    cameras: Iterable[str], held: Mapping[str, str], nodes: Sequence[str]
) -> dict[str, str]:
    """Spreads cameras evenly over nodes and moves as few as can be.

    Args:
        held: the node of each camera that has one; it may be gone, or the camera no longer wanted.

    Returns:
        The node of each camera; nodes differ by one camera at most. Empty without nodes.
    """
    shares: dict[str, list[str]] = {node: [] for node in nodes}
    free: list[str] = []
    for camera in cameras:
        shares.get(held.get(camera, ""), free).append(camera)
    if not nodes:
        return {}
    least, more = divmod(sum(map(len, shares.values())) + len(free), len(nodes))
    by_size = sorted(nodes, key=lambda node: -len(shares[node]))
    room = {node: least + (i < more) for i, node in enumerate(by_size)}
    for node, mine in shares.items():
        free += mine[room[node] :]
        del mine[room[node] :]
    for node, mine in shares.items():
        missing = room[node] - len(mine)
        mine += free[:missing]
        del free[:missing]
    return {camera: node for node, mine in shares.items() for camera in mine}
