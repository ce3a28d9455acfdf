"""Live tiles of real streams in a real browser: RTSP servers, a watch, the console."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from console.state import Console
from reid import Embedder
from storage import Gallery

from ..live.clips import access_units, write_units
from ..live.places import RtspServer, rtsp_server
from ..live.watches import WatchProgram
from ..pipeline.conftest import figures
from .serving import Served, needs_chromium

pytestmark = needs_chromium
FPS = 10
SLOW = 20_000
"""Milliseconds that cameras, watch and page may take."""


@pytest.fixture
def cameras(tmp_path: Path) -> Iterator[dict[str, RtspServer]]:
    """A server for each of two cameras, which show drawn people."""
    clips = {
        name: write_units(tmp_path / name, access_units(figures(40, people, phase), FPS))
        for name, people, phase in (("gate", 1, 0), ("hall", 2, 9))
    }
    with (
        rtsp_server(FPS, {"gate": clips["gate"]}) as gate,
        rtsp_server(FPS, {"hall": clips["hall"]}) as hall,
    ):
        yield {"gate": gate, "hall": hall}


@pytest.fixture
def watch(tmp_path: Path, cameras: dict[str, RtspServer]) -> Iterator[WatchProgram]:
    lines = "".join(f'  {n}: {{source: "{s.url(n)}"}}\n' for n, s in cameras.items())
    (tmp_path / "site.yaml").write_text(f"cameras:\n{lines}")
    program = WatchProgram(tmp_path / "site.yaml")
    try:
        yield program
    finally:
        program.end(signal.SIGKILL)


def test_pictures_boxes_and_a_camera_that_goes_down(
    page: Page,
    watch: WatchProgram,
    cameras: dict[str, RtspServer],
    embedder: Embedder,
    tmp_path: Path,
) -> None:
    for name in cameras:
        watch.until(watch.is_live(name))
    with (
        Gallery.open(tmp_path / "nearfar.db", model=embedder.info) as gallery,
        Served(Console(gallery, embedder), watch=f"127.0.0.1:{watch.port}") as url,
    ):
        page.goto(f"{url}/live")
        hall = page.get_by_role("region", name="camera hall")
        expect(hall).to_contain_text("live", timeout=SLOW)
        picture = hall.locator("svg.now image")
        address = re.compile("/api/v1/live/hall/frames/[0-9]+")
        expect(picture).to_have_attribute("href", address, timeout=SLOW)
        expect(hall.locator("svg.now rect")).to_have_count(2, timeout=SLOW)
        expect(hall.get_by_role("link", name="identity").first).to_be_visible(timeout=SLOW)
        expect(hall.locator(".at")).to_have_text(re.compile("^[0-9]{2}:[0-9]{2}:[0-9]{2}$"))
        first = picture.get_attribute("href")
        expect(picture).not_to_have_attribute("href", first or "", timeout=SLOW)
        shown = page.request.get(url + (picture.get_attribute("href") or ""))
        assert shown.status == 200
        assert shown.body()[:2] == b"\xff\xd8"
        cameras["gate"].kill()
        gate = page.get_by_role("region", name="camera gate")
        expect(gate).to_contain_text("no new picture since", timeout=SLOW)
        expect(gate).to_have_class(re.compile("problem"), timeout=SLOW)
        assert "grayscale" in gate.locator("svg.now").evaluate("e => getComputedStyle(e).filter")
        expect(hall).not_to_have_class(re.compile("problem"), timeout=SLOW)
        hall.locator("svg.now a").first.click()
        expect(page.get_by_role("heading", level=1)).to_have_text(
            re.compile("Identity [0-9]+"), timeout=SLOW
        )
    assert watch.end()[0] == 0
