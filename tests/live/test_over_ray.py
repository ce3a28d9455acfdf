"""Cameras over a real Ray cluster: spread, linked, moved when a node dies or freezes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest

from storage import Claim, Gallery, GalleryClaimed

from ..storage.places import new_place
from .nodes import Cluster, Readers, command, repeat
from .watches import ENVIRONMENT, WATCHER, WatchProgram

pytest.importorskip("ray")
CAMERAS = ("near", "middle", "near again", "middle again")
TIMES = 150
"""How often the clips of 4 s are played."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    started = Cluster("a", "b", "c")
    try:
        yield started
    finally:
        started.close()


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with new_place("postgres", tmp_path_factory.mktemp("gallery")) as place:
        yield str(place)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, scene_clips: dict[str, Path]) -> Path:
    """A site of four cameras, two of each clip, which is played over and over."""
    made = tmp_path_factory.mktemp("site")
    for name, clip in scene_clips.items():
        for file in (f"{name}.mp4", f"{name} again.mp4"):
            repeat(clip, made / file, TIMES)
    write_site(made, *CAMERAS)
    return made


def write_site(folder: Path, *cameras: str) -> None:
    lines = [f"  {name}: {{source: {name}.mp4}}\n" for name in cameras]
    (folder / "part.yaml").write_text("cameras:\n" + "".join(lines))
    (folder / "part.yaml").replace(folder / "site.yaml")


@pytest.fixture(scope="module")
def readers(folder: Path) -> Iterator[Readers]:
    looking = Readers(folder)
    yield looking
    looking.close()


@pytest.fixture(scope="module")
def watch(cluster: Cluster, gallery: str, folder: Path, readers: Readers) -> Iterator[WatchProgram]:
    """One that all tests here share; each leaves three nodes behind."""
    one = WatchProgram(folder / "site.yaml", "--gallery", gallery, "--ray", cluster.address)
    one.until(lambda: any(e["event"] == "start" for e in one.events), 60)
    one.until(lambda: counts(one) == [1, 1, 2], 120)
    try:
        yield one
    finally:
        one.end(signal.SIGKILL)


def owners(watch: WatchProgram) -> dict[str, str]:
    """The node of each camera that is live."""
    cameras = watch.status()["cameras"]
    return {c["camera"]: c["node"] for c in cameras if c["state"] == "live"}


def counts(watch: WatchProgram) -> list[int]:
    """How many cameras are live on each node."""
    return sorted(Counter(owners(watch).values()).values())


def seconds_to_move(watch: WatchProgram, node: str) -> float:
    """Until all cameras are live on other nodes."""
    began = time.monotonic()
    watch.until(lambda: set(owners(watch)) == set(CAMERAS) and node not in owners(watch).values())
    return time.monotonic() - began


def test_people_are_linked_over_nodes(watch: WatchProgram, gallery: str) -> None:
    nodes = owners(watch)
    with Gallery.open(gallery, read_only=True) as opened:

        def linked() -> bool:
            seen = defaultdict(set)
            for track in opened.tracks(looks=0):
                seen[track.identity].add(nodes[track.camera])
            return any(len(seen[i]) > 1 for i in seen if i is not None)

        watch.until(linked, 60)
    watch.until(lambda: set(json.loads(watch.get("/frames")[1])) == set(CAMERAS))
    line = f'nearfar_camera_node{{camera="near",node="{nodes["near"]}"}} 1'
    assert line in watch.get("/metrics")[1].splitlines()


def test_a_node_dies_and_another_comes(watch: WatchProgram, cluster: Cluster) -> None:
    (dead, _), *_ = Counter(owners(watch).values()).most_common()
    cluster.kill(dead)
    assert seconds_to_move(watch, dead) < 15
    cluster.add("d")
    watch.until(lambda: counts(watch) == [1, 1, 2], 90)
    assert "d" in owners(watch).values()


