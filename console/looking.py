"""What can be looked at: searches, identities, links to judge, what is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.linking import evidence_between
from pipeline.query import LIKELY, picture_hash
from reid import Embeddings
from storage import Gallery, Limits, NotStored, Session, Sighting, StoredTrack

from .errors import ConsoleError
from .models import (
    CameraOut,
    ChangeOut,
    DoubtOut,
    GalleryOut,
    Hit,
    HoldOut,
    Identities,
    IdentityOut,
    PairOut,
    Place,
    QueryOut,
    Review,
    RuleOut,
    SearchOut,
    Seen,
    TrackOut,
    WholeIdentity,
)
from .state import Console, Query

AT_ONCE = 48
"""Identities, or alerts, on a page of the list."""

IN_PAIRS = 20
"""Tracks of an identity whose evidence is told pair by pair."""

WITHOUT_PICTURES = 100
"""Links whose pictures are gone that a review looks past."""


@dataclass(frozen=True)
class Terms:
    """What a search looks for and where.

    Args:
        query: a picture that was sent. like: ids of stored observations of the same person.
        camera: a name. after, before: UTC in seconds. min_level: or sharper.
        page: the `next` of the page before. top: hits of a page.
    """

    query: str | None = None
    like: tuple[int, ...] = ()
    camera: str | None = None
    after: float | None = None
    before: float | None = None
    min_level: int | None = None
    page: str | None = None
    top: int = 12


def described(console: Console, query: Query) -> QueryOut:
    """A query as the API tells of it."""
    return QueryOut(
        id=query.id,
        width=query.image.shape[1],
        height=query.image.shape[0],
        person_height=query.height,
        level=int(query.embedding.levels[0]) if query.embedding else None,
        people=list(query.people),
    )


def search(console: Console, gallery: Gallery, terms: Terms, who: str, noted: bool) -> SearchOut:
    """Persons who look like the pictures; several pictures of one person count together.

    Args:
        gallery: of `who`, who searches. noted: whether it goes into the audit log in any case.

    Raises:
        ConsoleError: nothing to look for, or a frame of which nobody was picked.
        StorageError: an unknown camera or observation.
    """
    parts: list[Embeddings] = []
    facts: dict[str, object] = {"like": list(terms.like)}
    if terms.query is not None:
        query = console.query(terms.query, who)
        if query.embedding is None:
            raise ConsoleError(f"{len(query.people)} people are in this picture: pick one")
        parts.append(query.embedding)
        facts["picture"] = picture_hash(query.image)
    if terms.like:
        parts.append(gallery.browse.embeddings(terms.like))
    if not parts:
        raise ConsoleError("nothing to look for: send a picture, or name observations with like=")
    said = ("camera", "after", "before", "min_level")
    limits = {name: getattr(terms, name) for name in said}
    with console.turn:
        found = gallery.search_page(
            Embeddings.concatenate(parts),
            Limits(**limits),
            page=terms.page,
            top=terms.top,
        )
    if noted or gallery.audit.notes_searches:
        hits = [[hit.identity, hit.best.track] for hit in found.hits]
        gallery.audit.note("search", {**facts, "limits": limits, "identities_tracks": hits})
    return SearchOut(
        known=bool(found.hits) and terms.page is None and found.hits[0].probability >= LIKELY,
        persons=found.persons,
        hits=[
            Hit(
                identity=hit.identity,
                probability=hit.probability,
                level=hit.level,
                distance=hit.distance,
                best=Seen.of(hit.best),
                places=[Place.of(a) for a in hit.appearances],
            )
            for hit in found.hits
        ],
        next=found.next,
    )


def identities(gallery: Gallery, above: int) -> Identities:
    """Persons by number, a page of them."""
    found = gallery.browse.identities(above=above, limit=AT_ONCE)
    return Identities(
        identities=[IdentityOut.of(one) for one in found],
        next=found[-1].id if len(found) == AT_ONCE else None,
    )


def identity(gallery: Gallery, number: int) -> WholeIdentity:
    """A person with all tracks, in order of time.

    Raises:
        StorageError: no such person.
    """
    one = gallery.browse.identity(number)
    tracks = sorted(gallery.browse.tracks(one.tracks), key=lambda t: (t.first, t.id))
    best = gallery.browse.best(one.tracks)
    between = evidence_between(gallery, [t.id for t in tracks[:IN_PAIRS]])
    pairs = [
        PairOut(one=a, other=b, evidence=found.log_odds, level=found.level)
        for (a, b), found in between.items()
    ]
    return WholeIdentity(
        **IdentityOut.of(one).model_dump(),
        every=[_track(t, best.get(t.id)) for t in tracks],
        pairs=sorted(pairs, key=lambda pair: pair.evidence),
        history=[ChangeOut.model_validate(c) for c in gallery.people.history(number)],
    )


def is_there(gallery: Gallery, number: int | None) -> bool:
    """Whether a person has tracks (any more)."""
    if number is None:
        return False
    try:
        gallery.browse.identity(number)
    except NotStored:
        return False
    return True


def _track(track: StoredTrack, seen: Sighting | None) -> TrackOut:
    return TrackOut(
        id=track.id,
        camera=track.camera,
        first=track.first,
        last=track.last,
        observations=track.count,
        evidence=track.evidence,
        best=Seen.of(seen) if seen else None,
    )


def review(gallery: Gallery, passed: Sequence[int] = ()) -> Review:
    """The least certain link that can be judged by eye.

    Args:
        passed: tracks that are not to be asked about now.
    """
    left = gallery.browse.doubtful()
    for doubt in gallery.browse.doubts(len(passed) + WITHOUT_PICTURES):
        if doubt.track in passed:
            continue
        best = gallery.browse.best(gallery.browse.identity(doubt.identity).tracks)
        one = best.pop(doubt.track, None)
        if one is None or not best:
            continue
        other = max(best.values(), key=lambda s: (s.camera != one.camera, s.quality * s.box[3]))
        found = DoubtOut(
            track=doubt.track,
            identity=doubt.identity,
            evidence=doubt.evidence,
            one=Seen.of(one),
            other=Seen.of(other),
        )
        return Review(left=left, next=found)
    return Review(left=left, next=None)


def kept(gallery: Gallery) -> GalleryOut:
    """What is kept, for how long, and what may not go."""
    info = gallery.info()
    by_camera: dict[str, list[Session]] = {}
    for session in gallery.sessions():
        by_camera.setdefault(session.camera, []).append(session)
    return GalleryOut(
        tracks=info.tracks,
        observations=info.observations,
        identities=info.identities,
        crops=info.crops,
        bytes=info.database_bytes + info.crop_bytes,
        first=info.first,
        last=info.last,
        model=info.model.name if info.model else None,
        cameras=[
            CameraOut(
                name=name,
                sessions=len(own),
                first=min(s.start for s in own),
                last_start=max(s.start for s in own),
                done=all(s.state == "done" for s in own),
            )
            for name, own in sorted(by_camera.items())
        ],
        rules=[RuleOut.model_validate(rule) for rule in gallery.life.rules()],
        holds=[HoldOut.model_validate(hold) for hold in gallery.life.holds()],
    )
