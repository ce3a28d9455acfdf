"""From the tracks of a gallery to identities, written back to it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from reid import Calibration
from storage import Gallery, StoredTrack
from tracker import Constraints, LinkSettings, PairEvidence, Tracklet, link

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


def link_gallery(
    gallery: Gallery,
    calibration: Calibration,
    constraints: Constraints,
    settings: LinkSettings,
) -> list[Linked]:
    """Links all tracks of a gallery and stores their identities.

    What a person confirmed or rejected stands above what is found here.

    Returns:
        Identities by number, each with its tracks in order of time.
    """
    tracks = {t.id: t for t in gallery.tracks(looks=LOOKS)}
    tracklets = [Tracklet(t.id, t.camera, t.first, t.last, t.embeddings) for t in tracks.values()]
    identities = link(tracklets, calibration, constraints, settings)
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
