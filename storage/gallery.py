"""`Gallery`, the one door to the database."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from math import inf
from pathlib import Path
from types import TracebackType

from reid import Calibration, Embeddings, ModelInfo

from . import checks, identities, mending, reading, recalibration, schema, search, writing
from .accounts import Accounts
from .asking import Ask, PartSearcher, PartsSearcher
from .audit import AuditLog, the_user
from .backend import Claim
from .browsing import Browse
from .crops import Crops
from .cutting import Parts
from .database import Database
from .errors import StorageError
from .life import Life
from .limits import EVERYTHING, Limits
from .mending import Repair
from .models import require_active, settle_model
from .parts import Part
from .people import People
from .recalibration import Recalibration
from .records import (
    BoxRow,
    GalleryInfo,
    SearchHit,
    SearchPage,
    Session,
    Sighting,
    StoredIdentity,
    StoredTrack,
    TrackUpdate,
)
from .search import NOTHING
from .searcher import Searcher
from .settings import CropPlace, SearchPlace, made_once, settle_crops, settle_search
from .watchlist import WatchList


class Gallery:
    """What was seen, where and when, and who it was.

    Every method may raise `StorageError`: locked, full, read-only or damaged (see `errors`). What
    was stored before an error stays as it was. Reading and searching may go on in several threads
    and processes while one writes.
    """

    def __init__(
        self,
        database: Database,
        crops: Crops,
        actor: str,
        model: ModelInfo | None,
        model_id: int | None,
        *,
        inside: bool,
        rough_above: float,
    ) -> None:
        self._database = database
        self._crops = crops
        self._actor = actor
        self._model_id = model_id
        self._searcher: Searcher | PartsSearcher | None = (
            Searcher(database, model, model_id, inside=inside, rough_above=rough_above)
            if model and model_id is not None
            else None
        )
        self._inside = inside
        self.model = model

    @classmethod
    def open(
        cls,
        url: str | Path,
        *,
        model: ModelInfo | None = None,
        create: bool = False,
        read_only: bool = False,
        timeout: float = 10.0,
        durable: bool = False,
        crops: CropPlace | None = None,
        search: SearchPlace | None = None,
        rough_above: float = inf,
        actor: str | None = None,
    ) -> Gallery:
        """Opens a gallery, brings an older schema up to date.

        Args:
            url: a path, ``sqlite:///PATH`` or ``postgresql://USER@HOST/NAME``.
            model: of the embedder that will be used with it. A gallery takes on the first model it
                is opened with; without one, it answers with the model it has.
            create: make the gallery if it is not there.
            read_only: change nothing, not even an older schema.
            timeout: seconds to wait for another writer.
            durable: what was acknowledged survives a power cut, and a crash of the database's
                server. Otherwise the last moments before one may be lost, but nothing is torn; a
                crash of the program alone loses nothing.
            search: compare in ``memory`` (usual) or in the ``database``, which takes a server with
                pgvector and no memory here. The gallery keeps it for all who open it.
            rough_above: searches in memory of more observations than that compare only the first
                sub-vector of all, and everything of the few thousand that are likeliest by it:
                faster, and no longer exact.
            actor: who is at work, for the audit log; the user of the operating system if None.
            crops: keep pictures as files in a ``folder`` beside the database (usual for SQLite) or
                ``inside`` it (always so on a server). A gallery that holds pictures stays as it is.

        Raises:
            GalleryNotFound, NotAGallery, GalleryTooNew, GalleryModelMismatch, GalleryReadOnly,
            GalleryLocked, GalleryFull, GalleryDamaged, GalleryUnreachable.
        """
        database = Database.open(
            url, create=create, read_only=read_only, timeout=timeout, durable=durable
        )
        try:
            kept = settle_crops(database, crops)
            inside = settle_search(database, search)
            settled = settle_model(database, model)
            return cls(
                database,
                kept,
                actor or the_user(),
                *settled,
                inside=inside,
                rough_above=rough_above,
            )
        except BaseException:
            database.close()
            raise

    def close(self) -> None:
        """Closes the database."""
        self._database.close()

    def __enter__(self) -> Gallery:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def searched_in(self) -> SearchPlace:
        """Where vectors are compared."""
        return "database" if self._inside else "memory"

    @property
    def id(self) -> str:
        """What no other gallery has, copies of this one neither; made when it is first asked for.

        Raises:
            StorageError: it can't be made now.
        """
        return made_once(self._database, "id")

    @property
    def actor(self) -> str:
        """Who is at work, for the audit log."""
        return self._actor

    def by(self, actor: str) -> Gallery:
        """The same gallery with somebody else at work; close the one that was opened."""
        other = copy(self)
        other._actor = actor
        return other

    @property
    def life(self) -> Life:
        """What is kept, what goes and what may not."""
        return Life(self._database, self._crops, self._actor, self._forget)

    @property
    def people(self) -> People:
        """What a person says about who is who."""
        return People(self._database, self._actor)

    @property
    def calibration(self) -> Calibration:
        """By which evidence is weighed now; the model's own, or one that was fitted here.

        Raises:
            StorageError: a gallery without a model has none.
        """
        if self.model is None:
            raise StorageError(f"{self._database.name} has no model yet")
        with self._database.read() as connection:
            return recalibration.in_use(connection, self.model)

    @property
    def recalibration(self) -> Recalibration:
        """The fit of that to what people decided."""
        return Recalibration(self._database, self._actor, self.model)

    @property
    def accounts(self) -> Accounts:
        """Who may use it through the console."""
        return Accounts(self._database, self._actor)

    @property
    def watchlist(self) -> WatchList:
        """Who is looked for, and the alerts that they raised."""
        return WatchList(self._database, self._actor, self.model, self._model_id)

    def claim(self, camera: str) -> Claim:
        """Keeps other programs from watching a camera for this gallery, until it is closed.

        A program that is killed keeps nothing.

        Raises:
            GalleryClaimed: another program has it.
        """
        self._database.require_writing()
        with self._database.explained():
            return self._database.backend.claim(camera)

    @property
    def parts(self) -> Parts:
        """How it is cut into parts that are searched where they lie."""
        return Parts(self._database, self._model_id)

    def in_parts(self, parts: Sequence[Part], ask: Ask | None = None) -> Gallery:
        """The same gallery, searched part by part with the same answers; close the one that was
        opened.

        Args:
            parts: together the whole gallery, as those of a `Plan`. Those that a search's limits
                rule out are not asked.
            ask: asks who holds them; None to hold them here.
        """
        other = copy(self)
        if self.model and self._model_id is not None:
            other._searcher = PartsSearcher(self._database, self.model, self._model_id, parts, ask)
        return other

    def part(self, part: Part) -> PartSearcher:
        """One part held here, for those elsewhere who ask.

        Raises:
            StorageError: a gallery without a model has no vectors.
        """
        if self.model is None or self._model_id is None:
            raise StorageError(f"{self._database.name} has no model yet")
        return PartSearcher(self._database, self.model, self._model_id, part)

    @property
    def audit(self) -> AuditLog:
        """Who did what."""
        return AuditLog(self._database, self._actor)

    @property
    def browse(self) -> Browse:
        """Parts of it, for those who look at it page by page."""
        sizes = self.model.sizes if self.model else (0,)
        return Browse(self._database, sizes, self._model_id)

    def begin_session(
        self,
        camera: str,
        source: str,
        content: str,
        start: float,
        fps: float,
        frames: int | None = None,
    ) -> Session:
        """The session of one source on one camera, where a run starts or goes on.

        Args:
            camera: its name; a new name makes a new camera.
            source: what people call the source, for instance the path of the file.
            content: a hash of what the source holds. The same content on the same camera is the
                same session: the run goes on at its `position`, and is over if `state` is ``done``.
            start: capture time of frame 0, UTC seconds.
            fps: frames a second of the source. frames: how many it should have, if that is known.

        Returns:
            The session; a known one keeps the source, start and fps it was begun with.
        """
        with self._database.write() as connection:
            return writing.begin_session(connection, camera, source, content, start, fps, frames)

    def append(
        self,
        session_id: int,
        position: int,
        frames_lost: int,
        tracks: Sequence[TrackUpdate],
        state: str = "running",
        checkpoint: str | None = None,
        failure: str | None = None,
    ) -> dict[int, int]:
        """Stores new results and the position they bring the session to, all or nothing.

        Args:
            position: frames whose results are now complete; never less than before.
            frames_lost: frames that could not be decoded, over the whole session so far.
            tracks: new observations, of frames below `position`.
            state: ``running``, ``stopped`` (to be continued) or ``done``.
            checkpoint: what a later run needs to go on from `position`, in place of the last one.
            failure: why the run can't go on.

        Returns:
            The ids of the tracks by their numbers.

        Raises:
            StorageError: no such session or state, a position that goes back, a level or vector
                that is not the model's, an observation that is stored already.
        """
        self._database.require_writing()
        batch = writing.Batch(tracks, position=position, model=self.model)
        with self._database.write() as connection:
            require_active(connection, self._database.name, self._model_id)
            writing.advance(
                connection, session_id, position, frames_lost, state, checkpoint, failure
            )
            return writing.add(
                connection, session_id, batch, self._crops, self._model_id, self._database.backend
            )

    def save_identities(
        self, assignments: Mapping[int, Hashable | None], evidence: Mapping[int, float]
    ) -> dict[Hashable, int]:
        """Keeps a grouping of tracks into persons; tracks not named keep what they have.

        A group takes over the identity that most of its tracks hold (the lowest id among equals;
        of two groups that want one, the one with more tracks of it has it). Merges and splits are
        written to the history, an identity without tracks ends, and no id is used again. The same
        grouping twice changes nothing.

        Args:
            assignments: track id to any key; tracks of equal key are one person, None is nobody.
            evidence: track id to what holds it to its group, nats; 0 where missing.

        Returns:
            The identity's id for each key.

        Raises:
            StorageError: a track that is not in the gallery.
        """
        with self._database.write() as connection:
            return identities.save(connection, assignments, evidence)

    def sessions(self, cameras: Sequence[str] | None = None) -> list[Session]:
        """Sessions of some cameras (None: all), oldest first."""
        with self._database.read() as connection:
            return reading.sessions(connection, *_of_cameras(cameras))

    def tracks(
        self,
        cameras: Sequence[str] | None = None,
        *,
        looks: int | None = None,
        after: float | None = None,
    ) -> list[StoredTrack]:
        """Tracks of some cameras (None: all), by id, with their embeddings.

        Args:
            looks: embeddings of a track at most: the best of each of as many spans of its time.
                None for all of them; 0 reads none.
            after: only tracks that were seen at or after this time, UTC seconds.
        """
        conditions = _of_cameras(cameras)
        if after is not None:
            conditions.append(schema.Track.last >= after)
        sizes = self.model.sizes if self.model else (0,)
        with self._database.read() as connection:
            return reading.tracks(connection, sizes, self._model_id, looks, *conditions)

    def observations(self, track_id: int) -> list[Sighting]:
        """All observations of a track in order of time."""
        with self._database.read() as connection:
            return reading.observations(connection, track_id)

    def boxes(self, session_id: int) -> list[BoxRow]:
        """All boxes of a session by frame and track, with the identities of now."""
        with self._database.read() as connection:
            return reading.boxes(connection, session_id)

    def identities(self) -> list[StoredIdentity]:
        """All persons by id, with their best picture on each camera (quality times height)."""
        with self._database.read() as connection:
            return reading.identities(connection)

    def search(
        self,
        query: Embeddings,
        *,
        camera: str | None = None,
        identity: int | None = None,
        after: float | None = None,
        before: float | None = None,
        min_level: int | None = None,
        top: int = 10,
    ) -> list[SearchHit]:
        """The persons who look most like the query; every observation is compared.

        Each pair is compared over the sub-vectors that both fill, calibrated to log-odds by the
        gallery's model. Several pictures of one person give the mean of their log-odds, weighted
        by quality; a person scores the mean of its three likeliest observations.

        Args:
            query: one or more embeddings of one person, by the gallery's model.
            camera: only observations of this camera.
            identity: only observations of this person.
            after, before: only observations from here on or up to here, UTC seconds.
            min_level: only observations of this level or sharper.
            top: how many persons at most.

        Returns:
            Hits, likeliest first.

        Raises:
            StorageError: an empty query, one of another model, an unknown camera or identity.
        """
        limits = Limits(camera, identity, after, before, min_level)
        return list(self.search_page(query, limits, top=top).hits)

    def search_many(
        self, queries: Sequence[Embeddings], limits: Limits = EVERYTHING, *, top: int = 10
    ) -> list[list[SearchHit]]:
        """What `search` finds for each query, all of one state of the gallery, in one go.

        It reads what is in memory once for all queries, and takes a fraction of the time.

        Args:
            queries: one for each person who is looked for.

        Returns:
            The hits of each query, likeliest first.

        Raises:
            StorageError: as `search`.
        """
        if not self._searcher:
            return [[] for _ in queries]
        return [list(page.hits) for page in self._searcher.pages(queries, limits, top)]

    def search_page(
        self,
        query: Embeddings,
        limits: Limits = EVERYTHING,
        *,
        page: str | None = None,
        top: int = 10,
    ) -> SearchPage:
        """Hits page by page: those that follow a page are as if no row had been added since.

        Args:
            page: None for the first page, then the `next` of the page before, with the same query
                and limits.

        Raises:
            StorageError: as `search`; `page` is of no page.
        """
        until, skip = search.place_of(page)
        if not self._searcher:
            return NOTHING
        return self._searcher.pages([query], replace(limits, until=until), top, skip)[0]

    def warm(self) -> None:
        """Reads all vectors into memory, as the first search would; searches meanwhile wait."""
        if self._searcher:
            self._searcher.warm()

    def info(self) -> GalleryInfo:
        """How much there is of everything."""
        with self._database.read() as connection:
            return checks.info(connection, self._database, self.model)

    def check(self) -> list[str]:
        """What is wrong with the gallery, one line each: pages, keys, vectors, times, crops.

        Reads every crop. Empty when all is well.
        """
        return checks.check(self._database, self._crops)

    def repair(self) -> Repair:
        """Mends what can be told from the rest: times, positions, links, files without a row.

        What can't (broken pages, vectors, pictures, keys) is left and named.
        """
        return mending.repair(self._database, self._crops)

    def crop(self, sha: str) -> bytes:
        """The JPEG file's bytes of a picture by its hash."""
        with self._database.read() as connection:
            return self._crops.read(connection, sha)

    def crop_path(self, sha: str) -> Path:
        """The file of a picture by its hash.

        Raises:
            StorageError: the gallery keeps its pictures inside the database.
        """
        return self._crops.path(sha)

    def _forget(self) -> None:
        if self._searcher:
            self._searcher.forget()


def _of_cameras(cameras: Sequence[str] | None) -> list[object]:
    return [] if cameras is None else [schema.Camera.name.in_(cameras)]
