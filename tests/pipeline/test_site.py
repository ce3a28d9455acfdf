from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.cut import WHOLE, Cut
from pipeline.errors import SiteError
from pipeline.site import Site, read_site
from tracker import LinkSettings

GOOD = """
cameras:
  near:
    source: near.mp4
    start: 2026-01-01T12:00:00Z
  hall:
    start: 2026-01-01T13:00:00+01:00
    native_scale: 2
    input_size: 1280
  far:
    start: 2026-01-01T12:00:10
  7: {}
overlaps:
  - [near, hall]
travel:
  - between: [near, far]
    seconds: 4.5
zones:
  inside: [hall, far]
linking:
  prior: -4
  window: 24h
"""

NOON = 1767268800.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "site.yaml"


def test_a_good_file(path: Path) -> None:
    path.write_text(GOOD)
    site = read_site(path)
    assert list(site.cameras) == ["near", "hall", "far", "7"]
    assert site.cameras["near"].source == "near.mp4"
    assert site.starts == {"near": NOON, "hall": NOON, "far": NOON + 10}
    assert site.native_scale("hall") == 2
    assert site.native_scale("near") == site.native_scale("unheard of") == 1
    assert site.input_size("hall") == 1280
    assert site.input_size("near") is site.input_size("unheard of") is None
    assert site.constraints.overlapping == {frozenset(("near", "hall"))}
    assert site.constraints.travel == {frozenset(("near", "far")): 4.5}
    assert site.link == LinkSettings(prior=-4)
    assert site.cut == Cut(86_400.0, {"hall": "inside", "far": "inside"})


@pytest.mark.parametrize("text", ["", "# only a comment\n", "cameras: {}\n"])
def test_an_empty_file(path: Path, text: str) -> None:
    path.write_text(text)
    assert read_site(path) == Site()
    assert read_site(path).link == LinkSettings()
    assert read_site(path).cut == WHOLE


WRONG = [
    ("cameras:\n  near:\n    sourc: x.mp4\n", 3, "cameras.near.sourc", "unknown key"),
    ("camera:\n  near: {}\n", 1, "camera", "unknown key"),
    (
        "cameras:\n  near: {}\n  hall:\n    start: soon\n",
        4,
        "cameras.hall.start",
        "write 2026-01-31T08:00:00Z",
    ),
    ("cameras:\n  near:\n    native_scale: 0\n", 3, "native_scale", "greater than 0"),
    ("cameras:\n  near:\n    native_scale: .inf\n", 3, "native_scale", "finite"),
    ("cameras:\n  near:\n    input_size: 31\n", 3, "input_size", "greater than or equal to 32"),
    ("cameras:\n  near:\n    input_size: large\n", 3, "input_size", "integer"),
    ("cameras:\n  near: 5\n", 2, "cameras.near", "keys and values"),
    ("cameras:\n  7:\n    start: soon\n", 3, "cameras.7.start", "write 2026-01-31T08:00:00Z"),
    ("cameras:\n  near: {}\n  a/b: {}\n", 3, "cameras.a/b", "name files"),
    ("cameras:\n  a: {}\noverlaps:\n- [a]\n", 4, "overlaps.0", "two different cameras"),
    ("cameras:\n  a: {}\noverlaps:\n- [a, b]\n", 4, "overlaps", "no camera 'b'"),
    ("cameras:\n  a: {}\noverlaps:\n- [a, a]\n", 4, "overlaps.0", "two different cameras"),
    (
        "cameras: {a: {}, b: {}}\ntravel:\n- between: [a, b]\n  seconds: -1\n",
        4,
        "travel.0.seconds",
        "greater than or equal to 0",
    ),
    ("cameras: {a: {}, b: {}}\ntravel:\n- between: [a, b]\n", 3, "travel.0.seconds", "required"),
    ("cameras: {a: {}}\ntravel:\n- between: [a, c]\n  seconds: 1\n", 3, "travel", "no camera 'c'"),
    ("cameras:\n  a: {}\n  a: {}\n", 3, "not YAML", 'duplicate key "a"'),
    ("cameras:\n  a: [\n", 3, "not YAML", "expected"),
    ('cameras:\n  a: {start: "\x01"}\n', 2, "not YAML", "character"),
    ("a: 1\n---\nb: 1\n", 2, "not YAML", "another document"),
    ("linking:\n  prior: .nan\n", 2, "linking.prior", "finite"),
    ("linking:\n  window: 24\n", 2, "linking.window", "write 90m, 12h, 30d or 8w"),
    ("linking:\n  window: 0h\n", 2, "linking.window", "greater than 0"),
    ("cameras: {a: {}}\nzones:\n  north: [a, b]\n", 3, "zones", "no camera 'b'"),
    ("cameras: {a: {}}\nzones:\n  n: [a]\n  s: [a]\n", 4, "zones", "'a' is in 'n' too"),
    ("- a\n- b\n", 1, "the whole file", "keys and values"),
    ("just words\n", 1, "the whole file", "keys and values"),
]


@pytest.mark.parametrize(("text", "line", "key", "words"), WRONG)
def test_errors_name_line_and_key(path: Path, text: str, line: int, key: str, words: str) -> None:
    path.write_text(text)
    with pytest.raises(SiteError) as caught:
        read_site(path)
    message = str(caught.value)
    assert message.startswith(f"{path}, line {line}: ")
    assert key in message
    assert words in message
    assert "\n" not in message


def test_files_that_can_not_be_read(path: Path) -> None:
    with pytest.raises(SiteError, match=r"site\.yaml can't be read"):
        read_site(path)
    with pytest.raises(SiteError, match="can't be read: Is a directory"):
        read_site(path.parent)
    path.write_bytes(b"\xff\xfe\x00c")
    with pytest.raises(SiteError, match="is no text: give the YAML file"):
        read_site(path)
