"""What people say of tracks and identities, and how it is taken back."""

from __future__ import annotations

from storage import Gallery

from .context import Context
from .errors import ConsoleError
from .models import Act, Done, Removal, Undo
from .notes import Note


def act(here: Context, wanted: Act) -> Done:
    """Does what somebody says; it stands in the history and the audit log.

    Raises:
        ConsoleError: a part of the act is missing, or there is nothing to undo.
        StorageError: as of `storage.People`.
    """
    if wanted.act == "undo":
        return _undo(here, wanted.of)
    note = _do(here.gallery, wanted)
    name = here.shared.notes.keep(here.user.name, note)
    return Done(said=note.said, identity=note.identity, undo=Undo(of=name))


def _do(gallery: Gallery, wanted: Act) -> Note:
    people = gallery.people
    if wanted.act in ("merge", "split"):
        identity = _need(wanted.identity, "identity")
        if wanted.act == "merge":
            said = people.merge(identity, wanted.others)
            names = ", ".join(map(str, wanted.others))
            return Note(f"Identity {identity} now includes {names}.", identity, said)
        said = people.split(identity, wanted.tracks)
        words = f"{len(wanted.tracks)} tracks are identity {said.identity} now."
        return Note(words, identity, said)
    track = _need(wanted.track, "track")
    if wanted.act == "assign":
        said = people.assign(track, _need(wanted.identity, "identity"))
    elif wanted.act == "confirm":
        said = people.confirm(track, wanted.identity)
    elif wanted.act == "reject":
        said = people.reject(track, wanted.identity)
        return Note(f"Track {track} is not identity {said.identity}.", said.identity, said)
    else:
        said = people.withdraw(track)
        return Note(f"Nothing is said of track {track} any more.", said.identity, said)
    return Note(f"Track {track} is identity {said.identity}.", said.identity, said)


def _undo(here: Context, name: str | None) -> Done:
    notes = here.shared.notes
    note = notes.find(name, here.user.name) if name else None
    if name is None or note is None or note.act is None:
        raise ConsoleError("there is nothing to undo: it was undone, or is too long ago", 404)
    here.gallery.people.undo(note.act)
    notes.let_go(name)
    return Done(said=f"Undone: {note.said}", identity=note.identity, undo=None)


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


def _need(value: int | None, name: str) -> int:
    if value is None:
        raise ConsoleError(f"this act needs a {name}")
    return value
