"""Recorded sources: video files and folders of pictures, one camera each."""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from .crops import decode
from .errors import SourceError
from .files import can_name_files
from .frame import Frame, upright

PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}
FOLDER_FPS = 10.0
"""Frames a second that a folder of pictures stands for."""
MOST_BROKEN = 100
"""Failures to read in a row after which a file counts as ended."""
_SAMPLE = 1 << 20


@dataclass
class Source:
    """A recording of one camera.

    Args:
        camera: its name. path: a video file or a folder of pictures.
        start: UTC in seconds of the first frame. fps: nominal frames a second.
        count: frames expected, None where the file does not say.
        lost: frames that were missing or damaged when it was last read.
    """

    camera: str
    path: Path
    start: float
    fps: float
    count: int | None
    lost: int = 0

    def frames(self) -> Iterator[Frame]:
        """Frames in order, with times that always advance.

        What decodes is kept; what is missing or damaged is counted in `lost`.

        Raises:
            SourceError: when the recording can no longer be read.
        """
        decode = _pictures if self.path.is_dir() else _video
        self.lost = 0
        before = -np.inf
        try:
            for index, offset, image in decode(self):
                time = self.start + (offset if offset is not None else index / self.fps)
                if time <= before:
                    time = before + 1 / self.fps
                before = time
                yield Frame(self.camera, index, time, image)
        except (av.FFmpegError, OSError) as error:
            raise SourceError(
                f"{self.path} can't be read any further ({_reason(error)})"
            ) from error

    def missing(self, found: int) -> int:
        """Frames that it should have besides those found; counts may be guesses, so that a few are
        none."""
        missing = (self.count or 0) - found
        return missing if missing - self.lost > 0.02 * (self.count or 0) + 1 else 0

    def content(self) -> str:
        """Hash that tells recordings apart: of size and of samples from start, middle and end."""
        digest = hashlib.sha256()
        files = picture_files(self.path) if self.path.is_dir() else [self.path]
        for file in files:
            size = file.stat().st_size
            digest.update(f"{file.name if len(files) > 1 else ''}{size}".encode())
            with file.open("rb") as data:
                for at in sorted({0, size // 2, max(0, size - _SAMPLE)}):
                    data.seek(at)
                    digest.update(data.read(_SAMPLE))
        return digest.hexdigest()


def find_sources(arguments: Sequence[str], starts: dict[str, float] | None = None) -> list[Source]:
    """Opens what the command line names.

    Args:
        arguments: each a file, a folder of pictures or a glob, written ``path`` or
            ``camera=path``; without a name the camera is called after the file's stem.
        starts: UTC in seconds by camera; 0 where a camera is not named, so that all share a clock.

    Raises:
        SourceError: when something is missing, empty, no video or no folder of pictures, or when
            two sources have one name, or some have a start and others none.
    """
    sources: dict[str, Source] = {}
    for argument in arguments:
        camera, path = _named(argument)
        paths = [Path(path)]
        if not os.path.exists(path) and glob.has_magic(path):
            paths = sorted(Path(p) for p in glob.glob(path))
            if not paths:
                raise SourceError(f"no file matches {path!r}: check the pattern")
        for file in paths:
            name = camera or file.stem
            if not can_name_files(name):
                raise SourceError(f"camera {name!r} can't name files: write a plain name before =")
            if name in sources:
                raise SourceError(
                    f"two sources are called {name!r} ({sources[name].path}, {file}): "
                    f"name one of them, as in other={file}"
                )
            if camera and not os.path.exists(file):
                raise SourceError(f"no source at {file} for camera {camera}: check the path")
            sources[name] = open_source(file, name, (starts or {}).get(name, 0.0))
    if starts:
        _require_one_clock(sources, starts)
    return list(sources.values())


def open_source(path: Path, camera: str, start: float = 0.0) -> Source:
    """Checks that a recording can be read and tells its rate and length.

    Raises:
        SourceError: when it can't.
    """
    if not os.path.exists(path):
        raise SourceError(f"no source at {path}: check the path")
    if path.is_dir():
        files = picture_files(path)
        if not files:
            raise SourceError(f"folder {path} holds no pictures ({', '.join(sorted(PICTURES))})")
        return Source(camera, path, start, FOLDER_FPS, len(files))
    if path.stat().st_size == 0:
        raise SourceError(f"{path} is empty: record or copy it again")
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise SourceError(f"{path} holds no video stream")
            stream = container.streams.video[0]
            fps = float(stream.average_rate or stream.guessed_rate or FOLDER_FPS)
            seconds = container.duration / av.time_base if container.duration else None
            count = stream.frames or (round(seconds * fps) if seconds else None)
            if next(_decoded(container, None), None) is None:
                raise SourceError(f"{path}: no frame can be decoded; record or copy it again")
    except av.InvalidDataError as error:
        raise SourceError(
            f"{path} is no video that can be read ({_reason(error)}); "
            "a file that was cut off while recording often lacks its index: copy it again"
        ) from error
    except (av.FFmpegError, ValueError) as error:
        raise SourceError(f"{path} can't be read ({_reason(error)})") from error
    return Source(camera, path, start, fps, count)


def picture_files(folder: Path) -> list[Path]:
    """The pictures of a folder, by name."""
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in PICTURES)


def _require_one_clock(cameras: Collection[str], dated: Iterable[str]) -> None:
    """Raises SourceError where some recordings have a date and others none."""
    known = set(dated)
    without = [camera for camera in cameras if camera not in known]
    have = sorted(known.intersection(cameras))
    if without and have:
        raise SourceError(
            f"camera {without[0]} has no start, though {have[0]} has one: give all recordings the "
            "time of their first frame in the site file, or none"
        )


def _named(argument: str) -> tuple[str | None, str]:
    """Splits ``camera=path``; an existing path with a ``=`` in it stays a path."""
    name, separator, path = argument.partition("=")
    if separator and not os.path.exists(argument):
        if not name or not path:
            raise SourceError(f"{argument!r} is no source: write path or camera=path")
        return name, path
    return None, argument


Decoded = Iterator[tuple[int, float | None, NDArray[np.uint8]]]
"""Index, seconds from the first frame (None where they are not known) and picture."""


def bgr(frame: av.VideoFrame) -> NDArray[np.uint8]:
    """A decoded frame as it is to be shown, ``uint8 (H, W, 3)``."""
    return upright(frame.to_ndarray(format="bgr24").astype(np.uint8, copy=False), frame.rotation)


def _pictures(source: Source) -> Decoded:
    """Pictures of a folder; one that can't be read leaves a gap."""
    for index, file in enumerate(picture_files(source.path)):
        image = decode(file.read_bytes())
        if image is None:
            source.lost += 1
        else:
            yield index, None, image


def _video(source: Source) -> Decoded:
    """Frames of a file."""
    index = -1
    first: float | None = None
    with av.open(str(source.path)) as container:
        container.streams.video[0].thread_type = "AUTO"
        for index, frame in enumerate(_decoded(container, source)):
            if frame.time is not None and first is None:
                first = frame.time
            offset = frame.time - first if frame.time is not None and first is not None else None
            yield index, offset, bgr(frame)
    source.lost = max(source.lost, source.missing(index + 1))


def _decoded(
    container: av.container.InputContainer, source: Source | None
) -> Iterator[av.VideoFrame]:
    """All frames that decode, whole or in part; what is damaged is counted in `source`."""
    packets = container.demux(container.streams.video[0])
    broken = 0
    while broken < MOST_BROKEN:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.FFmpegError:  # the rest may be readable; reading must be begun anew
            broken += 1
            packets = container.demux(container.streams.video[0])
            continue
        try:
            for frame in packet.decode():
                broken = 0
                if source and frame.is_corrupt:
                    source.lost += 1
                yield frame
        except av.FFmpegError:
            if source:
                source.lost += 1


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error).splitlines()[0]
