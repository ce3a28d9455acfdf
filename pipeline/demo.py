"""`demo`: a rendered scene with known answers, processed and held against its truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter

import numpy as np

from reid import Embedder
from samples import SampleFiles, Scene, read_truth, render
from storage import Gallery

from .crops import cut_out, encode
from .processing import Result, process
from .query import Answer, search, write_page
from .score import Labelled, Score, who_is
from .sources import open_source

QUERIES = 10

Truth = dict[int, list[Labelled]]
Say = Callable[[str], None]


@dataclass(frozen=True)
class DemoResult:
    """The demo's figures.

    Args:
        detection_recall: by camera, of people at least half visible, at IoU 0.5, among the boxes
            that reached the results.
        idf1: over all cameras with one space of identities.
        search_rank1: right answers among `QUERIES` searches with a far person for the near one.
        seconds: all in all. report, search_page: to open.
    """

    detection_recall: dict[str, float]
    idf1: float
    search_rank1: int
    seconds: float
    report: Path
    search_page: Path

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        return {k: str(v) if isinstance(v, Path) else v for k, v in asdict(self).items()}


def demo(
    out: Path,
    progress: Callable[[str, int, int | None], None] | None = None,
    say: Say = lambda _: None,
) -> DemoResult:
    """Renders, processes, scores and searches the sample scene in `out`.

    Args:
        out: folder; made anew if it holds an earlier demo's gallery.
        progress: told camera, frames done, frames in all, while rendering and while processing.
        say: told what happens, a line each.
    """
    started = perf_counter()
    scene = Scene()
    say(f"rendering {len(scene.people)} people in front of {len(scene.cameras)} cameras")
    files = render(scene, out / "scene", progress)
    say("detecting, tracking, linking")
    database = out / "nearfar.db"
    for old in out.glob("nearfar.db*"):
        old.unlink()
    sources = [f"{camera}={path}" for camera, path in files.videos.items()]
    result = process(sources, database, out, site=files.site, save_video=True, progress=progress)
    truth = {camera: _labelled(path) for camera, path in files.truth.items()}
    with Gallery.open(database) as gallery:
        recall, idf1 = _score(truth, result, gallery)
        say("searching for people seen far away among those seen near")
        right, page = _search(files, truth, gallery, Embedder.load(), out)
    return DemoResult(recall, idf1, right, perf_counter() - started, result.report, page)


def _labelled(path: Path) -> Truth:
    return {
        frame: [Labelled(b.identity, b.box, b.visibility) for b in boxes]
        for frame, boxes in read_truth(path).items()
    }


def _score(
    truth: dict[str, Truth], result: Result, gallery: Gallery
) -> tuple[dict[str, float], float]:
    total, recall = Score(), {}
    for camera in result.cameras:
        found: Truth = {}
        for row in gallery.boxes(camera.session):
            found.setdefault(row.frame, []).append(Labelled(row.identity or -row.track, row.box))
        here = Score()
        for score in (here, total):
            score.add(truth[camera.camera], found)
        recall[camera.camera] = round(here.recall, 4)
    return recall, round(total.idf1, 4)


def _search(
    files: SampleFiles, truth: dict[str, Truth], gallery: Gallery, embedder: Embedder, out: Path
) -> tuple[int, Path]:
    """Right answers of `QUERIES` searches from the far camera into the near one; the page of the
    first right one, or of the last, whose picture is left as ``query.jpg``."""
    cameras = list(files.videos)
    near, far = cameras[0], cameras[-1]
    right, page = 0, out / "search.html"
    for i, (identity, crop) in enumerate(_far_people(files, truth[far], far)):
        answer = search(crop, gallery, embedder, camera=near)
        if right == 0:
            write_page(page, answer, gallery)
            (out / "query.jpg").write_bytes(encode(crop))
        right += _answers(answer, truth[near]) == identity
        if i + 1 == QUERIES:
            break
    return right, page


def _far_people(files: SampleFiles, truth: Truth, camera: str) -> Iterator[tuple[int, np.ndarray]]:
    """Each person's most visible crop of a camera, by identity."""
    best: dict[int, tuple[float, int, Labelled]] = {}
    for frame, boxes in truth.items():
        for b in boxes:
            key = (b.visibility + 1e-4 * b.box[3], frame, b)
            if b.identity not in best or key[0] > best[b.identity][0]:
                best[b.identity] = key
    wanted = {frame for _, frame, _ in best.values()}
    images = {
        f.index: f.image
        for f in open_source(files.videos[camera], camera).frames()
        if f.index in wanted
    }
    for identity in sorted(best):
        _, frame, b = best[identity]
        yield identity, cut_out(images[frame], b.box)


def _answers(answer: Answer, truth: Truth) -> int | None:
    """The true identity of what a search put first."""
    if not answer.hits:
        return None
    best = answer.hits[0].best
    return who_is(truth.get(best.frame, []), best.box)
