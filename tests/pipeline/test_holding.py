"""A gallery spread over a real Ray cluster: the answers of one process, whoever dies meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from pipeline import PipelineError
from reid import Embedder
from storage import Gallery, SearchHit, StorageError, TrackUpdate

from ..storage.conftest import a_model, a_row
from ..storage.places import new_place
from ..storage.test_search import a_query, fill
from .conftest import Call, one_line

pytest.importorskip("ray")
from pipeline.cluster import holding


@pytest.fixture
def place(tmp_path: Path) -> Iterator[str]:
    """A filled gallery on PostgreSQL."""
    with new_place("postgres", tmp_path) as made:
        with Gallery.open(made, model=a_model(), create=True) as gallery:
            fill(gallery, 0)
        yield str(made)


def holders_of(cluster: Any) -> list[int]:
    """The processes that hold parts."""
    nodes = (cluster.head_node, *cluster.worker_nodes)
    parents = [p.process.pid for n in nodes for p in n.all_processes["raylet"]]
    call = ["pgrep", "-P", ",".join(map(str, parents)), "-f", "^ray::Holder"]
    found = subprocess.run(call, capture_output=True)
    return sorted(map(int, found.stdout.split()))


def over(cluster: Any, place: str, seed: int) -> tuple[list[SearchHit], list[SearchHit]]:
    """What the nodes find, and what one process finds."""
    with (
        Gallery.open(place, read_only=True) as gallery,
        holding.where_it_lies(cluster.address, place, gallery) as spread,
    ):
        query = a_query(seed, 2)
        return spread.search(query, top=100), gallery.search(query, top=100)


def same(found: list[SearchHit], whole: list[SearchHit]) -> bool:
    def facts(hits: list[SearchHit]) -> list[tuple[Any, ...]]:
        return [(h.identity, h.best, h.log_odds, h.level, h.distance) for h in hits]

    return bool(whole) and facts(found) == facts(whole)


def test_the_nodes_answer_as_one_process_does(cluster: Any, place: str) -> None:
    held = holding.spread(cluster.address, place, None, 1.0)
    assert len(held) > 1
    pids = holders_of(cluster)
    assert len(pids) == len(held)
    assert same(*over(cluster, place, 0))
    assert holders_of(cluster) == pids, "they stay, and are found again"
    with Gallery.open(place) as gallery:
        session = gallery.begin_session("near", "more", "more", 1000.0, 10.0)
        rng = np.random.default_rng(1)
        gallery.append(session.id, 9, 0, [TrackUpdate(n, [a_row(rng, n)]) for n in range(9)])
    assert same(*over(cluster, place, 1)), "what is new is seen at once"
    os.kill(pids[0], signal.SIGKILL)
    assert same(*over(cluster, place, 2)), "another one begins"
    assert len(holders_of(cluster)) == len(held)
    assert pids[0] not in holders_of(cluster)
    holding.gather(cluster.address, place)
    assert holders_of(cluster) == []
    with pytest.raises(PipelineError, match="nearfar gallery spread"):
        over(cluster, place, 3)


def test_a_gallery_that_the_nodes_cannot_read(cluster: Any, tmp_path: Path) -> None:
    place = tmp_path / "nearfar.db"
    with Gallery.open(place, model=a_model(), create=True) as gallery:
        fill(gallery, 0)
        with pytest.raises(StorageError, match="copy it to a PostgreSQL server"):
            holding.spread(cluster.address, str(place), 2, 60.0)
        assert gallery.parts.plan is None
    assert holders_of(cluster) == []


def test_bad_calls(nearfar: Call, tmp_path: Path) -> None:
    place = tmp_path / "nearfar.db"
    with Gallery.open(place, model=a_model(), create=True) as gallery:
        fill(gallery, 0)
    call = ("gallery", "spread", place, "--ray")
    one_line(nearfar(*call, "127.0.0.1:1"), 1, "no Ray cluster at 127.0.0.1:1")
    one_line(nearfar(*call, "local"), 2, "start a cluster")
    one_line(nearfar(*call, "127.0.0.1:1", "--window", "soon"), 2, "no age")


def test_the_commands(cluster: Any, nearfar: Call, tmp_path: Path) -> None:
    model, rng = Embedder.load(None, "cpu").info, np.random.default_rng(2)
    picture = tmp_path / "a.png"
    cv2.imwrite(str(picture), rng.integers(0, 255, (128, 64, 3), np.uint8))
    with new_place("postgres", tmp_path) as place:
        with Gallery.open(place, model=model, create=True) as gallery:
            session = gallery.begin_session("gate", "gate", "gate", 0.0, 10.0)
            for day in range(8):
                vector = np.zeros(model.dimension, np.float32)
                vector[: model.sizes[0]] = rng.normal(size=model.sizes[0])
                row = replace(a_row(rng, day), time=day * 86_400.0, level=1, vector=vector)
                gallery.append(session.id, day + 1, 0, [TrackUpdate(day, [row])])
        spread = ("gallery", "spread", place, "--ray", cluster.address)
        search = ("search", picture, "--gallery", place, "--json")
        said = nearfar(*spread, "--parts", 2, "--window", "1d")
        assert said.status == 0
        assert said.out.count("1970-01-05") == 2, "until then and from then on"
        over = nearfar(*search, "--ray", cluster.address)
        assert over.status == 0
        assert len(json.loads(over.out)["hits"]) == 8
        assert over.out == nearfar(*search).out
        assert "lies on no cluster any more" in nearfar(*spread, "--end").out
        one_line(nearfar(*search, "--ray", cluster.address), 2, "nearfar gallery spread")
