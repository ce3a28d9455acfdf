"""What people say of tracks and identities, and how it is taken back."""

from __future__ import annotations

from storage import Gallery, NotStored

from .errors import ConsoleError
from .models import Act, Done, Removal, Undo


def act(gallery: Gallery, wanted: Act) -> Done:
    """Does what somebody says; it stands in the history and the audit log.

    Raises:
        ConsoleError: a part of the act is missing. StorageError: as of `storage.People`.
    """
    people = gallery.people
    if wanted.act == "confirm":
        track = _need(wanted.track, "track")
        identity = people.confirm(track)
        return Done(
            said=f"Track {track} is identity {identity}.",
            identity=identity,
            undo=Undo(act="withdraw", track=track),
        )
    if wanted.act == "withdraw":
        track = _need(wanted.track, "track")
        people.withdraw(track)
        return Done(said=f"Nothing is said of track {track} any more.", identity=None, undo=None)
    if wanted.act == "reject":
        track = _need(wanted.track, "track")
        identity = people.reject(track)
        return Done(
            said=f"Track {track} is not identity {identity}.",
            identity=identity,
            undo=_back(gallery, track, identity),
        )
    if wanted.act == "assign":
        track, identity = _need(wanted.track, "track"), _need(wanted.identity, "identity")
        before = gallery.browse.identity_of([track]).get(track)
        people.assign(track, identity)
        back = _back(gallery, track, before) if before else Undo(act="reject", track=track)
        return Done(said=f"Track {track} is identity {identity}.", identity=identity, undo=back)
    identity = _need(wanted.identity, "identity")
    if wanted.act == "merge":
        moved = [t for o in wanted.others for t in gallery.browse.identity(o).tracks]
        people.merge(identity, wanted.others)
        names = ", ".join(map(str, wanted.others))
        undo = Undo(act="split", identity=identity, tracks=moved)
        return Done(said=f"Identity {identity} now includes {names}.", identity=identity, undo=undo)
    made = people.split(identity, wanted.tracks)
    return Done(
        said=f"{len(wanted.tracks)} tracks are identity {made} now.",
        identity=identity,
        undo=Undo(act="merge", identity=identity, others=[made]),
    )


def would_go(gallery: Gallery, identity: int) -> Removal:
    """What erasing a person would remove.

    Raises:
        StorageError: no such person.
    """
    tracks = gallery.browse.tracks(gallery.browse.identity(identity).tracks)
    crops = {s.crop for t in tracks for s in gallery.observations(t.id) if s.crop}
    return Removal(tracks=len(tracks), observations=sum(t.count for t in tracks), crops=len(crops))


def erase(gallery: Gallery, identity: int, observations: int) -> Removal:
    """Removes a person if as much would go as was shown.

    Raises:
        ConsoleError: more or less would go by now.
        StorageError: no such person, or a legal hold covers it.
    """
    going = would_go(gallery, identity)
    if going.observations != observations:
        raise ConsoleError(
            f"by now {going.observations} observations would go, not {observations}: look again",
            409,
        )
    gone = gallery.life.erase(identity, vacuum=False)
    return Removal.model_validate(gone)


def _back(gallery: Gallery, track: int, identity: int) -> Undo | None:
    """How a track gets back to an identity; one that ended without it can't be had again."""
    try:
        gallery.browse.identity(identity)
    except NotStored:
        return None
    return Undo(act="assign", track=track, identity=identity)


def _need(value: int | None, name: str) -> int:
    if value is None:
        raise ConsoleError(f"this act needs a {name}")
    return value
