"""Searches with a crop, with a whole frame, with filters."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline import Detector, search
from pipeline.errors import QueryError
from pipeline.query import read_picture
from reid import Embedder
from storage import Gallery

from .conftest import Call, Processed, RedFigures, encode, figures


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder.load(device="cpu")


@pytest.fixture
def gallery(processed: Processed, embedder: Embedder) -> Iterator[Gallery]:
    with Gallery.open(processed.gallery, model=embedder.info, read_only=True) as opened:
        yield opened


@pytest.fixture
def eyes() -> Detector:
    return Detector(RedFigures())


CROP = next(figures(1))[30:130, 5:50]


def test_a_stored_crop_finds_its_person(gallery: Gallery, embedder: Embedder) -> None:
    identities = gallery.identities()
    assert identities
    for one in identities:
        for seen in one.appearances:
            assert seen.best is not None
            assert seen.best.crop is not None
            answer = search(gallery.crop_path(seen.best.crop), gallery, embedder)
            nearest = min(answer.hits, key=lambda hit: hit.distance)
            assert nearest.identity == one.id
            assert nearest.distance < 0.1
            assert answer.height == pytest.approx(seen.best.box[3], abs=2)
            ranked = [hit.probability for hit in answer.hits]
            assert ranked == sorted(ranked, reverse=True)
            assert all(1 <= hit.level <= answer.level for hit in answer.hits)


def test_filters(gallery: Gallery, embedder: Embedder) -> None:
    for camera in ("near", "middle"):
        hits = search(CROP, gallery, embedder, camera=camera).hits
        assert hits
        assert {hit.best.camera for hit in hits} == {camera}
    times = sorted(t for track in gallery.tracks() for t in track.times)
    middle = times[len(times) // 2]
    assert all(h.best.time >= middle for h in search(CROP, gallery, embedder, after=middle).hits)
    assert all(h.best.time <= middle for h in search(CROP, gallery, embedder, before=middle).hits)
    assert len(search(CROP, gallery, embedder, top=1).hits) == 1
    with pytest.raises(QueryError, match="no camera 'roof' in the gallery: it knows middle, near"):
        search(CROP, gallery, embedder, camera="roof")


def test_unknown(gallery: Gallery, embedder: Embedder) -> None:
    answer = search(CROP, gallery, embedder, after=1e9)
    assert (answer.hits, answer.known) == ((), False)


def test_the_height_says_the_level(gallery: Gallery, embedder: Embedder) -> None:
    large = cv2.resize(CROP, None, fx=3, fy=3)
    levels = [search(large, gallery, embedder, height=h).level for h in (30, 60, 120, 250)]
    assert levels == sorted(levels)
    assert levels[0] < levels[-1]
    assert search(large, gallery, embedder).level == embedder.info.levels.level_of(300)
    for height in (0, -3, float("nan"), float("inf")):
        with pytest.raises(QueryError, match="--height must be above 0"):
            search(large, gallery, embedder, height=height)


def test_a_whole_frame(gallery: Gallery, embedder: Embedder, eyes: Detector) -> None:
    one, two = next(figures(1)), next(figures(1, people=2))
    answer = search(one, gallery, embedder, detector=eyes)
    assert answer.height == pytest.approx(84, abs=2)
    with pytest.raises(QueryError, match=r"2 people in the picture; choose one with --box: ") as e:
        search(two, gallery, embedder, detector=eyes)
    listed = [
        tuple(int(v) for v in box.split(",")) for box in str(e.value).split(": ")[1].split("; ")
    ]
    assert [b[0] for b in listed] == [12, 82]
    for box in listed:
        chosen = search(two, gallery, embedder, box=box)
        assert chosen.crop.shape == (box[3], box[2], 3)
    with pytest.raises(QueryError, match="nobody found in the picture of 240 x 160 px"):
        search(np.full((160, 240, 3), 90, np.uint8), gallery, embedder, detector=eyes)


def test_boxes_over_the_edge(gallery: Gallery, embedder: Embedder) -> None:
    frame = next(figures(1))
    crop = search(frame, gallery, embedder, box=(-10.0, -20.0, 50.0, 100.0)).crop
    np.testing.assert_array_equal(crop, frame[:80, :40])
    for box in ((-60.0, 0.0, 50.0, 50.0), (240.0, 0.0, 9.0, 9.0), (1e9, 1e9, 1.0, 1.0)):
        with pytest.raises(QueryError, match="lies outside the picture of 240 x 160 px"):
            search(frame, gallery, embedder, box=box)
    assert search(frame, gallery, embedder, box=(5.0, 5.0, 1.0, 1.0)).crop.shape == (1, 1, 3)


def _saved(suffix: str, image: np.ndarray) -> bytes:
    return cv2.imencode(suffix, image)[1].tobytes()


def _png(width: int, height: int) -> bytes:
    """A black PNG that is small as a file, however many pixels it has."""
    packer = zlib.compressobj(9)
    rows = [packer.compress(bytes(3 * width + 1)) for _ in range(height)]

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    body = chunk(b"IDAT", b"".join(rows) + packer.flush())
    return b"\x89PNG\r\n\x1a\n" + head + body + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "data",
    [
        _saved(".png", CROP.astype(np.uint16) * 257),
        _saved(".png", np.dstack([CROP, np.full(CROP.shape[:2], 128, np.uint8)])),
        _saved(".png", CROP[..., 0]),
        _saved(".webp", CROP),
        _saved(".tiff", CROP),
        _saved(".png", CROP[:2, :1]),
    ],
    ids=["16 bits", "alpha", "grey", "webp", "tiff", "1x2"],
)
def test_pictures_of_all_kinds_under_any_name(
    gallery: Gallery, embedder: Embedder, tmp_path: Path, data: bytes
) -> None:
    file = tmp_path / "crop.jpg"
    file.write_bytes(data)
    assert search(file, gallery, embedder).hits


def test_more_pixels_than_can_be_held(gallery: Gallery, embedder: Embedder, tmp_path: Path) -> None:
    file = tmp_path / "huge.png"
    file.write_bytes(_png(40_000, 30_000))
    with pytest.raises(QueryError, match="no picture that can be read"):
        search(file, gallery, embedder)


@given(st.data())
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_broken_pictures_are_answered_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    """Cut short, with bytes changed, or nothing but noise behind a known beginning."""
    whole = bytearray(_saved(data.draw(st.sampled_from([".jpg", ".png", ".webp", ".bmp"])), CROP))
    for _ in range(data.draw(st.integers(0, 8))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(whole)))
    file = tmp_path / "query.png"
    file.write_bytes(bytes(whole[:end]) + data.draw(st.binary(max_size=64)))
    with suppress(QueryError):
        image = read_picture(file)
        assert image.dtype == np.uint8
        assert image.shape[2] == 3


def test_the_command(nearfar: Call, processed: Processed) -> None:
    with Gallery.open(processed.gallery, read_only=True) as gallery:
        one = gallery.identities()[0]
        seen = one.appearances[0]
        assert seen.best is not None
        assert seen.best.crop is not None
        Path("crop.jpg").write_bytes(gallery.crop(seen.best.crop))
    call = ("search", "crop.jpg", "--gallery", processed.gallery, "--device", "cpu")
    said = nearfar(*call, "--json", "--out", "page.html")
    facts = json.loads(said.out)
    assert (said.status, said.err) == (0, "")
    assert facts["hits"][0]["identity"] == one.id
    assert set(facts) == {"known", "height", "level", "hits"}
    assert Path("page.html").exists()
    said = nearfar(*call, "--top", 1, "--after", "1970-01-01T00:00:00Z", "--before", "99")
    assert said.status == 0
    assert said.out.startswith("query: ")
    assert f"{seen.camera} 00:00:0" in said.out
    said = nearfar(*call, "--after", "2100-01-01")
    assert "unknown: nothing was compared" in said.out
    said = nearfar(*call, "--after", "2026-01-02", "--before", "20260101")
    assert (said.status, said.out) == (2, "")
    assert "swap the two" in said.err
    said = nearfar(*call, "--after", "2027")
    assert "write 2027-01-01 or, for seconds, 2027.0" in said.err


def test_the_command_with_several_pictures(nearfar: Call, processed: Processed) -> None:
    names = []
    with Gallery.open(processed.gallery, read_only=True) as gallery:
        for one in gallery.identities():
            seen = one.appearances[0].best
            assert seen is not None
            assert seen.crop is not None
            names.append(f"{one.id}.jpg")
            Path(names[-1]).write_bytes(gallery.crop(seen.crop))
    assert len(names) > 1
    options = ("--gallery", processed.gallery, "--device", "cpu")
    answers = json.loads(nearfar("search", *names, *options, "--json").out)["answers"]
    assert [answer.pop("picture") for answer in answers] == names
    for name, answer in zip(names, answers, strict=True):
        alone = json.loads(nearfar("search", name, *options, "--json").out)
        seen = [(hit["identity"], hit["camera"], hit["time"]) for hit in answer["hits"]]
        assert seen == [(hit["identity"], hit["camera"], hit["time"]) for hit in alone["hits"]]
        odds = [hit["probability"] for hit in answer["hits"]]
        assert odds == pytest.approx([hit["probability"] for hit in alone["hits"]], abs=0.01)
    said = nearfar("search", *names, *options)
    assert [line for line in said.out.splitlines() if line in names] == names
    said = nearfar("search", *names, *options, "--height", 40)
    assert said.status == 2
    assert "one picture" in said.err


def test_the_command_lists_people(
    nearfar: Call, processed: Processed, monkeypatch: pytest.MonkeyPatch, eyes: Detector
) -> None:
    monkeypatch.setattr(Detector, "load", lambda *_, **__: eyes)
    cv2.imwrite("frame.png", next(figures(1, people=2)))
    call = ("search", "frame.png", "--gallery", processed.gallery)
    said = nearfar(*call)
    assert said.status == 2
    assert "2 people in the picture; choose one with --box: 12,40,28,84; 82,40,28,84" in said.err
    assert nearfar(*call, "--box", "82,40,28,84").status == 0


def test_names_like_markup_are_printed_as_they_are(
    nearfar: Call, clips: dict[str, Path], monkeypatch: pytest.MonkeyPatch, eyes: Detector
) -> None:
    monkeypatch.setattr(Detector, "load", lambda *_, **__: eyes)
    assert nearfar("process", f"[red]x[]={clips['gate']}").status == 0
    cv2.imwrite("crop.png", CROP)
    assert "[red]x[]" in nearfar("search", "crop.png").out
    bad = encode(Path("short.mp4"), figures(40), fast=True)
    bad.write_bytes(bad.read_bytes()[: int(0.8 * bad.stat().st_size)])
    said = nearfar("process", f"[bold]y[]={bad}")
    assert said.status == 0
    assert "nearfar: [bold]y[]: " in said.err
