"""Cameras are shared out evenly, and no more of them move than must."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pipeline.live.plan import share_out

NODES = st.lists(st.sampled_from("abcdefg"), unique=True, max_size=6)
HELD = st.lists(st.sampled_from(" abcdefg"), max_size=20)


@given(HELD, NODES)
def test_even_and_with_the_fewest_moves(before: list[str], nodes: list[str]) -> None:
    cameras = [f"camera {n}" for n in range(len(before))]
    held = {c: node for c, node in zip(cameras, before, strict=True) if node != " "}
    plan = share_out(cameras, {**held, "gone": "a"}, nodes)
    if not nodes:
        assert plan == {}
        return
    assert set(plan) == set(cameras)
    sizes = Counter(plan.values())
    counts = sorted((sizes[node] for node in nodes), reverse=True)
    assert set(plan.values()) <= set(nodes)
    assert counts[0] - counts[-1] <= 1
    stayed = sum(held.get(camera) == node for camera, node in plan.items())
    had = sorted((Counter(held.values())[node] for node in nodes), reverse=True)
    assert stayed == sum(map(min, had, counts)), "the fullest nodes keep the most"
    assert share_out(cameras, plan, nodes) == plan
