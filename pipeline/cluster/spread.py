"""The engine over a cluster: workers look at pieces, this process follows, keeps order and stores.

Detection is what costs, and needs no memory of other frames: pieces of all recordings go to the
workers as they are free. Tracks need the detections of all frames in order, and little else: they
are followed here, piece after piece, so that a cut leaves no trace. Then workers embed what the
tracks want of a piece, and the piece is stored with all that the next one needs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from math import inf
from threading import Event

from storage import Gallery
from tracker import Observation

from ..engine import Engine, Progress, Tell, silent
from ..errors import PipelineError
from ..patience import Patience
from ..runs import FileRun
from ..sources import Source
from .pieces import Piece, UnevenSource
from .ray import Ref, Workers
from .work import Detected, Wanted

PIECE_SECONDS = 30.0
"""Of capture time in a piece, at least: what is done again when all is lost."""
AHEAD = 2
"""Tasks a worker that wait or run at a time."""
LOOK_SECONDS = 0.2


class File:
    """One recording's way through the cluster.

    Args:
        run: its tracker, and what is not stored yet.

    Attributes:
        waiting: pieces that no worker was asked for, from the run's position on; None until the
            recording is cut.
    """

    def __init__(self, run: FileRun) -> None:
        self.run = run
        self.waiting: deque[Piece] | None = None
        self.asked: deque[Piece] = deque()
        self.detected: dict[int, Detected | PipelineError] = {}
        self.embedding = False
        self._stored = (run.position, run.lost, run.session.checkpoint)

    @property
    def over(self) -> bool:
        """Whether all of it is stored, or it failed."""
        left = self.waiting is None or self.waiting or self.asked or self.embedding
        return bool(self.run.failure) or not left

    def next(self) -> tuple[Piece, Detected | PipelineError] | None:
        """The piece that follows what is stored, once it is there."""
        if self.embedding or not self.asked or self.asked[0].first not in self.detected:
            return None
        piece = self.asked.popleft()
        return piece, self.detected.pop(piece.first)

    def take_whole(self, first: int) -> None:
        """Takes the rest from a frame on as it comes: it can't be read in pieces."""
        self.asked.clear()
        self.detected.clear()
        self.waiting = deque([Piece(first)])

    def store(self, gallery: Gallery) -> None:
        """Commits a piece."""
        checkpoint = self.run.checkpoint()
        self.run.lost = self.run.source.lost
        self.run.commit(gallery, "running", checkpoint=checkpoint)
        self._stored = (self.run.position, self.run.lost, checkpoint)

    def end(self, gallery: Gallery) -> None:
        """All is stored, or the run is to stop: what is half done will be done again."""
        self.run.drop()
        self.run.position, self.run.lost, checkpoint = self._stored
        self.run.done = self.over and not self.run.failure
        if self.run.done:
            self.run.commit(gallery, "done")
        else:
            self.run.commit(gallery, "stopped", None, checkpoint, self.run.failure)


def over_workers(
    workers: Workers,
    engine: Engine,
    sources: Sequence[Source],
    progress: Progress | None = None,
    stop: Event | None = None,
    tell: Tell = silent,
) -> list[FileRun]:
    """As `Engine.run`, with the workers of a Ray cluster; `engine` is whose gallery, settings and
    tally are used."""
    patience = Patience(engine.settings.patience, tell, stop)
    return Spread(workers, engine, patience).run(sources, progress, stop)


