"""`process`: recordings of several cameras in, identities over cameras out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from math import inf
from pathlib import Path
from threading import Event
from time import perf_counter

from reid import Embedder
from storage import Gallery

from .annotate import write_video
from .detect import Detector
from .engine import Engine, Progress, Tally, Tell, silent
from .errors import CallError, SourceError
from .files import writable_folder
from .frame import Frame
from .linking import Linked, link_gallery
from .outputs import write_boxes, write_identities
from .report import write_report
from .runs import FileRun
from .settings import Settings
from .site import Site, read_site
from .sources import Source, find_sources


@dataclass(frozen=True)
class CameraResult:
    """What became of one source.

    Args:
        frames: committed in all. lost: missing or damaged. done: whether it was read to its end.
        failure: why it could not be, if it failed. read_before: whether an earlier run had read it
            to its end, so that this one did not.
    """

    camera: str
    session: int
    frames: int
    lost: int
    done: bool
    failure: str | None = None
    read_before: bool = False


@dataclass(frozen=True)
class Result:
    """What a run found.

    Args:
        identities: all of the gallery, by number. cameras: one result a source.
        tally: frames, boxes and embeddings of this run, seconds by stage.
        seconds: that the run took. report: the page to open.
    """

    identities: tuple[Linked, ...]
    cameras: tuple[CameraResult, ...]
    tally: Tally
    seconds: float
    out: Path
    report: Path


def process(
    sources: Sequence[str | Path],
    gallery: str | Path = "nearfar.db",
    out: str | Path = "out",
    *,
    site: str | Path | Site | None = None,
    detector: str | Path | None = None,
    embedder: str | Path | None = None,
    device: str = "auto",
    settings: Settings | None = None,
    save_video: bool = False,
    ray: str | None = None,
    progress: Progress | None = None,
    stop: Event | None = None,
    tell: Tell = silent,
) -> Result:
    """Detects, tracks, embeds and links the people of several recordings.

    Args:
        sources: files, folders of pictures or globs, each ``path`` or ``camera=path``; those of
            the site file if empty.
        gallery: path or URL of the gallery, made if it is not there.
        out: folder for ``<camera>.txt``, ``identities.csv``, ``report.html`` and videos.
        site: a site file, or one that was read.
        detector, embedder: weights; those that ship if None.
        device: ``auto``, ``cpu`` or ``cuda``.
        ray: address of a Ray cluster whose workers decode, detect and embed, or ``local``.
        save_video: also write ``<camera>.mp4`` with boxes and identities; none of a source that
            failed.
        progress: told camera, frames done, frames in all.
        tell: told in one line when the gallery can't be written and when it can again, and of a
            recording that has the names of two cameras.
        stop: ends the run cleanly when set; what was done is kept and linked.

    Raises:
        PipelineError, ReidError, StorageError: one line that says what, which and what to do.
    """
    started = perf_counter()
    settings = settings or Settings()
    known = site if isinstance(site, Site) else read_site(Path(site)) if site else Site()
    arguments = [str(s) for s in sources]
    if not arguments and site and not isinstance(site, Site):
        arguments = _recordings(known, Path(site).parent)
    if settings.fps is not None and not 0 < settings.fps < inf:
        raise CallError(f"frames a second must be above 0, got {settings.fps:g}")
    found = find_sources(arguments, known.starts)
    if not found:
        raise CallError("nothing to process: name a video, or a site file whose cameras have one")
    model = Embedder.load(embedder, device)
    eyes = Detector.load(detector, device)
    folder = writable_folder(Path(out))
    if save_video:
        _spare_sources(found, folder)
    # durable: a run outlives the server of its database, and must not miss what that forgot
    with ExitStack() as stack:
        opened = stack.enter_context(
            Gallery.open(gallery, model=model.info, create=True, durable=True)
        )
        engine, over = Engine(eyes, model, opened, known, settings), None
        if ray is None:
            runs = engine.run(found, progress, stop, tell)
        else:
            from .cluster import Models, Workers, over_workers

            workers = stack.enter_context(Workers(ray, Models(detector, embedder, device)))
            runs = over_workers(workers, engine, found, progress, stop, tell)
            if place := _place_for_workers(gallery, ray):
                over = partial(workers.link, place)
        _tell_of_copies(opened, runs, tell)
        with engine.tally.stage("link"):
            linked = link_gallery(
                opened, opened.calibration, known.constraints, known.link, known.cut, over
            )
        report = _write(folder, opened, runs, linked, save_video)
    cameras = tuple(
        CameraResult(r.camera, r.session.id, r.position, r.lost, r.done, r.failure, r.read_before)
        for r in runs
    )
    return Result(tuple(linked), cameras, engine.tally, perf_counter() - started, folder, report)


def _place_for_workers(gallery: str | Path, ray: str) -> str | None:
    """Where workers find a gallery: on its server, or as a file if they are on this machine."""
    if str(gallery).startswith("postgres"):
        return str(gallery)
    if ray != "local":
        return None
    return str(gallery) if "://" in str(gallery) else str(Path(gallery).resolve())


def _recordings(site: Site, folder: Path) -> list[str]:
    """The sources of a site file, which must all be recordings."""
    for name, camera in site.cameras.items():
        if camera.is_live:
            raise CallError(f"camera {name} is live: use nearfar watch, or name recordings")
    return [f"{n}={folder / c.source}" for n, c in site.cameras.items() if c.source]


def _tell_of_copies(gallery: Gallery, runs: Sequence[FileRun], tell: Tell) -> None:
    """Tells of a recording that has two cameras' names: everybody in it is seen by both."""
    cameras: dict[str, set[str]] = defaultdict(set)
    for session in gallery.sessions():
        cameras[session.content].add(session.camera)
    for run in runs:
        names = sorted(cameras.pop(run.session.content, ()))
        if len(names) > 1:
            tell(
                f"{run.source.path} is the recording of cameras {' and '.join(names)}: everybody "
                "in it is in all of them"
            )


def _spare_sources(sources: Sequence[Source], folder: Path) -> None:
    """Refuses to write an annotated video over a recording."""
    videos = {(folder / f"{s.camera}.mp4").resolve() for s in sources}
    for source in sources:
        if source.path.resolve() in videos:
            raise SourceError(
                f"the annotated videos in {folder} would replace the recording {source.path}: "
                "choose another --out"
            )


def _write(
    folder: Path,
    gallery: Gallery,
    runs: Sequence[FileRun],
    linked: Sequence[Linked],
    save_video: bool,
) -> Path:
    write_identities(folder / "identities.csv", linked)
    rows = [gallery.boxes(run.session.id) for run in runs]
    for run, boxes in zip(runs, rows, strict=True):
        write_boxes(folder / f"{run.camera}.txt", boxes)
    report = write_report(folder / "report.html", gallery, linked)
    if save_video:
        for run, boxes in zip(runs, rows, strict=True):
            if run.failure is None:
                video = folder / f"{run.camera}.mp4"
                write_video(video, _seen_frames(run), boxes, run.source.fps)
    return report


def _seen_frames(run: FileRun) -> Iterator[Frame]:
    """The frames of a source as far as they were processed."""
    for frame in run.source.frames():
        yield frame
        if not run.done and frame.index + 1 >= run.position:
            return
