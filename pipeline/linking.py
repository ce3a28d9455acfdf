"""From the tracks of a gallery to identities, written back to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from reid import Calibration
from storage import Gallery, StoredTrack
from tracker import (
    Constraints,
    Judgements,
    Linker,
    LinkSettings,
    PairEvidence,
    Tracklet,
    link,
)

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


def link_gallery(
    gallery: Gallery,
    calibration: Calibration,
    constraints: Constraints,
    settings: LinkSettings,
) -> list[Linked]:
    """Links all tracks of a gallery and stores their identities.

    What a person confirmed or rejected stands above evidence and constraints.

    Returns:
        Identities by number, each with its tracks in order of time.
    """
    tracks = {t.id: t for t in gallery.tracks(looks=LOOKS)}
    told = judgements(gallery, tracks.values())
    tracklets = map(tracklet, tracks.values())
    identities = link(tracklets, calibration, constraints, settings, told)
    assignments = {track: i for i, identity in enumerate(identities) for track in identity.tracks}
    support = {track: one.support(track) for one in identities for track in one.tracks}
    gallery.save_identities(assignments, support)
    settled = {t.id: t.identity for t in gallery.tracks(looks=0) if t.id in tracks}
    members: dict[int, list[StoredTrack]] = defaultdict(list)
    for track, number in settled.items():
        if number is not None:
            members[number].append(tracks[track])
    evidence: dict[int, dict[tuple[int, int], PairEvidence]] = defaultdict(dict)
    for identity in identities:
        for pair, found in identity.evidence.items():
            number = settled[pair[0]]
            if number is not None and number == settled[pair[1]]:
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
