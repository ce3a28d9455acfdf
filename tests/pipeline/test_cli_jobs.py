"""`nearfar jobs`."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from pipeline.cli import app
from storage import Gallery


def jobs(*words: object) -> str:
    return CliRunner().invoke(app, ["jobs", *map(str, words)], catch_exceptions=False).stdout


def test_how_far_recordings_are(tmp_path: Path) -> None:
    place = tmp_path / "g.db"
    with Gallery.open(place, create=True) as gallery:
        assert jobs(place) == f"{place} holds no recordings\n"
        for name, position, state, failure in (
            ("gate", 100, "done", None),
            ("hall", 40, "stopped", "hall.mp4 can't be read any further"),
            ("yard", 0, "running", None),
        ):
            session = gallery.begin_session(name, f"{name}.mp4", name, 0.0, 10.0, 100)
            gallery.append(session.id, position, 1, [], state, None, failure)
        gallery.begin_session("live", "rtsp://x", "live", 0.0, 10.0)
    found = json.loads(jobs(place, "--json"))["recordings"]
    assert [(f["camera"], f["frames"], f["of"], f["state"]) for f in found] == [
        ("gate", 100, 100, "done"),
        ("hall", 40, 100, "stopped"),
        ("yard", 0, 100, "running"),
    ]
    assert found[1]["failure"] == "hall.mp4 can't be read any further"
    assert all(f["stored_seconds_ago"] >= 0 and f["lost"] == 1 for f in found)
    said = jobs(place)
    assert "can't be read" in " ".join(said.split())
    assert said.endswith("1 of 3 recordings are done\n")
