"""Runs that are killed at random moments, and runs that are asked to stop."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage import Gallery, StorageError

from .conftest import ROOT, Processed, encode, figures

KILLS = 20
FRAMES = 40
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


class Runs:
    """The program that begins runs; `begin` gives a run's process id, `words` what it says."""

    def __init__(self, clip: Path, folder: Path) -> None:
        script = Path(__file__).with_name("runs.py")
        self._program = subprocess.Popen(
            [sys.executable, str(script), str(clip), str(folder)],
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def begin(self, name: str) -> int:
        assert self._program.stdin
        print(name, file=self._program.stdin, flush=True)
        return int(self._read())

    def words(self) -> Iterator[str]:
        """Until the run is over, one way or the other."""
        while (word := self._read()) != "over":
            yield word

    def close(self) -> None:
        self._program.communicate()

    def _read(self) -> str:
        assert self._program.stdout
        return self._program.stdout.readline().strip()


@pytest.fixture
def runs(scene_clips: dict[str, Path], tmp_path: Path) -> Iterator[Runs]:
    opened = Runs(scene_clips["near"], tmp_path)
    yield opened
    opened.close()


def sound(path: Path) -> tuple[int, str]:
    """Position and state of the one session of a gallery that must be whole."""
    with Gallery.open(path) as gallery:
        assert gallery.check() == []
        sessions = gallery.sessions()
    connection = sqlite3.connect(path)
    twice = "SELECT count(*) - count(DISTINCT track_id || '/' || frame) FROM observation"
    assert connection.execute(twice).fetchone() == (0,)
    highest = connection.execute("SELECT max(frame) FROM observation").fetchone()[0]
    connection.close()
    if not sessions:
        return 0, "none"
    assert len(sessions) == 1
    assert highest is None or highest < sessions[0].position
    return sessions[0].position, sessions[0].state


def committed(path: Path) -> int:
    """Position of the session in a gallery that is being written; 0 before there is one."""
    try:
        with Gallery.open(path, read_only=True) as gallery:
            return max((s.position for s in gallery.sessions()), default=0)
    except StorageError:
        return 0


def boxes(path: Path) -> list[list[str]]:
    """Frame and box of each line; identities have numbers of their own in each gallery."""
    lines = [line.split(",") for line in path.read_text().splitlines()]
    return sorted([line[0], *line[2:]] for line in lines)


def test_killed_runs_go_on(runs: Runs, tmp_path: Path, processed: Processed) -> None:
    """Whatever a kill interrupts, the gallery is whole, and what the next runs make of it is what
    one undisturbed run makes."""
    chance = random.Random(11)
    positions = [0]
    name, galleries = "first", ["first"]
    cut_short = 0
    for _ in range(KILLS):
        child = runs.begin(name)
        words = runs.words()
        heard = [next(words, "") for _ in range(chance.choice((0, 0, 1, 4, 6, 9, 12)))]
        time.sleep(chance.uniform(0, 0.08))
        os.kill(child, signal.SIGKILL)
        ended = "end" in [*heard, *words]
        cut_short += not ended
        path = tmp_path / f"{name}.db"
        if not path.exists():
            continue
        position, state = sound(path)
        assert position >= positions[-1]
        positions.append(position)
        if ended:
            assert (position, state) == (FRAMES, "done")
            name, positions = f"after {len(galleries)}", [0]
            galleries.append(name)
    assert cut_short >= KILLS // 2, "the kills came too late to mean anything"
    for name in galleries:
        runs.begin(name)
        assert "end" in list(runs.words())
        assert sound(tmp_path / f"{name}.db") == (FRAMES, "done")
        assert boxes(tmp_path / name / "near.txt") == boxes(processed.folder / "near.txt")
        assert (tmp_path / name / "report.html").exists()


def test_a_run_killed_while_it_links_and_writes(runs: Runs, tmp_path: Path) -> None:
    runs.begin("all")
    assert list(runs.words())[-1] == "end"
    results = {p.name: p.read_bytes() for p in (tmp_path / "all").iterdir()}
    chance = random.Random(3)
    for _ in range(6):
        child = runs.begin("all")
        time.sleep(chance.uniform(0.05, 0.6))
        os.kill(child, signal.SIGKILL)
        list(runs.words())
        assert sound(tmp_path / "all.db") == (FRAMES, "done")
        for name, data in results.items():
            assert (tmp_path / "all" / name).read_bytes() == data, "a result must stay whole"
    runs.begin("all")
    assert list(runs.words()) == ["end"]
    assert {p.name: p.read_bytes() for p in (tmp_path / "all").iterdir()} == results


@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop(tmp_path: Path, asked: signal.Signals) -> None:
    encode(tmp_path / "long.mp4", figures(400))
    code = "from pipeline.cli import main; main()"
    call = ["process", "long.mp4", "--json", "--device", "cpu", "--save-video"]
    run = subprocess.Popen(
        [sys.executable, "-c", code, *call],
        env=ENVIRONMENT,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not committed(tmp_path / "nearfar.db") and time.monotonic() < deadline:
        time.sleep(0.05)
    run.send_signal(asked)
    out, err = run.communicate(timeout=60)
    assert run.returncode == 130, err
    lines = err.splitlines()
    assert lines[0].startswith("nearfar: stopping; what was done is kept")
    assert lines[-1] == "nearfar: stopped before the end; the same call again goes on from here"
    facts = json.loads(out)
    assert not facts["complete"]
    position, state = sound(tmp_path / "nearfar.db")
    assert (position, state) == (facts["cameras"]["long"]["frames"], "stopped")
    assert 0 < position < 400
    names = {p.name for p in (tmp_path / "out").iterdir()}
    assert names == {"identities.csv", "report.html", "long.txt", "long.mp4"}
