"""`process`: recordings of several cameras in, identities over cameras out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from time import perf_counter

from reid import Embedder
from storage import Gallery

from .annotate import write_video
from .detect import Detector
from .engine import CameraRun, Engine, Progress, Tally
from .errors import PipelineError
from .linking import Linked, link_gallery
from .outputs import write_boxes, write_identities
from .report import write_report
from .settings import Settings
from .site import Site, read_site
from .sources import find_sources


@dataclass(frozen=True)
class CameraResult:
    """What became of one source: frames committed in all, frames lost, and whether it was read to
    its end."""

    camera: str
    session: int
    frames: int
    lost: int
    done: bool


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
    progress: Progress | None = None,
    stop: Event | None = None,
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
        save_video: also write ``<camera>.mp4`` with boxes and identities.
        progress: told camera, frames done, frames in all.
        stop: ends the run cleanly when set; what was done is kept and linked.

    Raises:
        PipelineError, ReidError, StorageError: one line that says what, which and what to do.
    """
    started = perf_counter()
    settings = settings or Settings()
    known = site if isinstance(site, Site) else read_site(Path(site)) if site else Site()
    arguments = [str(s) for s in sources]
    if not arguments and site and not isinstance(site, Site):
        folder = Path(site).parent
        arguments = [f"{n}={folder / c.source}" for n, c in known.cameras.items() if c.source]
    found = find_sources(arguments, known.starts)
    if not found:
        raise PipelineError(
            "nothing to process: name a video, or a site file whose cameras have one"
        )
    model = Embedder.load(embedder, device)
    eyes = Detector.load(detector, device)
    folder = _writable(Path(out))
    with Gallery.open(gallery, model=model.info, create=True) as opened:
        engine = Engine(eyes, model, opened, known, settings)
        runs = engine.run(found, progress, stop)
        with engine.tally.stage("link"):
            linked = link_gallery(opened, model.info.calibration, known.constraints, settings.link)
        _write(folder, opened, runs, linked, save_video)
        report = write_report(folder / "report.html", opened, linked)
    cameras = tuple(
        CameraResult(r.source.camera, r.session.id, r.position, r.source.lost, r.done) for r in runs
    )
    return Result(tuple(linked), cameras, engine.tally, perf_counter() - started, folder, report)


def _writable(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PipelineError(
            f"can't write to {folder}: {error.strerror}; choose another --out"
        ) from error
    return folder


def _write(
    folder: Path,
    gallery: Gallery,
    runs: Sequence[CameraRun],
    linked: Sequence[Linked],
    save_video: bool,
) -> None:
    write_identities(folder / "identities.csv", linked)
    for run in runs:
        rows = gallery.boxes(run.session.id)
        write_boxes(folder / f"{run.source.camera}.txt", rows)
        if save_video:
            write_video(
                folder / f"{run.source.camera}.mp4", run.source.frames(), rows, run.source.fps
            )
