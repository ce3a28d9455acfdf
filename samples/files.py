"""The scene as files: H.264 videos, truth in MOTChallenge format, an example site file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

from .errors import SamplesError
from .scene import Scene, TruthBox
from .schedule import TRAVEL

START = "2026-01-01T12:00:00Z"
"""When the clock of the scene starts."""


@dataclass(frozen=True)
class SampleFiles:
    """What was written: videos and truth by camera, and the site file."""

    videos: dict[str, Path]
    truth: dict[str, Path]
    site: Path


def _rows(index: int, boxes: list[TruthBox]) -> str:
    lines = ""
    for truth in boxes:
        box = ",".join(f"{v:.2f}" for v in truth.box)
        lines += f"{index + 1},{truth.identity},{box},1,1,{truth.visibility:.4f}\n"
    return lines


ENCODING = {"crf": "20", "preset": "veryfast", "threads": "1", "x264-params": "mbtree=0"}
"""Of H.264; with macroblock trees the same pictures don't always give the same bytes."""


def _write_camera(
    scene: Scene,
    camera: str,
    video: Path,
    truth: Path,
    progress: Callable[[str, int, int], None] | None,
) -> None:
    rate = Fraction(scene.fps).limit_denominator(1001)
    with av.open(str(video), "w") as container, truth.open("w", encoding="utf-8") as rows:
        stream = container.add_stream("libx264", rate=rate)
        stream.width = scene.stages[camera].camera.width
        stream.height = scene.stages[camera].camera.height
        stream.pix_fmt = "yuv420p"
        stream.time_base = 1 / rate
        stream.codec_context.time_base = 1 / rate
        stream.options = dict(ENCODING)
        for index, (image, boxes) in enumerate(scene.frames(camera)):
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = index, 1 / rate
            container.mux(stream.encode(frame))
            rows.write(_rows(index, boxes))
            if progress is not None:
                progress(camera, index + 1, scene.frame_count)
        container.mux(stream.encode())


def _site(scene: Scene) -> str:
    lines = ["# An example site: cameras on one clock and the least time from one to the next."]
    lines.append("cameras:")
    for camera in scene.cameras:
        lines.append(f"  {camera}:")
        lines.append(f"    source: {camera}.mp4")
        lines.append(f"    start: {START}")
    pairs = [(a, b) for i, a in enumerate(scene.cameras) for b in scene.cameras[i + 1 :]]
    lines.append("travel:" if pairs else "travel: []")
    for a, b in pairs:
        lines.append(f"  - between: [{a}, {b}]")
        lines.append(f"    seconds: {TRAVEL}")
    return "\n".join(lines) + "\n"


def render(
    scene: Scene, out: Path, progress: Callable[[str, int, int], None] | None = None
) -> SampleFiles:
    """Write the scene into the folder `out`; progress(camera, frames done, frames in all)."""
    out = Path(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        videos = {camera: out / f"{camera}.mp4" for camera in scene.cameras}
        truth = {camera: out / f"{camera}.txt" for camera in scene.cameras}
        for camera in scene.cameras:
            _write_camera(scene, camera, videos[camera], truth[camera], progress)
        site = out / "site.yaml"
        site.write_text(_site(scene), encoding="utf-8")
    except OSError as error:
        reason = error.strerror or str(error)
        raise SamplesError(
            f"{out}: can't write the scene there ({reason}); give another folder"
        ) from error
    return SampleFiles(videos, truth, site)


def read_truth(path: Path) -> dict[int, list[TruthBox]]:
    """Boxes by frame, from 0, of a truth file; frames without people are left out."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SamplesError(
            f"{path}: can't be read as a truth file ({error}); render one first"
        ) from error
    frames: dict[int, list[TruthBox]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            frame, identity, x, y, w, h, _, _, visibility = line.split(",")
            box = (float(x), float(y), float(w), float(h))
            truth = TruthBox(int(identity), box, float(visibility))
            frames.setdefault(int(frame) - 1, []).append(truth)
        except ValueError:
            raise SamplesError(
                f"{path}: line {number} is not frame,id,x,y,w,h,1,1,visibility; render it again"
            ) from None
    return frames
