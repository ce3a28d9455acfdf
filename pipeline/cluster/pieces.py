"""A recording in pieces, each of which can be read without what lies before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import av

from ..crops import decode
from ..errors import SourceError
from ..frame import Frame
from ..reading import thinned
from ..sources import Source, bgr, picture_files


class UnevenSource(SourceError):
    """What decodes is not what the packets of the file promise: read it in one piece."""


@dataclass(frozen=True)
class Stamp:
    """A frame that a recording promises: index and time of the `Frame`, time stamp in the stream
    (number of the file in a folder)."""

    index: int
    time: float
    stamp: int


@dataclass(frozen=True)
class Piece:
    """Some frames of a recording, one after the other.

    Args:
        first: index of the first. frames: those that are looked at; None for all that decode from
            `first` to the end, as they come.
    """

    first: int
    frames: tuple[Stamp, ...] | None = None


def cut(source: Source, seconds: float, fps: float | None, first: int = 0) -> list[Piece]:
    """Pieces of a recording from frame `first` on, each beginning at a key frame.

    Where they begin depends on the recording and on `seconds` alone; where `first` lies inside a
    piece, the rest of that one comes first.

    Args:
        seconds: of capture time that a piece has at least.
        fps: frames a second that are looked at, at most; all if None.

    Returns:
        One piece with `frames` None where the packets don't tell what will decode, or frames are
        missing.
    """
    promised = _files(source) if source.path.is_dir() else _packets(source)
    if promised is None or source.missing(len(promised)):
        return [Piece(first)]
    starts = [0]
    for stamp, is_key in promised:
        if is_key and stamp.time - promised[starts[-1]][0].time >= seconds:
            starts.append(stamp.index)
    wanted = list(thinned((stamp for stamp, _ in promised), fps))
    pieces = []
    for a, b in pairwise([*starts, len(promised)]):
        frames = tuple(s for s in wanted if max(a, first) <= s.index < b)
        if frames:
            pieces.append(Piece(frames[0].index, frames))
    return pieces


def frames_of(source: Source, piece: Piece, fps: float | None) -> Iterator[Frame]:
    """The frames of a piece, as `Source.frames` gives them; what is lost is counted in `source`.

    Raises:
        UnevenSource: the frames aren't those that the packets promised.
        SourceError: the recording can't be read.
    """
    if piece.frames is None:
        found = thinned(source.frames(), fps)
        yield from (frame for frame in found if frame.index >= piece.first)
    elif source.path.is_dir():
        files = picture_files(source.path)
        for s in piece.frames:
            image = decode(files[s.stamp].read_bytes())
            if image is None:
                source.lost += 1
            else:
                yield Frame(source.camera, s.index, s.time, image)
    else:
        yield from _decoded(source, piece.frames)


def _files(source: Source) -> list[tuple[Stamp, bool]]:
    """Each file of a folder; any may begin a piece."""
    count = len(picture_files(source.path))
    return [(Stamp(i, source.start + i / source.fps, i), True) for i in range(count)]


def _packets(source: Source) -> list[tuple[Stamp, bool]] | None:
    """The frames that the packets of a video promise, in order of time, and which are key frames.

    None where a packet has no time stamp or two have one, where one is damaged, or where the first
    is no key frame.
    """
    rows: list[tuple[int, bool]] = []
    try:
        with av.open(str(source.path)) as container:
            base = container.streams.video[0].time_base
            for packet in container.demux(container.streams.video[0]):
                if packet.size == 0:
                    continue
                if packet.pts is None or packet.is_corrupt or packet.is_discard:
                    return None
                rows.append((packet.pts, packet.is_keyframe))
    except av.FFmpegError:
        return None
    if not rows or base is None or not rows[0][1] or len({pts for pts, _ in rows}) < len(rows):
        return None
    rows.sort()
    seconds = [float(pts) * base.numerator / base.denominator for pts, _ in rows]
    return [
        (Stamp(i, source.start + (at - seconds[0]), pts), is_key)
        for i, ((pts, is_key), at) in enumerate(zip(rows, seconds, strict=True))
    ]


def _decoded(source: Source, promised: tuple[Stamp, ...]) -> Iterator[Frame]:
    left = {s.stamp: s for s in promised}
    try:
        with av.open(str(source.path)) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            container.seek(promised[0].stamp, stream=stream)
            for frame in container.decode(stream):
                source.lost += frame.is_corrupt
                if frame.pts is not None and (s := left.pop(frame.pts, None)):
                    yield Frame(source.camera, s.index, s.time, bgr(frame))
                if not left:
                    return
    except av.FFmpegError as error:
        raise UnevenSource(f"{source.path}: {error.strerror or error}") from error
    raise UnevenSource(f"{source.path}: {len(left)} frames that it promises don't come")
