"""Recordings over a real Ray cluster: the rows are those of one machine, whoever dies meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from pipeline import PipelineError, linking, process
from pipeline.cluster import spread
from pipeline.site import Linking, Site
from storage import Gallery, StorageError, copy

from ..storage.places import new_place
from .conftest import ROOT, Processed, damage

pytest.importorskip("ray")
RUN = (
    "import sys; from pipeline import process; from pipeline.cluster import spread; "
    "spread.PIECE_SECONDS = 1.0; "
    "process(sys.argv[4:], sys.argv[1], sys.argv[2], device='cpu', ray=sys.argv[3])"
)
Rows = dict[str, list[tuple[Any, ...]]]


@pytest.fixture(autouse=True)
def short_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spread, "PIECE_SECONDS", 1.0)


def rows(place: Path) -> Rows:
    """All observations by camera and track, in the order of the numbers of tracks."""
    found: Rows = {}
    with Gallery.open(place, read_only=True) as gallery:
        assert gallery.check() == []
        for session in gallery.sessions():
            found[session.camera] = [(session.position, session.state, session.frames_lost)]
        for track in sorted(gallery.tracks(), key=lambda t: (t.camera, t.number)):
            seen = gallery.observations(track.id)
            facts = [(track.number, o.frame, o.time, o.box, o.level, o.crop) for o in seen]
            found[track.camera] += [*facts, track.embeddings.vectors.tobytes()]  # type: ignore[list-item]
    return found


def together(place: Path) -> set[frozenset[tuple[str, int]]]:
    """The tracks of each identity, whatever its number."""
    members: dict[int | None, set[tuple[str, int]]] = {}
    with Gallery.open(place, read_only=True) as gallery:
        for track in gallery.tracks(looks=0):
            members.setdefault(track.identity, set()).add((track.camera, track.number))
    return {frozenset(tracks) for tracks in members.values()}


def begun(cluster: Any, folder: Path, clips: dict[str, Path]) -> subprocess.Popen[bytes]:
    """A run over the cluster in a program of its own."""
    call = [sys.executable, "-c", RUN, str(folder / "g.db"), str(folder / "out"), cluster.address]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([*call, *map(str, clips.values())], env=env, cwd=folder)


def stored(place: Path) -> int:
    """Frames that are stored; 0 while there is no gallery."""
    try:
        with Gallery.open(place, read_only=True) as gallery:
            return sum(s.position for s in gallery.sessions())
    except StorageError:
        return 0


def wait(program: subprocess.Popen[bytes], place: Path, frames: int) -> None:
    """Until so many frames are stored, or the program ends."""
    deadline = time.monotonic() + 240
    while stored(place) < frames and program.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_same_as_on_one_machine(
    cluster: Any, scene_clips: dict[str, Path], processed: Processed, tmp_path: Path
) -> None:
    told: list[tuple[str, int, int | None]] = []
    result = process(
        list(scene_clips.values()),
        tmp_path / "g.db",
        tmp_path / "out",
        device="cpu",
        ray=cluster.address,
        progress=lambda *facts: told.append(facts),
    )
    assert all(c.done for c in result.cameras)
    assert rows(tmp_path / "g.db") == rows(processed.gallery)
    assert together(tmp_path / "g.db") == together(processed.gallery)
    assert result.tally.frames == 80
    assert result.tally.boxes == processed.result.tally.boxes
    assert sorted(told) == [(c, n, 40) for c in ("middle", "near") for n in (10, 20, 30, 40)]
    again = process(
        list(scene_clips.values()),
        tmp_path / "g.db",
        tmp_path / "out",
        device="cpu",
        ray=cluster.address,
    )
    assert again.tally.frames == 0


@pytest.mark.parametrize("victim", ["driver", "worker", "node"])
def test_whoever_dies(
    cluster: Any,
    scene_clips: dict[str, Path],
    processed: Processed,
    tmp_path: Path,
    victim: str,
) -> None:
    program = begun(cluster, tmp_path, scene_clips)
    try:
        wait(program, tmp_path / "g.db", 20)
        assert program.poll() is None, "it was over too soon to be disturbed"
        if victim == "driver":
            program.kill()
            program.wait(60)
            assert 20 <= stored(tmp_path / "g.db") < 80
            program = begun(cluster, tmp_path, scene_clips)
        elif victim == "worker":
            nodes = [p.process.pid for n in cluster.worker_nodes for p in n.all_processes["raylet"]]
            call = ["pgrep", "-P", ",".join(map(str, nodes)), "-f", "^ray::(detect|embed)"]
            workers = subprocess.run(call, capture_output=True)
            for pid in map(int, workers.stdout.split()):
                os.kill(pid, signal.SIGKILL)
            assert workers.stdout
        else:
            cluster.remove_node(list(cluster.worker_nodes)[-1], allow_graceful=False)
            cluster.add_node(num_cpus=1)
        assert program.wait(240) == 0
    finally:
        program.kill()
        program.wait(60)
    assert rows(tmp_path / "g.db") == rows(processed.gallery)
    assert together(tmp_path / "g.db") == together(processed.gallery)


def test_what_can_not_be_read(cluster: Any, scene_clips: dict[str, Path], tmp_path: Path) -> None:
    """A damaged file gives what it gives on one machine; one that goes away ends with a reason."""
    broken = damage(scene_clips["near"], tmp_path / "broken.mp4")
    process([broken], tmp_path / "a.db", tmp_path / "a", device="cpu")
    process([broken], tmp_path / "b.db", tmp_path / "b", device="cpu", ray=cluster.address)
    assert rows(tmp_path / "b.db") == rows(tmp_path / "a.db")


def test_windows_and_zones_over_workers(
    cluster: Any,
    scene_clips: dict[str, Path],
    processed: Processed,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Workers link the parts of a gallery on a server; all ends as in one process."""
    site = Site(zones={"inside": ["near"]}, linking=Linking(window="0.02m"))
    own = copytree(processed.folder, tmp_path / "own") / processed.gallery.name
    with new_place("postgres", tmp_path) as place:
        with Gallery.open(own) as source, Gallery.open(place, create=True) as gallery:
            copy(source, gallery)
        with monkeypatch.context() as patched:
            patched.delattr(linking, "link_stored")
            spread_out = process(
                list(scene_clips.values()),
                place,
                tmp_path / "out",
                site=site,
                device="cpu",
                ray=cluster.address,
            ).identities
        with Gallery.open(place) as gallery:
            assert len(site.cut.parts(gallery.tracks(looks=0), ())) > 2
            alone = linking.link_gallery(
                gallery, gallery.calibration, site.constraints, site.link, site.cut
            )
    facts = [
        [(one.identity, [t.id for t in one.tracks], one.evidence, one.support) for one in found]
        for found in (alone, spread_out)
    ]
    assert facts[0] == facts[1]


def test_no_cluster(scene_clips: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"no Ray cluster at 127\.0\.0\.1:1: "):
        process([scene_clips["near"]], tmp_path / "g.db", tmp_path, device="cpu", ray="127.0.0.1:1")


def test_ray_is_not_imported_without_need() -> None:
    modules = "pipeline, pipeline.cli, pipeline.processing, pipeline.live.running"
    check = f"import sys, {modules}; print('ray' in sys.modules)"
    said = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, timeout=60, cwd=ROOT
    )
    assert said.stdout == "False\n", said.stderr
