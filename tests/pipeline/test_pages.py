"""The report and the page of a search: whole in themselves, and safe against what they show."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from pipeline.linking import link_gallery
from pipeline.query import search, write_page
from pipeline.report import write_report
from reid import Embedder
from storage import Gallery, ObservationRow, TrackUpdate
from tracker import Constraints, LinkSettings

from .conftest import Processed, figures

VOID = {"meta", "img", "input", "br"}
ODD = "<b>\"x&'{{ 7*7 }}"
"""A camera's name that must be shown as it is."""


class Page(HTMLParser):
    """Tags, attributes and text of a page; fails on tags that do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == [], "tags left open"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.text += data


def read(path: Path) -> Page:
    """Parses a page and holds it to being self-contained."""
    text = path.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert not re.search(r"https?://", text)
    assert not re.search(r"url\(|@import", text)
    page = Page(text)
    for tag, name, value in page.attributes:
        if name == "src":
            assert value.startswith("data:image/jpeg;base64,"), tag
        if name == "href":
            assert value.startswith("#"), tag
    assert not {tag for tag, _, _ in page.attributes} & {"link", "iframe", "object"}
    return page


def test_the_report_of_a_run(processed: Processed) -> None:
    page = read(processed.folder / "report.html")
    pictures = [value for _, name, value in page.attributes if name == "src"]
    numbers = {i.identity for i in processed.result.identities}
    assert numbers
    assert len(pictures) >= len(numbers)
    cards = {v for t, name, v in page.attributes if t == "section" and name == "id"}
    assert cards == {f"id{n}" for n in numbers}
    links = {v for t, name, v in page.attributes if t == "a" and name == "href"}
    assert links == {f"#id{n}" for n in numbers}
    for camera in ("near", "middle"):
        assert camera in page.text


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder.load(device="cpu")


@pytest.fixture
def odd(tmp_path: Path, embedder: Embedder) -> Gallery:
    """A gallery of two cameras, one with an odd name, that saw the same person."""
    from pipeline.crops import encode

    crop = next(figures(1))[30:130, 5:50]
    found = embedder.embed([crop] * 3)
    gallery = Gallery.open(tmp_path / "odd.db", model=embedder.info, create=True)
    for start, camera in enumerate((ODD, "hall")):
        session = gallery.begin_session(camera, "x.mp4", camera, 100.0 * start, 10.0)
        rows = [
            ObservationRow(
                frame=i,
                time=100.0 * start + i / 10,
                box=(5.0, 30.0, 45.0, 100.0),
                score=0.9,
                level=int(found.levels[i]),
                quality=0.9,
                vector=found.vectors[i],
                crop=encode(crop),
            )
            for i in range(3)
        ]
        gallery.append(session.id, 3, 0, [TrackUpdate(1, rows)], "done")
    return gallery


def test_names_are_shown_as_they_are(odd: Gallery, embedder: Embedder, tmp_path: Path) -> None:
    with odd:
        linked = link_gallery(odd, embedder.info.calibration, Constraints(), LinkSettings())
        report = read(write_report(tmp_path / "report.html", odd, linked))
        answer = search(next(figures(1))[30:130, 5:50], odd, embedder)
        write_page(tmp_path / "search.html", answer, odd)
    for page in (report, read(tmp_path / "search.html")):
        assert ODD in page.text
        assert f"person in {ODD}" in [v for _, name, v in page.attributes if name == "alt"]


def report_of(folder: Path, embedder: Embedder, tracks: dict[str, tuple[float, float]]) -> str:
    """The report of a gallery of a track a camera, by when it is first and last seen."""
    with Gallery.open(folder / "some.db", model=embedder.info, create=True) as gallery:
        for camera, times in tracks.items():
            session = gallery.begin_session(camera, "x.mp4", camera, times[0], 10.0)
            rows = [
                ObservationRow(i, time, (5.0, 30.0, 45.0, 100.0), 0.9, 2, 0.9, None, None)
                for i, time in enumerate(times)
            ]
            gallery.append(session.id, 2, 0, [TrackUpdate(1, rows)], "done")
        linked = link_gallery(gallery, embedder.info.calibration, Constraints(), LinkSettings())
        return write_report(folder / "report.html", gallery, linked).read_text()


TICK = re.compile(r'text-anchor="middle">([^<]*)<')
JANUARY = 1769846400.0


@pytest.mark.parametrize(
    ("hours", "like"),
    [
        (0.01, "08:00:05"),
        (0.5, "08:05:00"),
        (20, "02-01 00:00"),
        (5 * 24, "2026-02-03"),
        (300 * 24, "2026-06-"),
        (50 * 365 * 24, "2048-"),
    ],
)
def test_each_tick_of_a_timeline_says_something_else(
    hours: float, like: str, tmp_path: Path, embedder: Embedder
) -> None:
    spans = {"gate": (JANUARY, JANUARY + 1), "hall": (JANUARY, JANUARY + 3600 * hours)}
    ticks = TICK.findall(report_of(tmp_path, embedder, spans))
    assert any(like in tick for tick in ticks), ticks
    assert 3 <= len(ticks) <= 11
    assert len(set(ticks)) == len(ticks)


def test_a_recording_without_a_date_shows_none(tmp_path: Path, embedder: Embedder) -> None:
    page = report_of(tmp_path, embedder, {"gate": (0.0, 4.0), "hall": (30.0, 90_061.0)})
    assert "1970" not in page
    assert "00:00:00 to 25:01:01" in page


def test_a_report_of_nobody(tmp_path: Path, embedder: Embedder) -> None:
    with Gallery.open(tmp_path / "empty.db", model=embedder.info, create=True) as gallery:
        page = read(write_report(tmp_path / "report.html", gallery, []))
        answer = search(np.full((100, 40, 3), 90, np.uint8), gallery, embedder)
        write_page(tmp_path / "search.html", answer, gallery)
    assert "No person was seen" in page.text
    assert "nothing was compared" in read(tmp_path / "search.html").text