def test_a_node_freezes(watch: WatchProgram, cluster: Cluster) -> None:
    """What watched there is ended; had it gone on, it would have let go of its cameras."""
    frozen = owners(watch)["near"]
    process = cluster.post(frozen)
    os.kill(process, signal.SIGSTOP)
    assert seconds_to_move(watch, frozen) < 15
    os.kill(process, signal.SIGCONT) if command(process) else None
    watch.until(lambda: b"ray::Post" not in command(process))
    watch.until(lambda: counts(watch) == [1, 1, 2], 90)


def claimed(watch: WatchProgram, gallery: Gallery, camera: str) -> Claim:
    """A claim on a camera, as soon as it is free."""
    taken: list[Claim] = []

    def take() -> bool:
        with suppress(GalleryClaimed):
            taken.append(gallery.claim(camera))
        return bool(taken)

    watch.until(take)
    return taken[0]


def test_a_camera_that_another_program_has(watch: WatchProgram, gallery: str, folder: Path) -> None:
    write_site(folder, "near", "middle", "near again")
    watch.until(lambda: len(watch.status()["cameras"]) == 3)
    with Gallery.open(gallery) as other:
        claim = claimed(watch, other, "middle again")
        write_site(folder, *CAMERAS)
        watch.until(lambda: watch.states("middle again")[-1] == "waiting")
        assert "another program" in watch.camera("middle again")["reason"]
        time.sleep(1)
        assert watch.camera("middle again")["frames"] == 0
        claim.close()
        watch.until(watch.is_live("middle again"))


def test_nothing_was_read_twice(watch: WatchProgram, gallery: str, readers: Readers) -> None:
    """The last of them: the watch ends."""
    status, took = watch.end()
    assert (status, took < 10) == (0, True), watch.output
    assert readers.most == Counter(CAMERAS)
    with Gallery.open(gallery) as opened:
        assert opened.check() == []
        for camera in CAMERAS:
            opened.claim(camera).close()
            spans = []
            for session in opened.sessions([camera]):
                tracks = [t for t in opened.tracks([camera], looks=0) if t.session == session.id]
                spans.append((session.start, max((t.last for t in tracks), default=session.start)))
            assert all(end <= start for (_, end), (start, _) in pairwise(sorted(spans)))
        seen = [track for track in opened.tracks(looks=1) if len(track.embeddings)]
    over = max(track.last for track in seen) - 5  # one look takes 3 s until it is linked
    assert [track for track in seen if track.identity is None and track.last < over] == []


WITHOUT_RAY = "import sys; sys.modules['ray'] = None; from pipeline.cli import main; main()"


@pytest.mark.parametrize(
    ("program", "source", "options", "status", "words"),
    [
        ([str(WATCHER)], "a.mp4", ["--gallery", "a.db"], 2, "each node writes the gallery"),
        ([str(WATCHER)], "a.mp4", ["--ray", "127.0.0.1:1"], 1, "no Ray cluster at 127.0.0.1:1: "),
        (["-c", WITHOUT_RAY], "a.mp4", [], 2, "pip install 'nearfar[ray]'"),
        ([str(WATCHER)], "0", [], 2, "camera gate is a device of one machine"),
        ([str(WATCHER)], "a.mp4", ["--detector", "none.onnx"], 1, "weights none.onnx don't exist"),
    ],
)
def test_calls_that_can_not_be_followed(
    cluster: Cluster,
    gallery: str,
    tmp_path: Path,
    program: list[str],
    source: str,
    options: list[str],
    status: int,
    words: str,
) -> None:
    (tmp_path / "site.yaml").write_text(f"cameras:\n  gate: {{source: {source}}}\n")
    call = [sys.executable, *program, "watch", "site.yaml", "--listen", "none", "--device", "cpu"]
    call += ["--gallery", gallery, "--ray", cluster.address, *options]
    said = subprocess.run(
        call, env=ENVIRONMENT, cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert said.returncode == status, said.stderr
    assert words in said.stderr.splitlines()[-1]
    assert "Traceback" not in said.stderr
