"""From the tracks of a gallery to identities, written back to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from reid import Calibration
from storage import Gallery, StoredTrack
from tracker import (
    Bundle,
    Constraints,
    Identity,
    Judgements,
    Linker,
    LinkSettings,
    PairEvidence,
    Tracklet,
    link,
    link_part,
    link_parts,
)

from .cut import WHOLE, Cut

LOOKS = 8
"""Observations of a track that the linker compares at most, spread over its time."""


@dataclass(frozen=True)
class Linked:
    """One identity after linking: its number in the gallery and why its tracks hold together.

    `support` is the log-odds in nats that hold each track, by its id, in the identity.
    """

    identity: int
    tracks: tuple[StoredTrack, ...]
    evidence: dict[tuple[int, int], PairEvidence]
    support: dict[int, float]

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names of its cameras, in order of first sight."""
        return tuple(dict.fromkeys(t.camera for t in self.tracks))


def tracklet(track: StoredTrack) -> Tracklet:
    """What the linker gets of a stored track."""
    return Tracklet(track.id, track.camera, track.first, track.last, track.embeddings)


def judgements(gallery: Gallery, tracks: Iterable[StoredTrack]) -> Judgements:
    """What people said of tracks: who they show, and that one is not the person of an identity,
    which keeps it apart from the tracks that this identity has."""
    said = gallery.people.judgements()
    members: dict[int | None, list[int]] = defaultdict(list)
    for track in tracks:
        members[track.identity].append(track.id)
    apart = [(track, other) for track, one in said.rejected for other in members[one]]
    return Judgements(said.confirmed, apart)


def evidence_between(
    gallery: Gallery, tracks: Sequence[int]
) -> dict[tuple[int, int], PairEvidence]:
    """How the linker weighs each pair of some tracks, by their ids, the lower first; without those
    that have no embedding."""
    found = [t for t in gallery.browse.tracks(tracks, looks=LOOKS) if len(t.embeddings)]
    linker = Linker(gallery.calibration)
    linker.start(map(tracklet, found), {})
    return dict(linker.identity([t.id for t in found]).evidence)


@dataclass(frozen=True)
class How:
    """What a part is linked by; see `tracker.link_part`."""

    calibration: Calibration
    constraints: Constraints
    settings: LinkSettings
    among: int


Over = Callable[[Sequence[list[int]], How], Iterable[list[Bundle]]]
"""Does `link_stored` for each part, by the ids of its tracks, wherever it does."""


def link_stored(gallery: Gallery, tracks: Sequence[int], how: How) -> list[Bundle]:
    """Links the tracks of one part, by their ids, and stores nothing."""
    found = gallery.browse.tracks(tracks, looks=LOOKS)
    told = judgements(gallery, found)
    return link_part(
        map(tracklet, found), how.calibration, how.constraints, how.settings, told, among=how.among
    )


def link_gallery(
    gallery: Gallery,
    calibration: Calibration,
    constraints: Constraints,
    settings: LinkSettings,
    cut: Cut = WHOLE,
    over: Over | None = None,
) -> list[Linked]:
    """Links all tracks of a gallery and stores their identities.

    What a person confirmed or rejected stands above evidence and constraints.

    Args:
        cut: the parts that are linked by themselves first, if there are several.
        over: who links them; this process, one after the other, if None.

    Returns:
        Identities by number, each with its tracks in order of time and without embeddings.
    """
    known = gallery.tracks(looks=0)
    told = judgements(gallery, known)
    parts = cut.parts(known, told.person)
    if len(parts) > 1:
        how = How(calibration, constraints, settings, len(known))
        found = over(parts, how) if over else (link_stored(gallery, p, how) for p in parts)
        bundles = [bundle for part in found for bundle in part]
        identities = link_parts(bundles, calibration, constraints, settings, told)
    else:
        tracklets = map(tracklet, gallery.tracks(looks=LOOKS))
        identities = link(tracklets, calibration, constraints, settings, told)
    return _kept(gallery, identities)


def _kept(gallery: Gallery, identities: Sequence[Identity]) -> list[Linked]:
    """Stores identities; what they are in the gallery then."""
    assignments = {track: i for i, identity in enumerate(identities) for track in identity.tracks}
    support = {track: one.support(track) for one in identities for track in one.tracks}
    gallery.save_identities(assignments, support)
    members: dict[int, list[StoredTrack]] = defaultdict(list)
    settled: dict[int, int | None] = {}
    for track in gallery.tracks(looks=0):
        if track.id in assignments:
            settled[track.id] = track.identity
            if track.identity is not None:
                members[track.identity].append(track)
    evidence: dict[int, dict[tuple[int, int], PairEvidence]] = defaultdict(dict)
    for identity in identities:
        for pair, found in identity.evidence.items():
            number = settled.get(pair[0])
            if number is not None and number == settled.get(pair[1]):
                evidence[number][pair] = found
    return [
        Linked(
            number,
            tuple(sorted(own, key=lambda t: (t.first, t.id))),
            evidence[number],
            {t.id: support[t.id] for t in own},
        )
        for number, own in sorted(members.items())
    ]
