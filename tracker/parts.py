"""Linking in parts: tracks that were seen together first, then their people over the parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from reid import Calibration, Embeddings

from .constraints import Constraints, Judgements
from .link import LinkSettings, link
from .tracklet import Identity, Tracklet, by_content

CAUTION = 4.0
"""Nats that a pair must bring more in a part than among all: a likelier other may lie in another
part, and what a part joins stays together."""

LOOKS = 4
"""Observations at most that stand for a person of a part in the others."""


@dataclass(frozen=True)
class Bundle:
    """A person of one part: who it is there, and one tracklet that stands for all its tracks, with
    the key of the lowest of them."""

    identity: Identity
    tracklet: Tracklet


def link_part(
    tracklets: Iterable[Tracklet],
    calibration: Calibration,
    constraints: Constraints | None = None,
    settings: LinkSettings | None = None,
    judgements: Judgements | None = None,
    *,
    among: int,
) -> list[Bundle]:
    """Links the tracks of one part, only where it is sure.

    Args:
        tracklets: as for `link`. among: how many tracks all parts have.

    Raises:
        TrackerError: when the embeddings come from two models.
    """
    known = {t.key: t for t in tracklets}
    settings = settings or LinkSettings()
    careful = replace(settings, prior=settings.prior - CAUTION)
    found = link(known.values(), calibration, constraints, careful, judgements, among)
    return [Bundle(one, _as_one([known[key] for key in one.tracks])) for one in found]


def link_parts(
    bundles: Iterable[Bundle],
    calibration: Calibration,
    constraints: Constraints | None = None,
    settings: LinkSettings | None = None,
    judgements: Judgements | None = None,
) -> list[Identity]:
    """Links the people of all parts, in whatever order they come.

    All tracks that were confirmed for one person must be in one bundle, without others.

    Returns:
        Identities by their lowest key, with the evidence of the parts' own pairs, and that between
        two bundles as the evidence of their lowest tracks.

    Raises:
        TrackerError: when the embeddings come from two models.
    """
    known = {bundle.tracklet.key: bundle for bundle in bundles}
    among = sum(len(bundle.identity.tracks) for bundle in known.values())
    told = _of_bundles(judgements or Judgements(), known)
    found = link(
        (b.tracklet for b in known.values()), calibration, constraints, settings, told, among
    )
    return sorted((_joined(one, known) for one in found), key=lambda one: one.tracks)


def _joined(people: Identity, known: Mapping[int, Bundle]) -> Identity:
    """The tracks of some bundles, which are one person's."""
    parts = [known[key].identity for key in people.tracks]
    evidence = dict(people.evidence)
    for part in parts:
        evidence |= part.evidence
    return Identity(tuple(sorted(track for part in parts for track in part.tracks)), evidence)


def _of_bundles(judgements: Judgements, known: Mapping[int, Bundle]) -> Judgements:
    """What people said of tracks, as said of the bundles that they are in."""
    home = {track: key for key, bundle in known.items() for track in bundle.identity.tracks}
    person = {home[t]: who for t, who in judgements.person.items() if t in home}
    apart = {(home[a], home[b]) for a, b in judgements.apart if a in home and b in home}
    return Judgements(person, [(a, b) for a, b in apart if a != b])


def _as_one(tracks: Sequence[Tracklet]) -> Tracklet:
    """One tracklet for several tracks of a person, with their spans and some of their looks."""
    ordered = sorted(tracks, key=lambda track: (track.first, by_content(track)))
    spans = [span for track in ordered for span in track.spans]
    key = min(track.key for track in tracks)
    return Tracklet(key, *spans[0], _looks([t.embeddings for t in ordered]), tuple(spans[1:]))


def _looks(parts: Sequence[Embeddings]) -> Embeddings:
    """`LOOKS` observations of tracks in order of time: the best of each, or of some of them in
    equal steps, then the second best, and so on."""
    best = [np.argsort(-part.quality, kind="stable") for part in parts]
    chosen: list[tuple[int, int]] = []
    for rank in range(max(map(len, parts))):
        row = [(at, int(best[at][rank])) for at, part in enumerate(parts) if len(part) > rank]
        room = min(LOOKS - len(chosen), len(row))
        chosen += [row[i * len(row) // room] for i in range(room)]
    of = [[look for owner, look in chosen if owner == at] for at in range(len(parts))]
    return Embeddings.concatenate(
        [part[np.array(looks, np.int64)] for part, looks in zip(parts, of, strict=True)]
    )