class Spread:
    """Hands recordings to workers, piece by piece, and stores what comes back."""

    def __init__(self, workers: Workers, engine: Engine, patience: Patience) -> None:
        self._workers, self._engine, self._patience = workers, engine, patience
        self._todo: dict[Ref, tuple[File, Callable[[Ref], None]]] = {}
        self._turn: deque[File] = deque()
        self._progress: Progress | None = None

    def run(
        self, sources: Sequence[Source], progress: Progress | None = None, stop: Event | None = None
    ) -> list[FileRun]:
        """As `Engine.run`; what a dead worker had in hand is done again by another."""
        gallery = self._engine.gallery
        self._progress = progress
        runs = [self._engine.begin(source) for source in sources]
        files = dict.fromkeys(File(run) for run in runs if not run.done)
        self._turn = deque(files)
        try:
            while files and not (stop and stop.is_set()):
                self._ask()
                for ref in self._workers.ready(list(self._todo), LOOK_SECONDS):
                    file, take = self._todo.pop(ref)
                    take(ref)
                    if file.over and file in files:
                        del files[file]
                        self._patience.store(partial(file.end, gallery), inf)
        finally:
            self._workers.cancel(list(self._todo))
            self._engine.tally.boxes = sum(run.boxes for run in runs)
        for file in files:
            self._patience.store(partial(file.end, gallery), inf)
        return runs

    def _ask(self) -> None:
        """Has recordings cut and hands out pieces, in turn from all, while few wait."""
        most, fps = AHEAD * self._workers.count, self._engine.settings.fps
        while self._turn and len(self._todo) < most:
            file = self._turn.popleft()
            source = file.run.source
            if file.over:
                continue
            if file.waiting is None:
                source.lost = file.run.lost
                ref = self._workers.cut(source, PIECE_SECONDS, fps, file.run.position)
                self._todo[ref] = file, partial(self._on_cut, file)
                continue
            piece = file.waiting.popleft()
            file.asked.append(piece)
            size = self._engine.site.input_size(source.camera)
            ref = self._workers.detect(source, piece, fps, size)
            self._todo[ref] = file, partial(self._on_detected, file, piece)
            if file.waiting:
                self._turn.append(file)

    def _on_cut(self, file: File, ref: Ref) -> None:
        try:
            file.waiting = deque(self._workers.result(ref))
        except PipelineError as error:
            file.run.failure = str(error)
        if file.waiting:
            self._turn.append(file)

    def _on_detected(self, file: File, piece: Piece, ref: Ref) -> None:
        if any(asked is piece for asked in file.asked):
            try:
                file.detected[piece.first] = self._workers.result(ref)
            except PipelineError as error:
                file.detected[piece.first] = error
            self._follow(file)

    def _follow(self, file: File) -> None:
        """Takes the next piece to the tracker, if it is there, and asks for its embeddings."""
        if not (given := file.next()):
            return
        piece, found = given
        if isinstance(found, UnevenSource):
            if not file.waiting:
                self._turn.append(file)
            file.take_whole(piece.first)
        elif isinstance(found, PipelineError):
            file.run.failure = str(found)
        else:
            before = 0 if piece.frames is None else file.run.source.lost
            file.run.source.lost = before + found.lost
            with self._engine.tally.stage("track"):
                due = [item for seen in found.seen for item in file.run.follow(seen)]
            self._engine.tally.frames += len(found.seen)
            file.embedding = True
            ref = self._workers.embed(
                file.run.source,
                piece,
                self._engine.settings.fps,
                [Wanted(o.frame, o.box, o.level) for _, o in due],
                self._engine.settings.embed.crop_quality,
            )
            self._todo[ref] = file, partial(self._on_embedded, file, due)

    def _on_embedded(self, file: File, due: list[tuple[int, Observation]], ref: Ref) -> None:
        file.embedding = False
        try:
            found = self._workers.result(ref)
        except PipelineError as error:
            file.run.failure = str(error)
            return
        for (number, observation), (vector, jpeg) in zip(due, found, strict=True):
            file.run.keep(number, observation, vector, jpeg)
        self._engine.tally.embeddings += len(due)
        with self._engine.tally.stage("store"):
            self._patience.store(partial(file.store, self._engine.gallery), inf)
        if self._progress:
            self._progress(file.run.camera, file.run.position, file.run.source.count)
        self._follow(file)
