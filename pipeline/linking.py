"""From the tracks of a gallery to identities, written back to it."""

from __future__ import annotations

from dataclasses import dataclass

from reid import Calibration
from storage import Gallery, StoredTrack
from tracker import Constraints, Identity, LinkSettings, PairEvidence, Tracklet, link

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

    Returns:
        Identities by number, each with its tracks in order of time.
    """
    tracks = {t.id: t for t in gallery.tracks(looks=LOOKS)}
    tracklets = [Tracklet(t.id, t.camera, t.first, t.last, t.embeddings) for t in tracks.values()]
    identities = link(tracklets, calibration, constraints, settings)
    assignments = {track: i for i, identity in enumerate(identities) for track in identity.tracks}
    support = {track: one.support(track) for one in identities for track in one.tracks}
    numbers = gallery.save_identities(assignments, support)
    linked = [_linked(numbers[i], one, tracks, support) for i, one in enumerate(identities)]
    return sorted(linked, key=lambda one: one.identity)


def _linked(
    number: int, identity: Identity, tracks: dict[int, StoredTrack], support: dict[int, float]
) -> Linked:
    of_identity = sorted((tracks[t] for t in identity.tracks), key=lambda t: (t.first, t.id))
    held = {t: support[t] for t in identity.tracks}
    return Linked(number, tuple(of_identity), dict(identity.evidence), held)
