"""The command line as a whole: quick, light, with help that shows how."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import cv2
import pytest
import typer

from pipeline.cli import app

from .conftest import ROOT, Call, Processed, encode, figures

HEAVY = ("torch", "torchvision", "ultralytics")


def commands(group: object, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The words of each command that does something."""
    inner = getattr(group, "commands", None)
    if inner is None:
        return [path]
    return [c for name, one in inner.items() for c in commands(one, (*path, name))]


COMMANDS = commands(typer.main.get_command(app))


def test_the_commands_are_there() -> None:
    wanted = {("process",), ("search",), ("demo",), ("gallery", "info"), ("site", "check")}
    wanted |= {("track",), ("evaluate", "tracks")}
    assert wanted <= set(COMMANDS)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_shows_an_example(nearfar: Call, words: tuple[str, ...]) -> None:
    said = nearfar(*words, "--help")
    assert said.status == 0
    assert f"Example: nearfar {' '.join(words)}" in " ".join(said.out.split())


def test_no_command_shows_the_help(nearfar: Call) -> None:
    said = nearfar()
    assert "process" in said.out + said.err


def run(arguments: list[str], folder: Path, after: str = "") -> tuple[str, float]:
    """Runs the command in a process of its own; what it printed and the seconds of CPU it took."""
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        f"sys.argv = ['nearfar', *{arguments!r}]\n"
        "from pipeline.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n" + after
    )
    started = os.times()
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    ended = os.times()
    spent = ended.children_user - started.children_user
    return done.stdout, spent + ended.children_system - started.children_system


def without(*modules: str) -> str:
    return f"assert not set({modules!r}) & set(sys.modules), sorted(sys.modules)"


def test_the_version_is_quick(tmp_path: Path) -> None:
    after = without(*HEAVY, "cv2", "numpy", "onnxruntime", "av", "sqlalchemy", "pydantic")
    runs = [run(["--version"], tmp_path, after) for _ in range(2)]
    assert {out for out, _ in runs} == {f"nearfar {version('nearfar')}\n"}
    assert min(spent for _, spent in runs) < 0.5


def test_search_is_light(processed: Processed, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "crop.png"), next(figures(1))[30:130, 5:50])
    call = ["search", "crop.png", "--gallery", str(processed.gallery), "--json", "--device", "cpu"]
    out, spent = run(call, tmp_path, without(*HEAVY))
    assert json.loads(out)["hits"]
    assert spent < 4


def test_process_is_light(clips: dict[str, Path], tmp_path: Path) -> None:
    call = ["process", str(clips["gate"]), "--fps", "1", "--json", "--device", "cpu"]
    out, _ = run(call, tmp_path, without(*HEAVY))
    assert json.loads(out)["complete"]


def test_what_process_prints(nearfar: Call, clips: dict[str, Path], red_eyes: object) -> None:
    said = nearfar("process", *clips.values())
    first, second = said.out.splitlines()
    assert first.startswith("80 frames in ")
    assert "identities" in first
    assert second == "open out/report.html"
    assert said.err == ""
    again = nearfar("process", *clips.values(), "--json")
    facts = json.loads(again.out)
    assert facts["frames"] == 0
    hall = {"frames": 40, "lost": 0, "failure": None, "read_before": True}
    assert facts["cameras"]["hall"] == hall
    assert again.err.count("read to its end by an earlier run") == 2
    assert facts["report"] == "out/report.html"


def test_a_camera_that_saw_nobody_is_named(nearfar: Call, red_eyes: object) -> None:
    encode(Path("gate.mp4"), figures(10))
    encode(Path("yard.mp4"), figures(10, people=0))
    said = nearfar("process", "gate.mp4", "yard.mp4")
    assert said.err.splitlines() == ["nearfar: yard: nobody was seen in 10 frames"]
    report = Path("out/report.html").read_text()
    assert "<b>2</b>cameras" in report
    assert "<title>yard</title>" in report


def test_one_recording_under_two_names_is_told_of(
    nearfar: Call, clips: dict[str, Path], red_eyes: object
) -> None:
    assert nearfar("process", f"a={clips['gate']}").err == ""
    said = nearfar("process", f"b={clips['gate']}", f"c={clips['hall']}", f"d={clips['hall']}")
    first, second = said.err.splitlines()
    assert "gate.mp4 is the recording of cameras a and b:" in first
    assert "hall.mp4 is the recording of cameras c and d:" in second


def test_gallery_info(nearfar: Call, processed: Processed) -> None:
    facts = json.loads(nearfar("gallery", "info", processed.gallery, "--json").out)
    assert facts["cameras"] == facts["sessions"] == 2
    assert facts["tracks"] > 0
    said = nearfar("gallery", "info", processed.gallery)
    assert f"tracks           {facts['tracks']}" in said.out


def test_site_check(nearfar: Call) -> None:
    Path("site.yaml").write_text("cameras: {a: {}, b: {}}\noverlaps: [[a, b]]\n")
    said = nearfar("site", "check", "site.yaml")
    assert said.status == 0
    assert said.out == "site.yaml: 2 cameras, 1 overlaps, 0 travel times\n"


def test_site_check_looks_at_the_recordings(nearfar: Call, clips: dict[str, Path]) -> None:
    site, live = Path("site.yaml"), 'yard: {source: "rtsp://10.0.0.5/x"}'
    gate, hall = (f"source: {path}" for path in clips.values())
    dated = "start: 2026-01-31T08:00:00Z"
    site.write_text(f"cameras: {{gate: {{{gate}, {dated}}}, hall: {{{hall}, {dated}}}, {live}}}\n")
    assert nearfar("site", "check", "site.yaml").status == 0
    site.write_text(f"cameras: {{gate: {{{gate}}}, hall: {{{hall}, {dated}}}, {live}}}\n")
    said = nearfar("site", "check", "site.yaml")
    assert said.status == 2
    assert "camera gate has no start, though hall has one" in said.err
    said = nearfar("process", "--site", "site.yaml", clips["gate"], clips["hall"])
    assert "camera gate has no start, though hall has one" in said.err
    site.write_text("cameras: {gate: {source: nofile.mp4}}\n")
    said = nearfar("site", "check", "site.yaml")
    assert said.status == 2
    assert "no source at nofile.mp4 for camera gate" in said.err
